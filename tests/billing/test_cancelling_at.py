"""Cancellations at a given time: what is billed until then, and what is credited."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.changes import ChangeMode
from billing.enums import EventType, InvoiceKind, LineKind, Settlement, SubscriptionStatus
from billing.errors import (
    BillingError,
    CancellationAlreadyScheduled,
    CancellationNotScheduled,
    InvalidInput,
    SubscriptionPending,
)
from billing.moving import TrialRequest, extend_period, update_trial
from billing.periods import Period
from billing.proration import share
from billing.renewals import bill_until, renew, upcoming_invoices_of
from billing.subscribing import CancellationRequest, decide_cancellation, undo_cancellation
from tests.billing.accounts import (
    JUNE,
    WEEK,
    amounts,
    an_account,
    change_to,
    days,
    every_line,
    instants,
    prices,
    some_terms,
    started,
    starts,
)
from tests.billing.test_moving import in_trial, last_event, periods_of

JULY, AUGUST = (datetime(2025, month, 1, tzinfo=UTC) for month in (7, 8))
SECOND = timedelta(seconds=1)


def cancel_at(
    account: Account, instant: datetime, at: datetime = JUNE, settlement: Settlement = Settlement.NONE
) -> None:
    assert decide_cancellation(account, CancellationRequest(True, settlement, instant), at) is None


def test_a_cancellation_within_the_period_ends_it_there() -> None:
    account = started(some_terms(3000))

    cancel_at(account, JUNE + days(10))

    subscription = account.known_subscription
    assert last_event(account) is EventType.SUBSCRIPTION_CANCELLATION_SCHEDULED
    assert (subscription.cancel_at, subscription.next_billing_at) == (JUNE + days(10), JUNE + days(10))
    assert subscription.current_period == Period(JUNE, JULY)
    assert renew(account, JUNE + days(10) - SECOND) == 0
    assert renew(account, JUNE + days(12)) == 1
    assert (subscription.status, subscription.ended_at) == (SubscriptionStatus.CANCELED, JUNE + days(10))
    assert len(account.invoices) == 1


def test_its_credit_is_that_of_the_instant_however_late_the_run() -> None:
    account = started(some_terms(3000))
    cancel_at(account, JUNE + days(10), settlement=Settlement.CREDIT)

    renew(account, JUNE + days(25))

    assert amounts(account.invoices[1]) == [-2000]
    [credit] = account.invoices[1].lines
    assert (credit.kind, credit.period_start, credit.period_end) == (
        LineKind.PRORATION_CREDIT,
        JUNE + days(10),
        JULY,
    )
    assert (account.invoices[1].kind, account.invoices[1].issued_at) == (InvoiceKind.PRORATION, JUNE + days(25))
    assert account.known_subscription.ended_at == JUNE + days(10)


@pytest.mark.parametrize("settlement", Settlement)
def test_the_last_period_is_billed_until_the_instant(settlement: Settlement) -> None:
    account = started(some_terms(3100))
    end = JULY + days(10)
    cancel_at(account, end, settlement=settlement)

    assert renew(account, JULY) == 1
    assert renew(account, end + days(60)) == 1

    assert amounts(account.invoices[1]) == [1000]
    [line] = account.invoices[1].lines
    assert (line.kind, line.description) == (LineKind.PRORATION_CHARGE, "Part of a period of Pro")
    assert (line.period_start, line.period_end) == (JULY, end)
    assert periods_of(account) == [Period(JUNE, JULY), Period(JULY, end)]
    assert account.known_subscription.ended_at == end
    assert len(account.invoices) == 2


def test_at_a_boundary_no_part_is_billed() -> None:
    account = started(some_terms(3100))
    cancel_at(account, AUGUST)

    assert renew(account, AUGUST + days(40)) == 2

    assert [amounts(invoice) for invoice in account.invoices] == [[3100], [3100]]
    assert account.invoices[1].lines[0].kind is LineKind.RECURRING
    assert account.known_subscription.ended_at == AUGUST


def test_a_test_clock_and_a_late_run_bill_the_same() -> None:
    on_time, late = started(some_terms(3100)), started(some_terms(3100))
    for account in (on_time, late):
        cancel_at(account, AUGUST + days(3), settlement=Settlement.CREDIT)

    bill_until(on_time, AUGUST + days(30))
    renew(late, AUGUST + days(30))

    assert on_time.periods == late.periods
    assert [amounts(invoice) for invoice in on_time.invoices] == [amounts(invoice) for invoice in late.invoices]
    assert amounts(late.invoices[-1]) == [300]


def test_the_upcoming_invoices_end_with_the_cut_period() -> None:
    account = started(some_terms(3100))
    cancel_at(account, AUGUST + days(3))

    assert [amounts(invoice) for invoice in upcoming_invoices_of(account, 24)] == [[3100], [300]]


def test_a_trial_is_followed_by_a_cut_period() -> None:
    account = in_trial()
    cancel_at(account, JUNE + days(29))

    renew(account, JULY + days(60))

    assert amounts(account.invoices[1]) == [1500]
    assert periods_of(account) == [Period(JUNE, JUNE + days(14)), Period(JUNE + days(14), JUNE + days(29))]


def test_changes_within_a_cut_period_are_prorated_by_the_whole_one() -> None:
    account = started(some_terms(3100))
    cancel_at(account, JULY + days(10))
    renew(account, JULY)

    change = change_to(account, some_terms(6200), at=JULY + days(5))

    assert amounts(change.invoice) == [-500, 1000]


def test_undone_in_the_current_period_nothing_has_changed() -> None:
    account = started(some_terms(3000))
    cancel_at(account, JULY + days(10))

    undo_cancellation(account, JUNE + days(3))

    subscription = account.known_subscription
    assert (subscription.cancel_at, subscription.cancel_settlement, subscription.canceled_at) == (None, None, None)
    assert (subscription.anchor_at, subscription.next_billing_at) == (JUNE, JULY)
    renew(account, JULY)
    assert periods_of(account) == [Period(JUNE, JULY), Period(JULY, AUGUST)]


def test_undone_in_the_cut_period_the_next_one_starts_where_it_ends() -> None:
    account = started(some_terms(3100))
    end = JULY + days(10)
    cancel_at(account, end)
    renew(account, JULY)

    undo_cancellation(account, JULY + days(1))
    renew(account, end)

    assert account.known_subscription.anchor_at == end
    assert periods_of(account) == [Period(JUNE, JULY), Period(JULY, end), Period(end, AUGUST + days(10))]
    assert [amounts(invoice) for invoice in account.invoices] == [[3100], [1000], [3100]]


def test_undone_at_a_boundary_the_anchor_stays() -> None:
    january = datetime(2025, 1, 31, tzinfo=UTC)
    account = started(some_terms(3100), starts_at=january)
    cancel_at(account, datetime(2025, 2, 28, tzinfo=UTC), january)

    undo_cancellation(account, january + days(1))

    assert account.known_subscription.anchor_at == january


def test_an_immediate_cancellation_replaces_one_at_an_instant() -> None:
    account = started(some_terms(3000))
    cancel_at(account, JUNE + days(20), settlement=Settlement.CREDIT)

    decide_cancellation(account, CancellationRequest(at_period_end=False), JUNE + days(5))

    subscription = account.known_subscription
    assert (subscription.ended_at, subscription.cancel_at) == (JUNE + days(5), None)
    assert len(account.invoices) == 1


@pytest.mark.parametrize("settlement", Settlement)
def test_what_could_not_end_when_due_is_canceled_as_of_then(settlement: Settlement) -> None:
    account = started(some_terms(3000))
    cancel_at(account, JUNE + days(10))

    final = decide_cancellation(account, CancellationRequest(False, settlement), JUNE + days(12))

    assert account.known_subscription.ended_at == JUNE + days(10)
    assert (final and amounts(final)) == ([-2000] if settlement is Settlement.CREDIT else None)


@pytest.mark.parametrize("again", [CancellationRequest(), CancellationRequest(cancel_at=JULY)], ids=["end", "instant"])
def test_a_cancellation_is_scheduled_once(again: CancellationRequest) -> None:
    for first in (CancellationRequest(), CancellationRequest(cancel_at=JUNE + days(20))):
        account = started(some_terms())
        decide_cancellation(account, first, JUNE)
        with pytest.raises(CancellationAlreadyScheduled):
            decide_cancellation(account, again, JUNE + days(1))


def test_a_new_period_or_a_later_change_waits_for_the_cancellation_to_be_undone() -> None:
    for terms, mode in ((some_terms(700, WEEK), ChangeMode.IMMEDIATE), (some_terms(100), ChangeMode.PERIOD_END)):
        account = started(some_terms(3000))
        cancel_at(account, JULY + days(40))
        with pytest.raises(CancellationAlreadyScheduled):
            change_to(account, terms, mode=mode, at=JUNE + days(1))


def test_nothing_moves_beyond_the_cancellation() -> None:
    account = started(some_terms(3000))
    cancel_at(account, JULY + days(10))
    with pytest.raises(CancellationAlreadyScheduled):
        extend_period(account, JULY + days(10) + SECOND, JUNE + days(1))
    extend_period(account, JULY + days(10), JUNE + days(1))
    renew(account, JULY + days(60))
    assert (account.known_subscription.ended_at, len(account.invoices)) == (JULY + days(10), 1)

    trial = in_trial()
    cancel_at(trial, JUNE + days(20))
    with pytest.raises(CancellationAlreadyScheduled):
        update_trial(trial, TrialRequest(JUNE + days(21)), JUNE + days(1))
    with pytest.raises(CancellationAlreadyScheduled):
        update_trial(trial, TrialRequest(end_now=True), JUNE + days(1))


@pytest.mark.parametrize(
    ("account", "instant", "error"),
    [
        (started(some_terms()), JUNE, InvalidInput),
        (started(some_terms()), JUNE - SECOND, InvalidInput),
        (started(some_terms()), JUNE + days(3660) + SECOND, InvalidInput),
        (an_account(some_terms(), created_at=JUNE - days(2)), JULY, SubscriptionPending),
    ],
    ids=["now", "past", "far", "pending"],
)
def test_an_instant_that_is_refused(account: Account, instant: datetime, error: type[BillingError]) -> None:
    with pytest.raises(error):
        cancel_at(account, instant)


def test_nothing_to_undo() -> None:
    with pytest.raises(CancellationNotScheduled):
        undo_cancellation(started(some_terms()), JUNE)


@given(st.data(), starts, prices, st.sampled_from(Settlement))
def test_what_is_billed_until_an_instant(
    data: st.DataObject, starts_at: datetime, price: int, settlement: Settlement
) -> None:
    account = started(some_terms(price), starts_at=starts_at)
    end = data.draw(instants(starts_at + SECOND, starts_at + days(200)))
    cancel_at(account, end, starts_at, settlement)

    renew(account, end)

    chain = periods_of(account)
    assert [before.end for before in chain[:-1]] == [after.start for after in chain[1:]]
    assert account.known_subscription.ended_at == end
    whole, last = chain[:-1], chain[-1]
    charged = sum(line.amount_cents for line in every_line(account))
    if not whole:
        unused = share(price, last.seconds_left(end), last.seconds) if settlement is Settlement.CREDIT else 0
        assert charged == price - unused
    else:
        [*_, before_last] = whole
        assert last.end == end
        assert len(whole) * price <= charged <= (len(whole) + 1) * price
        assert before_last.end < end
