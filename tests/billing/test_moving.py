"""Moving the end of a trial or period: what is billed, when, and what is never credited."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.changes import ChangeMode
from billing.enums import EventType, SubscriptionStatus
from billing.errors import (
    BillingError,
    CancellationAlreadyScheduled,
    InvalidInput,
    SubscriptionNotTrialing,
    SubscriptionPending,
    SubscriptionTrialing,
    TrialInvalid,
)
from billing.moving import TrialRequest, extend_period, update_trial
from billing.periods import Period
from billing.renewals import renew
from billing.subscribing import CancellationRequest, decide_cancellation
from tests.billing.accounts import (
    JUNE,
    WEEK,
    amounts,
    an_account,
    cancel_with_credit,
    change_to,
    days,
    every_line,
    instants,
    some_terms,
    started,
)

JULY = datetime(2025, 7, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def periods_of(account: Account) -> list[Period]:
    return [Period(period.starts_at, period.ends_at) for period in account.periods]


def in_trial() -> Account:
    """Returns a subscription with a trial of 14 days from the start of June."""
    return started(some_terms(3000), trial_end=JUNE + days(14))


def last_event(account: Account) -> EventType:
    return account.events[-1].type


@pytest.mark.parametrize("ends", [JUNE + days(2), JUNE + days(40)], ids=["earlier", "later"])
def test_a_moved_trial_end_moves_the_first_period_and_the_anchor(ends: datetime) -> None:
    account = in_trial()
    [trial_line] = account.invoices[0].lines

    assert update_trial(account, TrialRequest(ends), JUNE + days(1)) is None

    subscription = account.known_subscription
    assert last_event(account) is EventType.SUBSCRIPTION_TRIAL_UPDATED
    assert (subscription.trial_end, subscription.next_billing_at, subscription.anchor_at) == (ends, ends, ends)
    assert subscription.current_period == Period(JUNE, ends)
    assert (trial_line.period_start, trial_line.period_end) == (JUNE, JUNE + days(14))
    renew(account, ends)
    assert amounts(account.invoices[1]) == [3000]
    month_later = ends.replace(month=ends.month + 1)
    assert periods_of(account) == [Period(JUNE, ends), Period(ends, month_later)]


def test_a_trial_that_ends_now_is_billed_as_at_the_end_of_any_trial() -> None:
    account = in_trial()
    at = JUNE + days(3)

    invoice = update_trial(account, TrialRequest(end_now=True), at)

    assert amounts(invoice) == [3000]
    assert periods_of(account) == [Period(JUNE, at), Period(at, JULY + days(3))]
    assert account.known_subscription.status is SubscriptionStatus.ACTIVE
    assert account.known_subscription.trial_end == at
    assert [event.type for event in account.events[-2:]] == [
        EventType.SUBSCRIPTION_TRIAL_ENDED,
        EventType.INVOICE_FINALIZED,
    ]
    assert renew(account, JULY + days(3)) == 1


def test_a_pending_change_takes_effect_when_the_trial_ends_now() -> None:
    account = in_trial()
    change_to(account, some_terms(700, WEEK), mode=ChangeMode.PERIOD_END, at=JUNE + days(1))

    invoice = update_trial(account, TrialRequest(end_now=True), JUNE + days(3))

    assert amounts(invoice) == [700]
    assert periods_of(account)[1] == Period(JUNE + days(3), JUNE + days(10))


def test_the_same_end_changes_nothing() -> None:
    account = in_trial()
    events = len(account.events)

    update_trial(account, TrialRequest(JUNE + days(14)), JUNE + days(1))

    assert len(account.events) == events


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (TrialRequest(), InvalidInput),
        (TrialRequest(JUNE + days(2), end_now=True), InvalidInput),
        (TrialRequest(JUNE + days(1)), TrialInvalid),
        (TrialRequest(JUNE + days(730) + SECOND), TrialInvalid),
    ],
    ids=["neither", "both", "now", "too long"],
)
def test_a_trial_end_that_is_refused(request_: TrialRequest, error: type[BillingError]) -> None:
    with pytest.raises(error):
        update_trial(in_trial(), request_, JUNE + days(1))


def test_a_trial_may_last_as_long_as_any_trial() -> None:
    account = in_trial()
    update_trial(account, TrialRequest(JUNE + days(730)), JUNE + days(1))
    assert account.known_subscription.trial_end == JUNE + days(730)


def test_a_trial_cannot_end_in_the_second_in_which_it_started() -> None:
    with pytest.raises(TrialInvalid):
        update_trial(in_trial(), TrialRequest(end_now=True), JUNE)


def test_only_a_trial_has_an_end_to_move() -> None:
    with pytest.raises(SubscriptionNotTrialing):
        update_trial(started(some_terms()), TrialRequest(end_now=True), JUNE + days(1))
    with pytest.raises(SubscriptionNotTrialing):
        update_trial(an_account(some_terms()), TrialRequest(end_now=True), JUNE - days(1))


def test_a_trial_that_is_set_to_cancel_moves_but_does_not_end_now() -> None:
    account = in_trial()
    decide_cancellation(account, CancellationRequest(), JUNE + days(1))

    with pytest.raises(CancellationAlreadyScheduled):
        update_trial(account, TrialRequest(end_now=True), JUNE + days(2))

    update_trial(account, TrialRequest(JUNE + days(20)), JUNE + days(2))
    renew(account, JUNE + days(20))
    assert account.known_subscription.ended_at == JUNE + days(20)
    assert len(account.invoices) == 1


def test_an_extension_is_free_and_moves_the_next_period_and_the_anchor() -> None:
    account = started(some_terms(3000))
    until = JULY + days(10)

    extend_period(account, until, JUNE + days(5))

    subscription = account.known_subscription
    assert last_event(account) is EventType.SUBSCRIPTION_PERIOD_EXTENDED
    assert (subscription.current_period, subscription.next_billing_at) == (Period(JUNE, until), until)
    assert (subscription.billed_until, subscription.whole_seconds) == (JULY, 30 * 86_400)
    assert renew(account, until - SECOND) == 0
    assert renew(account, until) == 1
    assert amounts(account.invoices[1]) == [3000]
    assert periods_of(account) == [Period(JUNE, until), Period(until, datetime(2025, 8, 11, tzinfo=UTC))]
    assert (subscription.billed_until, subscription.whole_seconds) == (None, None)


def test_two_extensions_add_up() -> None:
    account = started(some_terms(3000))

    extend_period(account, JULY + days(1), JUNE)
    extend_period(account, JULY + days(3), JUNE)

    assert account.known_subscription.billed_part == Period(JUNE, JULY)
    assert account.known_subscription.whole_seconds == 30 * 86_400
    assert periods_of(account) == [Period(JUNE, JULY + days(3))]


def test_free_time_is_neither_charged_nor_credited() -> None:
    account = started(some_terms(3000))
    extend_period(account, JULY + days(15), JUNE)

    change = change_to(account, some_terms(6000), at=JULY)

    assert change.invoice is None
    assert cancel_with_credit(account, JULY + days(1)) is None
    assert [line.amount_cents for line in every_line(account)] == [3000]


def test_a_change_in_the_billed_part_is_prorated_by_the_whole_period() -> None:
    account = started(some_terms(3000))
    extend_period(account, JULY + days(15), JUNE)

    change = change_to(account, some_terms(6000), at=JUNE + days(20))

    assert amounts(change.invoice) == [-1000, 2000]
    assert [line.period_end for line in every_line(account)] == [JULY, JULY, JULY]


@pytest.mark.parametrize("at", [JUNE + days(20), JULY + days(2)], ids=["in the billed part", "in the free part"])
def test_a_new_interval_cuts_an_extended_period(at: datetime) -> None:
    account = started(some_terms(3000))
    extend_period(account, JULY + days(15), JUNE)

    change = change_to(account, some_terms(700, WEEK), mode=ChangeMode.IMMEDIATE, at=at)

    assert amounts(change.invoice) == ([-1000, 700] if at < JULY else [700])
    assert periods_of(account) == [Period(JUNE, at), Period(at, at + days(7))]
    assert account.periods[0].billed_until == min(at, JULY)


def test_a_cancellation_at_the_period_end_moves_with_an_extension() -> None:
    account = started(some_terms(3000))
    decide_cancellation(account, CancellationRequest(), JUNE + days(1))

    extend_period(account, JULY + days(10), JUNE + days(2))
    renew(account, JULY + days(20))

    assert account.known_subscription.ended_at == JULY + days(10)
    assert len(account.invoices) == 1


@pytest.mark.parametrize("until", [JULY, JULY - SECOND, JULY + days(366) + SECOND], ids=["no later", "earlier", "far"])
def test_an_extension_must_be_later_and_bounded(until: datetime) -> None:
    with pytest.raises(InvalidInput):
        extend_period(started(some_terms()), until, JUNE)


def test_a_longest_extension() -> None:
    account = started(some_terms())
    extend_period(account, JULY + days(366), JUNE)
    assert account.known_subscription.next_billing_at == JULY + days(366)


def test_only_a_running_subscription_has_a_period_to_extend() -> None:
    with pytest.raises(SubscriptionTrialing):
        extend_period(in_trial(), JULY, JUNE)
    with pytest.raises(SubscriptionPending):
        extend_period(an_account(some_terms()), JULY + days(1), JUNE - days(1))


@given(st.data())
def test_extended_periods_are_a_chain_and_every_period_is_billed_once(data: st.DataObject) -> None:
    account = started(some_terms(2999))
    at = JUNE
    for _ in range(5):
        ends_at = account.known_subscription.current_period.end
        at = data.draw(instants(at, ends_at))
        if data.draw(st.booleans()):
            extend_period(account, data.draw(instants(ends_at + SECOND, ends_at + days(40))), at)
        if data.draw(st.booleans()):
            at = account.known_subscription.current_period.end
            renew(account, at)
    chain = periods_of(account)
    assert [before.end for before in chain[:-1]] == [after.start for after in chain[1:]]
    assert [invoice.period_ordinal for invoice in account.invoices] == list(range(len(chain)))
    assert [line.amount_cents for line in every_line(account)] == [2999] * len(chain)
    covered = [(line.period_start, line.period_end) for line in every_line(account)]
    assert covered == sorted(covered)
    assert [line.period_start for line in every_line(account)] == [period.start for period in chain]
