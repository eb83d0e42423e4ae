"""Changes of plan and quantity within a period, and credits of cancellations."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.changes import Change, ChangeMode
from billing.enums import (
    AllocationKind,
    EventType,
    InvoiceKind,
    InvoiceStatus,
    LedgerEntryKind,
    LineKind,
    PeriodKind,
    SubscriptionStatus,
)
from billing.errors import (
    AsOfOutOfRange,
    BillingError,
    ChangeModeNotAllowed,
    CurrencyMismatch,
    SubscriptionPending,
    SubscriptionUnchanged,
)
from billing.limits import MAX_CENTS
from billing.money import AmountOverflow
from billing.new_records import PeriodChange
from billing.periods import Interval, Period
from billing.records import Terms
from billing.renewals import renew
from tests.billing.accounts import (
    JUNE,
    MONTH,
    WEEK,
    YEAR,
    amounts,
    an_account,
    cancel_with_credit,
    change_to,
    days,
    every_line,
    instants,
    lives,
    nth_period,
    prices,
    quantities,
    some_terms,
    started,
    starts,
)

JULY = datetime(2025, 7, 1, tzinfo=UTC)
HALF_OF_JUNE = JUNE + days(15)
SECOND = timedelta(seconds=1)


def changed(
    account: Account,
    terms: Terms,
    mode: ChangeMode | None = ChangeMode.IMMEDIATE,
    *,
    at: datetime = HALF_OF_JUNE,
    as_of: datetime | None = None,
) -> Change:
    return change_to(account, terms, mode=mode, as_of=as_of, at=at)


def waiting(account: Account) -> list[int]:
    return [line.amount_cents for line in account.pending_lines]


def status(account: Account) -> SubscriptionStatus:
    return account.known_subscription.status


def test_case_b01_a_change_that_is_billed_at_renewal() -> None:
    start, end, at = (datetime.fromtimestamp(second, UTC) for second in (1596749288, 1599427688, 1598982148))
    account = started(some_terms(1000), starts_at=start)
    assert account.known_subscription.current_period == Period(start, end)

    assert changed(account, some_terms(3252), ChangeMode.NEXT_INVOICE, at=at).invoice is None
    renew(account, end)

    assert amounts(account.invoices[1]) == [-166, 541, 3252]
    assert account.invoices[1].amount_cents == 3627


def test_case_b04_twice_the_price_exactly_half_way() -> None:
    change = changed(started(some_terms(1000)), some_terms(2000))

    assert change.invoice is not None
    assert (amounts(change.invoice), change.invoice.amount_cents) == ([-500, 1000], 500)


def test_case_b05_credit_comes_from_what_was_billed_and_not_from_the_present_price() -> None:
    april = datetime(2025, 4, 1, tzinfo=UTC)
    account = started(some_terms(1000), starts_at=april)

    first = changed(account, some_terms(2000), ChangeMode.NONE, at=april + days(10))
    second = changed(account, some_terms(1000), at=april + days(20))

    assert first.invoice is None
    assert second.invoice is not None
    assert (amounts(second.invoice), second.invoice.amount_cents) == ([-333, 333], 0)
    assert second.invoice.status is InvoiceStatus.PAID


@pytest.mark.parametrize(
    ("interval", "start", "end", "at", "prices", "lines"),
    [
        pytest.param(MONTH, "2025-06-01", "2025-07-01", "2025-06-16", (10_000, 30_000), [-5000, 15_000], id="B07a"),
        pytest.param(MONTH, "2025-06-01", "2025-07-01", "2025-06-11", (10_000, 30_000), [-6667, 20_000], id="B07b"),
        pytest.param(MONTH, "2024-02-18", "2024-03-18", "2024-02-25", (10_000, 30_000), [-7586, 22_759], id="B07c"),
        pytest.param(YEAR, "2024-08-01", "2025-08-01", "2024-10-01", (100_000, 300_000), [-83_288, 249_863], id="B07d"),
    ],
)
def test_case_b07_three_times_the_price(
    interval: Interval, start: str, end: str, at: str, prices: tuple[int, int], lines: list[int]
) -> None:
    starts_at, ends_at, changed_at = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end, at))
    old, new = (some_terms(price, interval) for price in prices)
    account = started(old, starts_at=starts_at)

    change = changed(account, new, at=changed_at)

    assert amounts(change.invoice) == lines
    assert account.known_subscription.current_period == Period(starts_at, ends_at)


def test_case_b08_three_changes_in_one_period_each_credit_the_line_before() -> None:
    account = started(some_terms(10_000))

    invoices = [
        changed(account, some_terms(price), at=JUNE + days(day)).invoice
        for price, day in ((20_000, 6), (30_000, 12), (40_000, 18))
    ]

    assert [amounts(invoice) for invoice in invoices] == [[-8000, 16_000], [-12_000, 18_000], [-12_000, 16_000]]
    assert account.known_subscription.current_period == Period(JUNE, JULY)
    assert len(account.periods) == 1


def test_case_b09_to_a_free_plan_and_from_one_is_one_line() -> None:
    downgrade = changed(started(some_terms(10_000)), some_terms(0))
    upgrade = changed(started(some_terms(0)), some_terms(10_000))

    assert (amounts(downgrade.invoice), amounts(upgrade.invoice)) == ([-5000], [5000])


def test_an_immediate_change_is_invoiced_now() -> None:
    account = started(some_terms(1000))
    [recurring] = account.invoices[0].lines

    change = changed(account, some_terms(700, quantity=3))

    assert (change.mode, change.effective_at) == (ChangeMode.IMMEDIATE, HALF_OF_JUNE)
    invoice = change.invoice
    assert invoice is not None
    assert account.invoices[1:] == [invoice]
    assert (invoice.kind, invoice.status, invoice.period_ordinal) == (InvoiceKind.PRORATION, InvoiceStatus.OPEN, None)
    assert (invoice.period_start, invoice.period_end, invoice.issued_at) == (HALF_OF_JUNE, JULY, HALF_OF_JUNE)
    assert (invoice.amount_cents, invoice.amount_due_cents) == (550, 550)
    credit, charge = invoice.lines
    assert (credit.kind, credit.amount_cents) == (LineKind.PRORATION_CREDIT, -500)
    assert (credit.description, credit.quantity, credit.unit_amount_cents) == ("Unused time on Pro", 1, 1000)
    assert (credit.reverses_line_id, credit.reverses_invoice_id) == (recurring.id, account.invoices[0].id)
    assert (charge.kind, charge.amount_cents) == (LineKind.PRORATION_CHARGE, 1050)
    assert (charge.description, charge.quantity, charge.unit_amount_cents) == ("Remaining time on 3 × Pro", 3, 700)
    assert (charge.reverses_line_id, charge.reverses_invoice_id) == (None, None)
    assert {(line.period_ordinal, line.period_start, line.period_end) for line in invoice.lines} == {
        (0, HALF_OF_JUNE, JULY)
    }


def test_a_change_is_in_force_from_its_instant_on_and_renewed() -> None:
    account = started(some_terms(1000))

    changed(account, some_terms(700, quantity=3))

    subscription = account.known_subscription
    assert (subscription.plan_id, subscription.quantity) == (some_terms(700).plan_id, 3)
    assert (subscription.terms_at, subscription.anchor_at) == (HALF_OF_JUNE, JUNE)
    renew(account, JULY)
    assert amounts(account.invoices[-1]) == [2100]


def test_a_credit_of_remaining_time_is_called_unused() -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), at=JUNE + days(10))

    change = changed(account, some_terms(3000), at=JUNE + days(20))

    assert change.invoice is not None
    assert [line.description for line in change.invoice.lines] == ["Unused time on Pro", "Remaining time on Pro"]


def test_a_change_for_the_next_invoice_is_in_force_now_and_billed_then() -> None:
    account = started(some_terms(1000))

    change = changed(account, some_terms(2000), ChangeMode.NEXT_INVOICE)

    assert change == Change(ChangeMode.NEXT_INVOICE, HALF_OF_JUNE, None)
    assert (len(account.invoices), waiting(account)) == (1, [-500, 1000])
    assert account.known_subscription.plan_id == some_terms(2000).plan_id


def test_what_waits_is_given_back_as_well_and_all_of_it_is_on_the_next_invoice() -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), ChangeMode.NEXT_INVOICE, at=JUNE + days(6))

    changed(account, some_terms(3000), ChangeMode.NEXT_INVOICE, at=JUNE + days(15))
    renew(account, JULY)

    assert amounts(account.invoices[1]) == [-800, 1600, -1000, 1500, 3000]


def test_an_immediate_change_takes_along_what_waits() -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), ChangeMode.NEXT_INVOICE, at=JUNE + days(6))

    change = changed(account, some_terms(3000), at=JUNE + days(15))

    assert (amounts(change.invoice), waiting(account)) == ([-800, 1600, -1000, 1500], [])


def test_a_change_for_the_periods_end_bills_nothing_and_waits() -> None:
    account = started(some_terms(1000))

    change = changed(account, some_terms(2000, quantity=2), ChangeMode.PERIOD_END)

    subscription = account.known_subscription
    assert change == Change(ChangeMode.PERIOD_END, JULY, None)
    assert (len(account.invoices), waiting(account)) == (1, [])
    assert (subscription.plan_id, subscription.quantity) == (some_terms(1000).plan_id, 1)
    assert (subscription.pending_plan_id, subscription.pending_quantity) == (some_terms(2000).plan_id, 2)
    assert (subscription.pending_since, subscription.terms_at) == (HALF_OF_JUNE, JUNE)
    assert account.events[-1].type is EventType.SUBSCRIPTION_CHANGE_SCHEDULED


@pytest.mark.parametrize("mode", list(ChangeMode))
def test_a_change_takes_the_place_of_one_that_waits(mode: ChangeMode) -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), ChangeMode.PERIOD_END, at=JUNE + days(10))

    changed(account, some_terms(3000), mode)
    renew(account, JULY)

    assert account.known_subscription.plan_id == some_terms(3000).plan_id
    assert account.invoices[-1].lines[-1].amount_cents == 3000
    assert (account.pending_terms, account.known_subscription.pending_plan_id) == (None, None)


def test_a_change_without_proration_bills_nothing_until_the_boundary() -> None:
    account = started(some_terms(1000))

    change = changed(account, some_terms(2000), ChangeMode.NONE)
    renew(account, JULY)

    assert change == Change(ChangeMode.NONE, HALF_OF_JUNE, None)
    assert [amounts(invoice) for invoice in account.invoices] == [[1000], [2000]]


def test_a_charge_can_come_now_and_the_credit_later() -> None:
    account = started(some_terms(1000))

    change = changed(account, some_terms(2000), ChangeMode.CHARGE_NOW_CREDIT_LATER)

    assert (amounts(change.invoice), waiting(account)) == ([1000], [-500])
    renew(account, JULY)
    assert amounts(account.invoices[-1]) == [-500, 2000]


def test_where_nothing_is_charged_now_there_is_no_invoice_and_the_credit_still_waits() -> None:
    account = started(some_terms(1000))

    change = changed(account, some_terms(0), ChangeMode.CHARGE_NOW_CREDIT_LATER)

    assert (change.invoice, len(account.invoices), waiting(account)) == (None, 1, [-500])


def test_a_change_from_nothing_to_nothing_makes_no_invoice() -> None:
    account = started(some_terms(0))

    assert changed(account, some_terms(0, quantity=2)).invoice is None


def test_a_change_at_the_first_second_gives_all_back_and_charges_all() -> None:
    assert amounts(changed(started(some_terms(1000)), some_terms(2000), at=JUNE).invoice) == [-1000, 2000]


def test_two_changes_at_one_instant_leave_the_price_of_the_last() -> None:
    account = started(some_terms(1000))

    invoices = [changed(account, some_terms(price)).invoice for price in (2000, 3000)]

    assert [amounts(invoice) for invoice in invoices] == [[-500, 1000], [-1000, 1500]]


def test_a_change_counts_from_the_instant_it_is_made_as_of_and_is_issued_now() -> None:
    change = changed(started(some_terms(1000)), some_terms(2000), at=JUNE + days(20), as_of=HALF_OF_JUNE)

    assert change.effective_at == HALF_OF_JUNE
    assert change.invoice is not None
    assert (amounts(change.invoice), change.invoice.issued_at) == ([-500, 1000], JUNE + days(20))
    assert (change.invoice.period_start, change.invoice.period_end) == (HALF_OF_JUNE, JULY)


def test_a_downgrade_that_pays_what_is_overdue_ends_being_past_due() -> None:
    account = started(some_terms(1000), net_days=0)
    renew(account, JUNE + days(1))
    assert status(account) is SubscriptionStatus.PAST_DUE

    changed(account, some_terms(0), at=JUNE + days(1), as_of=JUNE)

    assert status(account) is SubscriptionStatus.ACTIVE


def test_another_interval_gives_back_the_rest_and_bills_a_whole_new_period_on_one_invoice() -> None:
    account = started(some_terms(1000, MONTH))

    change = changed(account, some_terms(12_000, YEAR))

    invoice, new_period = change.invoice, nth_period(HALF_OF_JUNE, YEAR, 0)
    assert invoice is not None
    assert (change.mode, change.effective_at, account.invoices[1:]) == (ChangeMode.IMMEDIATE, HALF_OF_JUNE, [invoice])
    assert (invoice.kind, invoice.period_ordinal, invoice.amount_cents) == (InvoiceKind.RECURRING, 1, 11_500)
    assert Period(invoice.period_start, invoice.period_end) == new_period
    credit, charge = invoice.lines
    assert (credit.kind, credit.amount_cents) == (LineKind.PRORATION_CREDIT, -500)
    assert (credit.period_ordinal, credit.period_start, credit.period_end) == (0, HALF_OF_JUNE, JULY)
    assert (charge.kind, charge.amount_cents) == (LineKind.RECURRING, 12_000)
    assert (charge.period_ordinal, charge.period_start, charge.period_end) == (1, new_period.start, new_period.end)


def test_another_interval_cuts_the_period_and_counts_the_next_ones_from_there() -> None:
    account = started(some_terms(1000, MONTH))

    changed(account, some_terms(300, WEEK))
    renew(account, HALF_OF_JUNE + days(7))

    subscription = account.known_subscription
    assert [(period.ordinal, period.starts_at, period.ends_at) for period in account.periods] == [
        (0, JUNE, HALF_OF_JUNE),
        (1, HALF_OF_JUNE, HALF_OF_JUNE + days(7)),
        (2, HALF_OF_JUNE + days(7), HALF_OF_JUNE + days(14)),
    ]
    assert (subscription.anchor_at, subscription.anchor_ordinal) == (HALF_OF_JUNE, 1)
    assert (subscription.terms_at, subscription.next_billing_at) == (HALF_OF_JUNE, HALF_OF_JUNE + days(14))


def test_a_period_that_is_stored_is_noted_as_cut() -> None:
    account = started(some_terms(1000, MONTH))
    account.periods.clear()

    changed(account, some_terms(300, WEEK))

    assert account.changed_periods == [PeriodChange(0, HALF_OF_JUNE, HALF_OF_JUNE)]
    assert [period.ordinal for period in account.periods] == [1]


def test_another_interval_takes_along_what_waits() -> None:
    account = started(some_terms(1000, MONTH))
    changed(account, some_terms(2000, MONTH), ChangeMode.NEXT_INVOICE, at=JUNE + days(6))

    change = changed(account, some_terms(300, WEEK))

    assert amounts(change.invoice) == [-800, 1600, -1000, 300]
    assert account.pending_lines == []


def test_the_same_length_in_another_unit_is_the_same_interval() -> None:
    account = started(some_terms(1000, Interval(months=12)))

    change = changed(account, some_terms(2000, YEAR), at=JUNE + days(1))

    assert change.invoice is not None
    assert change.invoice.kind is InvoiceKind.PRORATION


@pytest.mark.parametrize("mode", [ChangeMode.NEXT_INVOICE, ChangeMode.NONE, ChangeMode.CHARGE_NOW_CREDIT_LATER])
def test_another_interval_in_another_mode_is_refused(mode: ChangeMode) -> None:
    assert_refused(ChangeModeNotAllowed, started(some_terms(1000, MONTH)), some_terms(12_000, YEAR), mode)


@pytest.mark.parametrize("mode", [mode for mode in ChangeMode if mode is not ChangeMode.PERIOD_END])
def test_in_a_trial_every_change_is_free_and_the_first_period_is_on_the_new_terms(mode: ChangeMode) -> None:
    account = started(some_terms(1000), trial_end=JUNE + days(10))

    change = changed(account, some_terms(2000), mode, at=JUNE + days(5))

    assert (change.invoice, account.pending_lines, status(account)) == (None, [], SubscriptionStatus.TRIALING)
    renew(account, JUNE + days(10))
    assert [amounts(invoice) for invoice in account.invoices] == [[0], [2000]]


@pytest.mark.parametrize("mode", list(ChangeMode))
def test_in_a_trial_another_interval_counts_from_the_end_of_the_trial(mode: ChangeMode) -> None:
    trial_end = JUNE + days(10)
    account = started(some_terms(1000, MONTH), trial_end=trial_end)

    changed(account, some_terms(300, WEEK), mode, at=JUNE + days(5))
    renew(account, trial_end)

    assert [(period.kind, period.starts_at, period.ends_at) for period in account.periods] == [
        (PeriodKind.TRIAL, JUNE, trial_end),
        (PeriodKind.BILLING, trial_end, trial_end + days(7)),
    ]


@pytest.mark.parametrize(
    ("terms", "mode"),
    [
        (some_terms(1001), ChangeMode.IMMEDIATE),
        (some_terms(500, quantity=2), ChangeMode.IMMEDIATE),  # an equal price counts as an upgrade
        (some_terms(999), ChangeMode.PERIOD_END),
        (some_terms(333, quantity=3), ChangeMode.PERIOD_END),
        (some_terms(100_000, WEEK), ChangeMode.PERIOD_END),
        (some_terms(1, YEAR), ChangeMode.IMMEDIATE),
        (
            some_terms(100_000, Interval(days=30)),
            ChangeMode.PERIOD_END,
        ),  # a month has 30.44 days on average, so this is shorter
        (some_terms(1, Interval(days=31)), ChangeMode.IMMEDIATE),
    ],
)
@pytest.mark.parametrize("starts_at", [JUNE, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)])
def test_by_default_what_is_shorter_or_cheaper_waits_for_the_periods_end_in_any_month(
    terms: Terms, mode: ChangeMode, starts_at: datetime
) -> None:
    account = started(some_terms(1000), starts_at=starts_at)

    assert changed(account, terms, None, at=starts_at).mode is mode


def test_intervals_of_the_same_length_in_other_words_go_by_the_price() -> None:
    assert changed(started(some_terms(1000, WEEK)), some_terms(999, Interval(days=7)), None, at=JUNE).mode is (
        ChangeMode.PERIOD_END
    )


def test_from_nothing_to_nothing_is_an_upgrade() -> None:
    assert changed(started(some_terms(0)), some_terms(0, quantity=2), None).mode is ChangeMode.IMMEDIATE


def assert_refused(
    refusal: type[BillingError | AmountOverflow],
    account: Account,
    terms: Terms,
    mode: ChangeMode | None = ChangeMode.IMMEDIATE,
    *,
    at: datetime = HALF_OF_JUNE,
    as_of: datetime | None = None,
) -> None:
    before = (len(account.invoices), len(account.periods), waiting(account), account.terms, len(account.events))

    with pytest.raises(refusal):
        changed(account, terms, mode, at=at, as_of=as_of)

    assert before == (len(account.invoices), len(account.periods), waiting(account), account.terms, len(account.events))


@pytest.mark.parametrize("mode", list(ChangeMode))
def test_an_instant_outside_of_the_current_period_is_refused(mode: ChangeMode) -> None:
    account = started(some_terms(1000))
    renew(account, JULY)

    assert_refused(AsOfOutOfRange, account, some_terms(2000), mode, at=JULY + days(1), as_of=JULY - SECOND)
    assert_refused(AsOfOutOfRange, account, some_terms(2000), mode, at=JULY + days(31))


def test_an_instant_that_has_not_come_is_refused() -> None:
    account = started(some_terms(1000))

    assert_refused(AsOfOutOfRange, account, some_terms(2000), at=HALF_OF_JUNE, as_of=HALF_OF_JUNE + SECOND)


@pytest.mark.parametrize("mode", [mode for mode in ChangeMode if mode is not ChangeMode.PERIOD_END])
def test_an_instant_before_the_latest_change_is_refused(mode: ChangeMode) -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), mode, at=HALF_OF_JUNE)

    assert_refused(AsOfOutOfRange, account, some_terms(3000), at=HALF_OF_JUNE + days(1), as_of=HALF_OF_JUNE - SECOND)
    changed(account, some_terms(3000), at=HALF_OF_JUNE + days(1), as_of=HALF_OF_JUNE)


def test_a_change_that_only_waits_closes_no_instant() -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), ChangeMode.PERIOD_END, at=HALF_OF_JUNE)

    change = changed(account, some_terms(3000), at=HALF_OF_JUNE + days(1), as_of=HALF_OF_JUNE - days(5))

    assert change.effective_at == HALF_OF_JUNE - days(5)


def test_a_subscription_that_has_not_begun_cannot_be_changed() -> None:
    account = an_account(some_terms(1000), starts_at=JULY, created_at=JUNE)

    assert_refused(SubscriptionPending, account, some_terms(2000))


def test_a_change_to_what_is_there_already_is_refused() -> None:
    assert_refused(SubscriptionUnchanged, started(some_terms(1000)), some_terms(1000))


def test_a_plan_in_another_currency_is_refused() -> None:
    assert_refused(CurrencyMismatch, started(some_terms(1000)), some_terms(1000, currency="USD"))


@pytest.mark.parametrize("mode", list(ChangeMode))
def test_a_price_that_is_too_large_is_refused_in_every_mode(mode: ChangeMode) -> None:
    assert_refused(AmountOverflow, started(some_terms(1000)), some_terms(MAX_CENTS // 2 + 1, quantity=2), mode)


def test_a_change_whose_next_invoice_would_be_too_large_is_refused() -> None:
    with pytest.raises(AmountOverflow):
        changed(started(some_terms(0)), some_terms(MAX_CENTS), ChangeMode.NEXT_INVOICE, at=HALF_OF_JUNE)


def test_a_cancellation_gives_back_what_is_left_on_an_invoice_of_its_own() -> None:
    account = started(some_terms(1000))

    invoice = cancel_with_credit(account, HALF_OF_JUNE)

    assert invoice is not None
    assert (invoice.kind, invoice.status, amounts(invoice)) == (InvoiceKind.PRORATION, InvoiceStatus.PAID, [-500])
    assert (invoice.period_start, invoice.period_end) == (HALF_OF_JUNE, JULY)
    assert (status(account), account.known_subscription.ended_at) == (SubscriptionStatus.CANCELED, HALF_OF_JUNE)


def test_a_cancellation_gives_back_what_waits_on_the_last_invoice() -> None:
    account = started(some_terms(1000))
    changed(account, some_terms(2000), ChangeMode.NEXT_INVOICE, at=JUNE + days(15))

    invoice = cancel_with_credit(account, JUNE + days(24))

    assert amounts(invoice) == [-500, 1000, -400]


def test_a_cancellation_at_the_first_second_gives_all_back() -> None:
    account = started(some_terms(1000))

    assert amounts(cancel_with_credit(account, JUNE)) == [-1000]
    assert [invoice.status for invoice in account.invoices] == [InvoiceStatus.PAID, InvoiceStatus.PAID]


@given(lives())
def test_of_no_line_more_is_given_back_than_was_billed(account: Account) -> None:
    lines = every_line(account)
    given_back: dict[object, int] = {}
    for line in lines:
        if line.reverses_line_id is not None:
            given_back[line.reverses_line_id] = given_back.get(line.reverses_line_id, 0) - line.amount_cents

    charged = {line.id: line.amount_cents for line in lines if line.amount_cents > 0}
    assert {billed.id: billed.amount_cents for billed in account.billed_lines} == charged
    assert {billed.id: billed.credited_cents for billed in account.billed_lines if billed.credited_cents} == given_back
    assert all(0 <= given_back.get(line_id, 0) <= amount for line_id, amount in charged.items())
    assert sum(line.amount_cents for line in lines) >= 0


@given(lives())
def test_no_credit_and_no_charge_is_over_0(account: Account) -> None:
    for line in every_line(account):
        assert line.amount_cents < 0 if line.kind is LineKind.PRORATION_CREDIT else line.amount_cents >= 0
        assert line.amount_cents or line.kind is LineKind.RECURRING


@given(lives())
def test_a_credit_says_which_line_it_reverses_and_on_which_invoice_that_was(account: Account) -> None:
    invoice_of_line = {line.id: invoice.id for invoice in account.invoices for line in invoice.lines}

    for invoice in account.invoices:
        for line in invoice.lines:
            if line.kind is not LineKind.PRORATION_CREDIT:
                assert (line.reverses_line_id, line.reverses_invoice_id) == (None, None)
                continue
            assert line.reverses_line_id is not None
            # A credit of a pending line is on the same invoice as that line.
            assert invoice_of_line[line.reverses_line_id] == (line.reverses_invoice_id or invoice.id)


@given(lives())
def test_a_line_is_on_one_invoice_and_an_invoice_is_the_sum_of_its_lines(account: Account) -> None:
    lines = [line.id for line in every_line(account)]

    assert account.pending_lines == []
    assert len(set(lines)) == len(lines)
    for invoice in account.invoices:
        assert invoice.amount_cents == invoice.subtotal_cents == sum(line.amount_cents for line in invoice.lines)


@given(lives())
def test_what_is_due_is_the_total_less_what_was_put_against_it(account: Account) -> None:
    for invoice in account.invoices:
        allocated = sum(part.amount_cents for part in account.allocations if part.invoice_id == invoice.id)
        assert invoice.amount_due_cents == max(0, invoice.amount_cents) - allocated
        assert invoice.amount_due_cents >= 0
        assert (invoice.status is InvoiceStatus.PAID) == (invoice.amount_due_cents == 0)
        assert (invoice in account.unpaid) == (invoice.amount_due_cents > 0)


@given(lives())
def test_the_balance_is_the_sum_of_its_ledger_and_never_negative(account: Account) -> None:
    balance = 0
    for number, entry in enumerate(account.ledger_entries, start=1):
        balance += entry.amount_cents
        assert (entry.sequence, entry.balance_after_cents) == (number, balance)
        assert balance >= 0
        assert entry.amount_cents != 0

    assert account.customer.balance_cents == balance


@given(lives())
def test_what_invoices_give_back_is_put_against_others_or_on_the_balance(account: Account) -> None:
    given_back = -sum(min(0, invoice.amount_cents) for invoice in account.invoices)
    put_against = sum(part.amount_cents for part in account.allocations if part.kind is AllocationKind.CREDIT)
    kept = sum(e.amount_cents for e in account.ledger_entries if e.kind is LedgerEntryKind.INVOICE_CREDIT)
    applied = -sum(e.amount_cents for e in account.ledger_entries if e.kind is LedgerEntryKind.APPLIED)

    assert given_back == put_against + kept
    assert applied == sum(p.amount_cents for p in account.allocations if p.kind is AllocationKind.BALANCE)


@given(lives())
def test_no_time_is_left_out_or_billed_twice(account: Account) -> None:
    periods = account.periods

    assert [period.ordinal for period in periods] == list(range(len(periods)))
    assert [period.starts_at for period in periods[1:]] == [period.ends_at for period in periods[:-1]]
    assert [invoice.period_ordinal for invoice in account.invoices if invoice.kind is InvoiceKind.RECURRING] == [
        period.ordinal for period in periods
    ]


@given(starts, st.sampled_from([ChangeMode.IMMEDIATE, ChangeMode.NEXT_INVOICE]), st.data())
def test_after_all_changes_and_a_cancellation_each_part_of_the_period_cost_its_own_price(
    starts_at: datetime, mode: ChangeMode, data: st.DataObject
) -> None:
    draw: Callable[[st.SearchStrategy[int]], int] = data.draw
    period = nth_period(starts_at, MONTH, 0)
    wanted = [some_terms(draw(prices), quantity=draw(quantities)) for _ in range(draw(st.integers(1, 6)))]
    at = sorted(data.draw(instants(period.start, period.end)) for _ in wanted)
    account = started(wanted[0], starts_at=starts_at)

    for terms, since in zip(wanted[1:], at, strict=False):
        if terms != account.known_terms:
            changed(account, terms, mode, at=since)
    cancel_with_credit(account, at[-1])

    parts = zip(wanted, [period.start, *at[:-1]], at, strict=True)
    exact = sum(
        (
            Fraction(terms.unit_amount_cents * terms.quantity * ((until - since) // SECOND), period.seconds)
            for terms, since, until in parts
        ),
        start=Fraction(0),
    )
    kept = sum(line.amount_cents for line in every_line(account))
    # Each charge and its credit are rounded once.
    assert abs(kept - exact) <= len(wanted)
