"""Finalizing invoices, and how payments and the balance are applied to them."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.changes import ChangeMode
from billing.enums import AllocationKind, EventType, InvoiceKind, InvoiceStatus, LedgerEntryKind
from billing.errors import TooManyLines
from billing.ids import InvoiceId, InvoiceLineId
from billing.invoicing import bill
from billing.limits import MAX_CENTS, MAX_LINES
from billing.money import AmountOverflow
from billing.new_records import NewInvoice
from billing.periods import Period
from billing.records import InvoiceState, SubscriptionState
from billing.renewals import renew
from tests.billing.accounts import (
    JUNE,
    WEEK,
    amounts,
    cancel_with_credit,
    change_to,
    days,
    give_up,
    lives,
    overpay,
    pay,
    some_terms,
    started,
)

JULY = datetime(2025, 7, 1, tzinfo=UTC)
AUGUST = datetime(2025, 8, 1, tzinfo=UTC)


def an_invoice(account: Account, *amounts_cents: int, at: datetime = JUNE) -> NewInvoice:
    """Finalizes an invoice with one line for each amount. The lines are copies of the account's first line."""
    example = account.invoices[0].lines[0]
    lines = [
        replace(example, id=InvoiceLineId(account.make_id()), amount_cents=amount_cents)
        for amount_cents in amounts_cents
    ]
    return bill(account, InvoiceKind.PRORATION, lines, period=Period(at, at + days(30)), at=at)


def put_against(account: Account, kind: AllocationKind) -> list[tuple[InvoiceId, int]]:
    return [(part.invoice_id, part.amount_cents) for part in account.allocations if part.kind is kind]


def ledger(account: Account) -> list[tuple[LedgerEntryKind, int, int]]:
    return [(entry.kind, entry.amount_cents, entry.balance_after_cents) for entry in account.ledger_entries]


def events_of(account: Account, object_id: UUID) -> list[tuple[EventType, int]]:
    return [(event.type, event.version) for event in account.events if event.object_id == object_id]


def test_numbers_run_on_from_invoice_to_invoice() -> None:
    account = started(some_terms(1000))
    account.customer.last_invoice_number = 9998

    invoices = [an_invoice(account, 100), an_invoice(account, -100), an_invoice(account, 0)]

    assert [(invoice.sequence, invoice.number) for invoice in invoices] == [
        (9999, "ADA-9999"),
        (10_000, "ADA-10000"),
        (10_001, "ADA-10001"),
    ]
    assert account.customer.last_invoice_number == 10_001
    assert account.customer_changed


@pytest.mark.parametrize(
    ("of_customer", "of_plan", "expected"),
    [(None, None, 14), (None, 30, 30), (7, 30, 7), (7, None, 7), (0, 30, 0), (None, 0, 0)],
)
def test_an_invoice_is_due_when_the_customer_or_else_the_plan_says(
    of_customer: int | None, of_plan: int | None, expected: int
) -> None:
    [invoice] = started(some_terms(net_days=of_plan), net_days=of_customer).invoices

    assert invoice.due_at == JUNE + days(expected)


def test_an_invoice_is_addressed_to_the_customer_as_it_stands() -> None:
    account = started(some_terms(1000))
    moved = replace(account.customer.bill_to, name="Countess of Lovelace")
    account.customer.bill_to = moved

    renew(account, JULY)

    assert [invoice.bill_to.name for invoice in account.invoices] == ["Ada Lovelace", "Countess of Lovelace"]


def test_a_total_of_0_is_paid_and_moves_no_money() -> None:
    account = started(some_terms(1000))

    invoice = an_invoice(account, -300, 300)

    assert (invoice.amount_cents, invoice.amount_due_cents) == (0, 0)
    assert (invoice.status, invoice.paid_at) == (InvoiceStatus.PAID, JUNE)
    assert (account.allocations, account.ledger_entries) == ([], [])
    assert events_of(account, invoice.id) == [(EventType.INVOICE_FINALIZED, 1), (EventType.INVOICE_PAID, 2)]


def test_a_negative_total_is_paid_with_nothing_due_on_it() -> None:
    account = started(some_terms(0))

    invoice = an_invoice(account, 200, -500)

    assert (invoice.subtotal_cents, invoice.amount_cents, invoice.amount_due_cents) == (-300, -300, 0)
    assert (invoice.status, invoice.paid_at) == (InvoiceStatus.PAID, JUNE)
    assert ledger(account) == [(LedgerEntryKind.INVOICE_CREDIT, 300, 300)]
    assert account.ledger_entries[0].invoice_id == invoice.id


def test_a_credit_beside_a_larger_charge_stays_on_its_invoice() -> None:
    account = started(some_terms(1000))

    invoice = an_invoice(account, -500, 800)

    assert (invoice.status, invoice.amount_due_cents) == (InvoiceStatus.OPEN, 300)
    assert (account.allocations, account.ledger_entries) == ([], [])
    assert account.unpaid == account.invoices


def test_a_credit_flows_to_the_invoice_it_reverses_then_to_the_oldest_due_and_the_rest_to_the_balance() -> None:
    account = started(some_terms(1000))
    pay(account, JUNE, 900)
    overpay(account, 300, JUNE)
    renew(account, JULY)
    first, second = account.invoices
    assert [first.amount_due_cents, second.amount_due_cents] == [100, 700]

    credit = cancel_with_credit(account, JULY)

    assert amounts(credit) == [-1000]
    assert put_against(account, AllocationKind.CREDIT) == [(second.id, 700), (first.id, 100)]
    assert ledger(account)[-1] == (LedgerEntryKind.INVOICE_CREDIT, 200, 200)
    assert {invoice.status for invoice in account.invoices} == {InvoiceStatus.PAID}
    assert account.unpaid == []
    assert credit is not None
    assert [part.source_invoice_id for part in account.allocations[-2:]] == [credit.id, credit.id]


def test_a_credit_that_the_reversed_invoice_takes_as_a_whole_flows_no_further() -> None:
    account = started(some_terms(1000))
    renew(account, JULY)
    first, second = account.invoices

    cancel_with_credit(account, JULY + days(15.5))

    assert put_against(account, AllocationKind.CREDIT) == [(second.id, 500)]
    assert (first.amount_due_cents, second.amount_due_cents, account.customer.balance_cents) == (1000, 500, 0)
    assert second.status is InvoiceStatus.OPEN
    assert events_of(account, second.id)[-1] == (EventType.INVOICE_PARTIALLY_PAID, 2)


def test_a_credit_that_waited_flows_to_the_invoice_it_reverses() -> None:
    account = started(some_terms(1000), net_days=60)
    change_to(account, some_terms(0), mode=ChangeMode.NEXT_INVOICE, at=JUNE + days(15))

    renew(account, JULY)

    first, second = account.invoices
    assert (amounts(second), second.status) == ([-500, 0], InvoiceStatus.PAID)
    assert put_against(account, AllocationKind.CREDIT) == [(first.id, 500)]
    assert first.amount_due_cents == 500


def test_of_the_other_invoices_the_one_that_is_due_first_takes_a_credit_first() -> None:
    account = started(some_terms(1000), net_days=90)
    account.customer.net_days = 0
    renew(account, JULY)
    later_due, earlier_due = account.invoices

    an_invoice(account, -1500, at=JULY)

    assert put_against(account, AllocationKind.CREDIT) == [(earlier_due.id, 1000), (later_due.id, 500)]


def test_of_invoices_that_are_due_together_the_first_made_takes_a_credit_first() -> None:
    account = started(some_terms(1000))
    pay(account, JUNE)
    renew(account, AUGUST)
    _, july, august = account.invoices
    account.unpaid.reverse()

    an_invoice(account, -1500, at=AUGUST)

    assert july.due_at == august.due_at
    assert put_against(account, AllocationKind.CREDIT) == [(july.id, 1000), (august.id, 500)]


def test_a_credit_passes_what_is_uncollectible_unless_it_reverses_it() -> None:
    passing = started(some_terms(1000))
    give_up(passing, JUNE)
    an_invoice(passing, -300)
    reversing = started(some_terms(1000))
    give_up(reversing, JUNE)
    cancel_with_credit(reversing, JUNE)

    assert (passing.allocations, passing.customer.balance_cents) == ([], 300)
    assert put_against(reversing, AllocationKind.CREDIT) == [(reversing.invoices[0].id, 1000)]
    assert reversing.invoices[0].status is InvoiceStatus.PAID


def test_the_balance_pays_as_much_of_the_next_invoices_as_it_has() -> None:
    account = started(some_terms(1000), balance_cents=1500)

    renew(account, JULY)
    renew(account, AUGUST)

    first, second, third = account.invoices
    assert put_against(account, AllocationKind.BALANCE) == [(first.id, 1000), (second.id, 500)]
    assert ledger(account) == [
        (LedgerEntryKind.OVERPAYMENT, 1500, 1500),
        (LedgerEntryKind.APPLIED, -1000, 500),
        (LedgerEntryKind.APPLIED, -500, 0),
    ]
    assert [invoice.amount_due_cents for invoice in (first, second, third)] == [0, 500, 1000]
    assert (first.status, first.paid_at, second.status) == (InvoiceStatus.PAID, JUNE, InvoiceStatus.OPEN)
    assert account.unpaid == [second, third]
    assert events_of(account, first.id) == [(EventType.INVOICE_FINALIZED, 1), (EventType.INVOICE_PAID, 2)]
    assert events_of(account, second.id) == [(EventType.INVOICE_FINALIZED, 1), (EventType.INVOICE_PARTIALLY_PAID, 2)]


def test_a_hundred_lines_fit_on_an_invoice_and_one_more_does_not() -> None:
    account = started(some_terms(1000))

    assert MAX_LINES == 100
    assert an_invoice(account, *[1] * 100).amount_cents == 100
    with pytest.raises(TooManyLines):
        an_invoice(account, *[1] * 101)


def an_account_with_49_lines_that_wait() -> Account:
    """Creates an account with one charge and then 24 changes with a credit and a charge each."""
    account = started(some_terms(0))
    for price in range(1, 26):
        change_to(account, some_terms(price), mode=ChangeMode.NEXT_INVOICE, at=JUNE)
    assert len(account.pending_lines) == 49
    return account


def test_lines_that_wait_fit_on_an_invoice_with_the_next_period() -> None:
    account = an_account_with_49_lines_that_wait()

    renew(account, JULY)

    assert len(account.invoices[-1].lines) == 50


def test_lines_that_wait_fit_on_an_invoice_with_those_of_one_more_change() -> None:
    account = an_account_with_49_lines_that_wait()

    change = change_to(account, some_terms(1000), mode=ChangeMode.IMMEDIATE, at=JUNE)

    assert change.invoice is not None
    assert len(change.invoice.lines) == 51


@pytest.mark.parametrize("mode", [ChangeMode.NEXT_INVOICE, ChangeMode.CHARGE_NOW_CREDIT_LATER])
def test_more_than_50_lines_do_not_wait_for_an_invoice(mode: ChangeMode) -> None:
    account = an_account_with_49_lines_that_wait()
    if mode is ChangeMode.CHARGE_NOW_CREDIT_LATER:
        change_to(account, some_terms(30), mode=mode, at=JUNE)

    with pytest.raises(TooManyLines):
        change_to(account, some_terms(1000), mode=mode, at=JUNE)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_total_that_is_too_large_is_refused(sign: int) -> None:
    account = started(some_terms(1000))

    with pytest.raises(AmountOverflow):
        an_invoice(account, sign * MAX_CENTS, sign)


def test_a_balance_that_would_be_too_large_is_refused() -> None:
    account = started(some_terms(0), balance_cents=MAX_CENTS)

    with pytest.raises(AmountOverflow):
        an_invoice(account, -1)


def test_an_event_says_when_it_was_for_the_customer_and_when_it_was_noted() -> None:
    account = started(some_terms(1000))
    account.recorded_at = AUGUST

    renew(account, JULY)

    assert [(event.type, event.occurred_at, event.recorded_at) for event in account.events[-3:]] == [
        (EventType.SUBSCRIPTION_RENEWED, JULY, AUGUST),
        (EventType.INVOICE_FINALIZED, JULY, AUGUST),
        (EventType.SUBSCRIPTION_PAST_DUE, JULY, AUGUST),
    ]


@given(lives())
def test_the_events_of_each_object_are_its_versions_without_a_gap(account: Account) -> None:
    versions: dict[UUID, list[int]] = {}
    for event in account.events:
        versions.setdefault(event.object_id, []).append(event.version)

    subscription, customer = account.known_subscription, account.customer
    assert versions.pop(subscription.id) == list(range(1, subscription.version + 1))
    # The customer existed before, at version 1.
    assert versions.pop(customer.id, []) == list(range(2, customer.version + 1))
    assert versions == {invoice.id: list(range(1, invoice.version + 1)) for invoice in account.invoices}


@given(lives())
def test_no_change_comes_after_the_event_that_tells_it(account: Account) -> None:
    subjects = [account.customer, account.known_subscription, *account.invoices]

    assert [subject.changed_columns() for subject in subjects] == [[]] * len(subjects)


@given(lives())
def test_events_are_in_the_order_of_time_and_their_objects_as_new_as_the_last(account: Account) -> None:
    instants = [event.occurred_at for event in account.events]

    assert instants == sorted(instants)
    subjects: list[SubscriptionState | InvoiceState] = [account.known_subscription, *account.invoices]
    for subject in subjects:
        assert subject.updated_at == max(event.occurred_at for event in account.events if event.object_id == subject.id)


@given(st.lists(st.integers(-1000, 1000), max_size=8), st.integers(0, 2000))
def test_money_that_is_given_back_and_money_that_is_owed_never_stand_side_by_side(
    totals: list[int], balance_cents: int
) -> None:
    account = started(some_terms(1000, WEEK), balance_cents=balance_cents)

    for total in totals:
        an_invoice(account, total)

    owed = sum(invoice.amount_due_cents for invoice in account.unpaid)
    assert 0 in (owed, account.customer.balance_cents)
    assert owed - account.customer.balance_cents == 1000 + sum(totals) - balance_cents
