"""Renewals: the life of a subscription as time passes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.changes import ChangeMode
from billing.enums import EventType, InvoiceKind, InvoiceStatus, LineKind, PeriodKind, SubscriptionStatus
from billing.limits import MAX_CENTS, MAX_PERIODS_PER_RUN
from billing.money import AmountOverflow
from billing.periods import Interval, Period
from billing.renewals import bill_until, renew
from billing.settling import update_past_due
from tests.billing.accounts import (
    JUNE,
    MONTH,
    WEEK,
    YEAR,
    amounts,
    an_account,
    change_to,
    days,
    give_up,
    instants,
    nth_period,
    pay,
    some_terms,
    started,
    starts,
)

JULY = datetime(2025, 7, 1, tzinfo=UTC)
AUGUST = datetime(2025, 8, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HALF_OF_JUNE = JUNE + days(15)


def periods_of(account: Account) -> list[Period]:
    return [Period(period.starts_at, period.ends_at) for period in account.periods]


def status(account: Account) -> SubscriptionStatus:
    return account.known_subscription.status


def happened(account: Account) -> list[EventType]:
    return [event.type for event in account.events]


def books(account: Account) -> tuple[object, ...]:
    """Returns periods and invoice contents, without the time at which invoices were created and without their
    status.
    """
    return (
        account.periods,
        [(invoice.number, invoice.period_ordinal, invoice.period_start) for invoice in account.invoices],
        [(line.description, line.amount_cents, line.period_end) for i in account.invoices for line in i.lines],
    )


def test_nothing_is_owed_before_the_period_begins() -> None:
    account = an_account(some_terms(), created_at=JUNE - days(7))

    assert renew(account, JUNE - SECOND) == 0

    assert (account.periods, account.invoices, happened(account)) == ([], [], [EventType.SUBSCRIPTION_CREATED])
    assert status(account) is SubscriptionStatus.PENDING


def test_a_period_is_owed_from_its_first_second_on() -> None:
    account = an_account(some_terms(2900, quantity=3), created_at=JUNE - days(7))

    assert renew(account, JUNE) == 1

    [period], [invoice] = account.periods, account.invoices
    [line] = invoice.lines
    assert (period.ordinal, period.after_ordinal, period.kind, period.quantity) == (0, None, PeriodKind.BILLING, 3)
    assert periods_of(account) == [Period(JUNE, JULY)]
    assert (invoice.kind, invoice.status) == (InvoiceKind.RECURRING, InvoiceStatus.OPEN)
    assert (invoice.number, invoice.sequence) == ("ADA-0001", 1)
    assert (invoice.subtotal_cents, invoice.tax_cents) == (8700, 0)
    assert (invoice.amount_cents, invoice.amount_due_cents) == (8700, 8700)
    assert (invoice.period_ordinal, invoice.period_start, invoice.period_end) == (0, JUNE, JULY)
    assert (invoice.issued_at, invoice.due_at, invoice.paid_at) == (JUNE, JUNE + days(14), None)
    assert (line.kind, line.description) == (LineKind.RECURRING, "3 × Pro")
    assert (line.quantity, line.unit_amount_cents, line.amount_cents) == (3, 2900, 8700)
    assert (line.period_ordinal, line.period_start, line.period_end) == (0, JUNE, JULY)


def test_a_period_is_billed_once_however_often_runs_come_by() -> None:
    account = started(some_terms())

    runs = [renew(account, at) for at in (JUNE, JULY - SECOND, JULY, JULY, JULY + SECOND, AUGUST - SECOND)]

    assert runs == [0, 0, 1, 0, 0, 0]
    assert [invoice.number for invoice in account.invoices] == ["ADA-0001", "ADA-0002"]


def test_a_pending_subscription_starts_at_its_start_however_late_the_run() -> None:
    account = an_account(some_terms(), created_at=JUNE - days(7))

    renew(account, JUNE + days(3))

    subscription = account.known_subscription
    assert subscription.status is SubscriptionStatus.ACTIVE
    assert (subscription.started_at, subscription.terms_at) == (JUNE, JUNE)
    assert subscription.current_period == Period(JUNE, JULY)
    assert subscription.next_billing_at == JULY
    assert account.invoices[0].issued_at == JUNE + days(3)
    assert happened(account) == [
        EventType.SUBSCRIPTION_CREATED,
        EventType.SUBSCRIPTION_STARTED,
        EventType.INVOICE_FINALIZED,
    ]


def test_missed_periods_are_billed_one_by_one_and_in_order() -> None:
    account = started(some_terms(interval=Interval(days=30)))
    as_of = JUNE + days(95)

    assert renew(account, as_of) == 3

    assert [(period.ordinal, period.after_ordinal) for period in account.periods] == [(0, None), (1, 0), (2, 1), (3, 2)]
    assert periods_of(account) == [nth_period(JUNE, Interval(days=30), n) for n in range(4)]
    assert [invoice.number for invoice in account.invoices] == ["ADA-0001", "ADA-0002", "ADA-0003", "ADA-0004"]
    assert [invoice.period_ordinal for invoice in account.invoices] == [0, 1, 2, 3]
    assert [invoice.issued_at for invoice in account.invoices] == [JUNE, as_of, as_of, as_of]
    assert [invoice.due_at for invoice in account.invoices[1:]] == [as_of + days(14)] * 3
    assert as_of in account.known_subscription.current_period


def test_a_run_catches_up_a_bounded_number_of_periods() -> None:
    account = started(some_terms(interval=WEEK))
    as_of = JUNE + 30 * days(7)

    assert MAX_PERIODS_PER_RUN == 12
    assert [renew(account, as_of) for _ in range(4)] == [12, 12, 6, 0]

    assert [period.ordinal for period in account.periods] == list(range(31))


def test_what_costs_nothing_is_paid_at_once() -> None:
    [invoice] = started(some_terms(0)).invoices

    assert (invoice.status, invoice.paid_at, invoice.amount_due_cents) == (InvoiceStatus.PAID, JUNE, 0)


@given(st.integers(0, MAX_CENTS), st.integers(1, 10**9))
def test_price_times_quantity_is_exact_or_refused(unit_amount_cents: int, quantity: int) -> None:
    account = an_account(some_terms(unit_amount_cents, quantity=quantity))

    if unit_amount_cents * quantity > MAX_CENTS:
        with pytest.raises(AmountOverflow):
            renew(account, JUNE)
    else:
        renew(account, JUNE)
        assert account.invoices[0].amount_cents == unit_amount_cents * quantity


@given(starts, st.sampled_from([WEEK, MONTH]), st.data())
def test_runs_in_steps_bill_what_one_run_bills(anchor: datetime, interval: Interval, data: st.DataObject) -> None:
    until = anchor + days(data.draw(st.integers(1, 400)))
    by_steps, at_once = (an_account(some_terms(interval=interval), starts_at=anchor) for _ in range(2))

    for at in [*sorted(data.draw(st.lists(instants(anchor, until), max_size=20))), until]:
        while renew(by_steps, at):
            pass
    while renew(at_once, until):
        pass

    assert books(by_steps) == books(at_once)
    assert until in at_once.known_subscription.current_period


def test_a_trial_is_invoiced_over_0_and_paid() -> None:
    account = started(some_terms(2900), trial_end=JUNE + days(10))

    [invoice], subscription = account.invoices, account.known_subscription
    [line] = invoice.lines
    assert subscription.status is SubscriptionStatus.TRIALING
    assert subscription.current_period == Period(JUNE, JUNE + days(10))
    assert [(period.ordinal, period.kind) for period in account.periods] == [(0, PeriodKind.TRIAL)]
    assert (invoice.kind, invoice.status, invoice.amount_cents) == (InvoiceKind.RECURRING, InvoiceStatus.PAID, 0)
    assert (line.kind, line.description, line.amount_cents) == (LineKind.TRIAL, "Trial of Pro", 0)
    assert (line.period_start, line.period_end) == (JUNE, JUNE + days(10))


def test_after_the_trial_a_full_period_is_billed_and_counted_from_its_end() -> None:
    trial_end = datetime(2025, 1, 31, tzinfo=UTC)
    account = started(some_terms(2900), starts_at=datetime(2025, 1, 15, tzinfo=UTC), trial_end=trial_end)

    assert renew(account, trial_end - SECOND) == 0
    assert renew(account, datetime(2025, 3, 31, tzinfo=UTC)) == 3

    assert status(account) is SubscriptionStatus.ACTIVE
    assert [(period.kind, period.starts_at.date().isoformat()) for period in account.periods] == [
        (PeriodKind.TRIAL, "2025-01-15"),
        (PeriodKind.BILLING, "2025-01-31"),
        (PeriodKind.BILLING, "2025-02-28"),
        (PeriodKind.BILLING, "2025-03-31"),
    ]
    assert [amounts(invoice) for invoice in account.invoices] == [[0], [2900], [2900], [2900]]
    assert happened(account).count(EventType.SUBSCRIPTION_TRIAL_ENDED) == 1


def test_a_pending_subscription_with_a_trial_begins_with_the_trial() -> None:
    account = an_account(some_terms(), trial_end=JULY, created_at=JUNE - days(7))

    renew(account, JUNE)

    subscription = account.known_subscription
    assert subscription.status is SubscriptionStatus.TRIALING
    assert (subscription.started_at, subscription.next_billing_at) == (JUNE, JULY)


def test_a_subscription_that_is_canceled_at_its_periods_end_ends_there_and_is_not_billed_again() -> None:
    account = started(some_terms())
    account.known_subscription.cancel_at_period_end = True

    assert renew(account, JULY - SECOND) == 0
    assert renew(account, AUGUST + days(1)) == 1

    subscription = account.known_subscription
    assert subscription.status is SubscriptionStatus.CANCELED
    assert (subscription.ended_at, subscription.next_billing_at) == (JULY, None)
    assert len(account.invoices) == len(account.periods) == 1


def test_a_trial_that_is_canceled_at_its_end_is_never_billed() -> None:
    account = started(some_terms(), trial_end=JUNE + days(10))
    account.known_subscription.cancel_at_period_end = True

    renew(account, JULY)

    assert account.known_subscription.ended_at == JUNE + days(10)
    assert [invoice.amount_cents for invoice in account.invoices] == [0]


def test_at_a_boundary_a_cancellation_wins_over_a_change() -> None:
    account = started(some_terms(1000))
    change_to(account, some_terms(2000), mode=ChangeMode.PERIOD_END, at=HALF_OF_JUNE)
    account.known_subscription.cancel_at_period_end = True

    renew(account, JULY)

    subscription = account.known_subscription
    assert subscription.status is SubscriptionStatus.CANCELED
    assert subscription.plan_id == some_terms(1000).plan_id
    assert (subscription.pending_plan_id, account.pending_terms) == (None, None)
    assert EventType.SUBSCRIPTION_CHANGED not in happened(account)
    assert [amounts(invoice) for invoice in account.invoices] == [[1000]]


def test_a_change_that_waits_takes_effect_at_the_boundary_however_late_the_run() -> None:
    account = started(some_terms(1000))
    change_to(account, some_terms(700, quantity=3), mode=ChangeMode.PERIOD_END, at=HALF_OF_JUNE)

    renew(account, AUGUST)

    subscription = account.known_subscription
    assert [amounts(invoice) for invoice in account.invoices] == [[1000], [2100], [2100]]
    assert [(period.plan_id, period.quantity) for period in account.periods] == [
        (some_terms(1000).plan_id, 1),
        (some_terms(700).plan_id, 3),
        (some_terms(700).plan_id, 3),
    ]
    assert periods_of(account) == [nth_period(JUNE, MONTH, n) for n in range(3)]
    assert (subscription.terms_at, subscription.pending_plan_id, subscription.pending_quantity) == (JULY, None, None)
    assert (subscription.pending_since, account.pending_terms) == (None, None)
    assert happened(account).count(EventType.SUBSCRIPTION_CHANGED) == 1


def test_another_interval_that_waits_counts_its_periods_from_the_boundary() -> None:
    account = started(some_terms(1000, MONTH), starts_at=datetime(2025, 1, 31, tzinfo=UTC))
    boundary = datetime(2025, 2, 28, tzinfo=UTC)
    change_to(account, some_terms(12_000, YEAR), mode=ChangeMode.PERIOD_END, at=boundary - days(1))

    renew(account, boundary + days(3))
    renew(account, datetime(2026, 2, 28, tzinfo=UTC))

    subscription = account.known_subscription
    assert (subscription.anchor_at, subscription.anchor_ordinal) == (boundary, 1)
    assert periods_of(account)[1:] == [nth_period(boundary, YEAR, 0), nth_period(boundary, YEAR, 1)]
    assert [amounts(invoice) for invoice in account.invoices] == [[1000], [12_000], [12_000]]


def test_the_same_interval_that_waits_keeps_the_anchor() -> None:
    account = started(some_terms(1000), starts_at=datetime(2025, 1, 31, tzinfo=UTC))
    change_to(account, some_terms(900), mode=ChangeMode.PERIOD_END, at=datetime(2025, 2, 1, tzinfo=UTC))

    renew(account, datetime(2025, 3, 31, tzinfo=UTC))

    assert [period.ends_at.day for period in account.periods] == [28, 31, 30]


def test_waiting_lines_come_before_the_recurring_one_of_the_next_invoice_alone() -> None:
    account = started(some_terms(1000))
    change_to(account, some_terms(2000), mode=ChangeMode.NEXT_INVOICE, at=HALF_OF_JUNE)

    renew(account, AUGUST)

    assert [amounts(invoice) for invoice in account.invoices] == [[1000], [-500, 1000, 2000], [2000]]
    kinds = [line.kind for line in account.invoices[1].lines]
    assert kinds == [LineKind.PRORATION_CREDIT, LineKind.PRORATION_CHARGE, LineKind.RECURRING]
    assert (account.pending_lines, account.new_pending_lines, account.removed_pending_lines) == ([], [], [])


def test_lines_that_still_wait_at_the_end_go_on_a_last_invoice() -> None:
    account = started(some_terms(1000))
    change_to(account, some_terms(2000), mode=ChangeMode.NEXT_INVOICE, at=HALF_OF_JUNE)
    account.known_subscription.cancel_at_period_end = True

    renew(account, JULY)

    last = account.invoices[-1]
    assert (last.kind, last.status, last.period_ordinal) == (InvoiceKind.PRORATION, InvoiceStatus.OPEN, None)
    assert (last.number, amounts(last), last.amount_cents) == ("ADA-0002", [-500, 1000], 500)
    assert (last.period_start, last.period_end) == (HALF_OF_JUNE, JULY)
    assert account.pending_lines == []


@pytest.mark.parametrize(
    "began", [JUNE, JUNE + timedelta(hours=13), JUNE + days(1) - SECOND], ids=["midnight", "afternoon", "last second"]
)
def test_a_subscription_is_past_due_once_the_day_is_over_on_which_an_invoice_is_due(began: datetime) -> None:
    account = started(some_terms(), starts_at=began)
    day_after = JUNE + days(15)

    renew(account, day_after - SECOND)
    assert status(account) is SubscriptionStatus.ACTIVE

    renew(account, day_after)
    assert status(account) is SubscriptionStatus.PAST_DUE

    pay(account, day_after + days(1))
    assert status(account) is SubscriptionStatus.ACTIVE
    assert happened(account)[-3:] == [
        EventType.SUBSCRIPTION_PAST_DUE,
        EventType.INVOICE_PAID,
        EventType.SUBSCRIPTION_RECOVERED,
    ]


def test_a_part_of_what_is_due_does_not_end_being_past_due() -> None:
    account = started(some_terms(1000))
    renew(account, JUNE + days(20))

    pay(account, JUNE + days(20), 999)

    assert status(account) is SubscriptionStatus.PAST_DUE


def test_a_subscription_is_past_due_until_the_last_overdue_invoice_is_paid() -> None:
    account = started(some_terms(interval=WEEK), net_days=0)
    renew(account, JUNE + days(7))
    renew(account, JUNE + days(8))

    pay(account, JUNE + days(8))
    assert status(account) is SubscriptionStatus.PAST_DUE

    pay(account, JUNE + days(8))
    assert status(account) is SubscriptionStatus.ACTIVE


def test_what_is_uncollectible_is_no_longer_past_due() -> None:
    account = started(some_terms())
    renew(account, JUNE + days(20))

    give_up(account, JUNE + days(20))

    assert status(account) is SubscriptionStatus.ACTIVE


def test_a_subscription_that_is_past_due_goes_on_being_billed() -> None:
    account = started(some_terms())
    renew(account, JUNE + days(20))

    renew(account, JULY)

    assert status(account) is SubscriptionStatus.PAST_DUE
    assert len(account.invoices) == 2
    assert happened(account).count(EventType.SUBSCRIPTION_PAST_DUE) == 1


@pytest.mark.parametrize(
    "status", [SubscriptionStatus.PENDING, SubscriptionStatus.TRIALING, SubscriptionStatus.CANCELED]
)
def test_a_subscription_that_is_not_active_is_never_past_due(status: SubscriptionStatus) -> None:
    account = started(some_terms())
    subscription = account.known_subscription
    account.subscription = replace(subscription, status=status)

    update_past_due(account, JUNE + days(100))

    assert account.subscription == replace(subscription, status=status)
    assert EventType.SUBSCRIPTION_PAST_DUE not in happened(account)


def test_an_invoice_of_another_subscription_makes_none_past_due() -> None:
    account = started(some_terms(0))
    other = started(some_terms(1000)).unpaid[0]
    account.unpaid.append(replace(other, subscription_id=None))

    renew(account, JUNE + days(20))

    assert status(account) is SubscriptionStatus.ACTIVE


def test_time_that_is_lived_through_issues_each_invoice_when_its_period_begins() -> None:
    account = an_account(some_terms(), created_at=JUNE - days(7))

    assert bill_until(account, AUGUST) == 3

    assert [invoice.issued_at for invoice in account.invoices] == [JUNE, JULY, AUGUST]
    [past_due] = [event for event in account.events if event.type is EventType.SUBSCRIPTION_PAST_DUE]
    assert past_due.occurred_at == JUNE + days(15)


def test_living_through_time_stops_after_a_bounded_number_of_periods() -> None:
    account = started(some_terms(interval=WEEK))

    assert [bill_until(account, JUNE + 30 * days(7)) for _ in range(4)] == [12, 12, 6, 0]


@given(
    interval=st.sampled_from([Interval(days=1), Interval(days=2), Interval(days=3)]),
    net_days=st.integers(0, 4),
    trial_days=st.integers(0, 3),
    hours=st.integers(0, 10 * 24),
    # Either no pending change, another interval from the next period, or a credit large enough to pay overdue invoices.
    change=st.sampled_from([None, ChangeMode.PERIOD_END, ChangeMode.NEXT_INVOICE]),
    ends=st.booleans(),
)
def test_living_through_time_is_running_at_each_instant_of_it(
    interval: Interval, net_days: int, trial_days: int, hours: int, change: ChangeMode | None, ends: bool
) -> None:
    def an_eventful_account() -> Account:
        trial_end = JUNE + days(trial_days) if trial_days else None
        account = started(some_terms(1000, interval), trial_end=trial_end, net_days=net_days)
        if change:
            terms = some_terms(0, interval) if change is ChangeMode.NEXT_INVOICE else some_terms(500, Interval(days=4))
            change_to(account, terms, mode=change, at=JUNE)
        account.known_subscription.cancel_at_period_end = ends
        return account

    lived, run = an_eventful_account(), an_eventful_account()
    bill_until(lived, JUNE + timedelta(hours=hours))
    # Periods and due dates are whole hours. An invoice is past due from the following second.
    for hour in range(hours):
        renew(run, JUNE + timedelta(hours=hour))
        renew(run, JUNE + timedelta(hours=hour, seconds=1))
    renew(run, JUNE + timedelta(hours=hours))

    assert replace(lived, make_id=run.make_id) == run
