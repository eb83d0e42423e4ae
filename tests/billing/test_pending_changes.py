"""Changes of a subscription that already has a pending change or a scheduled cancellation."""

import pytest

from billing.account import Account
from billing.changes import ChangeMode, PendingChange, change_terms
from billing.enums import EventType
from billing.errors import CancellationAlreadyScheduled, SubscriptionUnchanged
from billing.records import Terms
from billing.renewals import renew
from billing.subscribing import CancellationRequest, decide_cancellation
from tests.billing.accounts import JUNE, YEAR, amounts, change_to, days, some_terms, started
from tests.billing.test_changes import HALF_OF_JUNE, JULY

A, B, C = some_terms(10_000), some_terms(4_000), some_terms(7_000)
FOURTH, FIFTH = JUNE + days(4), JUNE + days(5)
A_NEW_PERIOD = ("anchor_at", "current_period_start", "current_period_end", "next_billing_at")


def of(terms: Terms, quantity: int) -> Terms:
    return Terms(**{**{name: getattr(terms, name) for name in terms.__slots__}, "quantity": quantity})


def with_pending(current: Terms, pending: Terms) -> Account:
    account = started(current)
    change_to(account, pending, mode=ChangeMode.PERIOD_END, at=FOURTH)
    return account


def types(account: Account, since: int) -> list[EventType]:
    return [event.type for event in account.events[since:]]


@pytest.mark.parametrize(
    ("pending", "plan", "quantity", "mode", "current", "waits", "lost"),
    [
        pytest.param(of(B, 5), None, 2, ChangeMode.IMMEDIATE, of(A, 2), of(B, 2), False, id="a quantity now"),
        pytest.param(of(B, 3), None, 2, ChangeMode.IMMEDIATE, of(A, 2), of(B, 2), True, id="a quantity for another"),
        pytest.param(of(A, 2), B, None, ChangeMode.PERIOD_END, of(A, 5), of(B, 2), False, id="a plan then"),
        pytest.param(of(A, 2), B, None, ChangeMode.IMMEDIATE, of(B, 5), of(B, 2), False, id="a plan now"),
        pytest.param(of(B, 2), C, None, ChangeMode.NONE, of(C, 5), of(C, 2), True, id="a plan for another"),
        pytest.param(of(B, 5), C, None, ChangeMode.IMMEDIATE, of(C, 5), None, True, id="a plan for the only one"),
        pytest.param(of(B, 5), C, None, ChangeMode.PERIOD_END, of(A, 5), of(C, 5), True, id="another plan then"),
        pytest.param(of(A, 2), None, 2, ChangeMode.IMMEDIATE, of(A, 2), None, True, id="what waits, but now"),
        pytest.param(of(A, 2), None, 5, None, of(A, 5), None, True, id="the present quantity"),
        pytest.param(of(B, 5), A, None, None, of(A, 5), None, True, id="the present plan"),
        pytest.param(of(B, 2), A, 5, ChangeMode.PERIOD_END, of(A, 5), None, True, id="the present terms then"),
        pytest.param(of(B, 2), C, 3, ChangeMode.PERIOD_END, of(A, 5), of(C, 3), True, id="other terms then"),
    ],
)
def test_what_is_left_out_stays_for_the_terms_that_wait_too(
    pending: Terms,
    plan: Terms | None,
    quantity: int | None,
    mode: ChangeMode | None,
    current: Terms,
    waits: Terms | None,
    lost: bool,
) -> None:
    account = with_pending(of(A, 5), pending)
    known = len(account.events)

    change = change_terms(account, plan, quantity, mode=mode, at=FIFTH)

    subscription = account.known_subscription
    assert (account.terms, account.pending_terms) == (current, waits)
    assert (subscription.plan_id, subscription.quantity) == (current.plan_id, current.quantity)
    assert (subscription.pending_plan_id, subscription.pending_quantity) == (
        waits and waits.plan_id,
        waits and waits.quantity,
    )
    assert (subscription.pending_since is None) is (waits is None)
    assert change.withdrawn == (PendingChange(pending.plan_id, pending.quantity, FOURTH, JULY) if lost else None)
    assert types(account, known).count(EventType.SUBSCRIPTION_CHANGE_WITHDRAWN) == int(lost)


def test_the_next_period_bills_the_pending_plan_in_the_new_quantity() -> None:
    account = with_pending(of(A, 5), of(B, 5))

    change_terms(account, None, 2, mode=ChangeMode.NONE, at=HALF_OF_JUNE)
    renew(account, JULY)

    assert amounts(account.invoices[-1]) == [8_000]


def test_what_is_kept_of_a_pending_change_was_asked_for_when_it_was() -> None:
    account = with_pending(of(A, 5), of(B, 5))

    change_terms(account, None, 6, mode=ChangeMode.IMMEDIATE, at=FIFTH)

    assert account.known_subscription.pending_since == FOURTH


def test_a_change_to_what_is_and_what_waits_is_none() -> None:
    account = with_pending(of(A, 5), of(B, 5))

    with pytest.raises(SubscriptionUnchanged):
        change_terms(account, None, 5, mode=None, at=FIFTH)


@pytest.mark.parametrize(
    ("plan", "quantity", "mode"),
    [(B, None, None), (B, 5, ChangeMode.PERIOD_END)],
    ids=["the plan", "plan and quantity"],
)
def test_the_very_change_that_waits_is_none(plan: Terms | None, quantity: int | None, mode: ChangeMode | None) -> None:
    account = with_pending(of(A, 5), of(B, 5))
    known = len(account.events)

    with pytest.raises(SubscriptionUnchanged, match="already scheduled"):
        change_terms(account, plan, quantity, mode=mode, at=FIFTH)

    assert account.known_subscription.pending_since == FOURTH
    assert account.events[known:] == []


def test_a_change_that_waits_and_is_lost_with_the_period_is_refused_for_the_cancellation() -> None:
    account = with_pending(of(A, 5), of(B, 5))
    decide_cancellation(account, CancellationRequest(), FIFTH)

    with pytest.raises(CancellationAlreadyScheduled):
        change_terms(account, B, None, at=FIFTH)


@pytest.mark.parametrize(
    ("pending", "plan", "quantity", "changes"),
    [
        pytest.param(of(B, 5), None, 6, ["quantity", "pending_quantity"], id="quantity"),
        pytest.param(of(A, 2), C, None, ["plan_id", "pending_plan_id"], id="plan"),
        pytest.param(
            *(of(A, 2), some_terms(90_000, YEAR), None, ["plan_id", *A_NEW_PERIOD, "pending_plan_id"]), id="interval"
        ),
    ],
)
def test_the_event_of_a_change_names_what_it_changes_of_the_terms_that_wait(
    pending: Terms, plan: Terms | None, quantity: int | None, changes: list[str]
) -> None:
    account = with_pending(of(A, 5), pending)
    known = len(account.events)

    change_terms(account, plan, quantity, mode=ChangeMode.IMMEDIATE, at=FIFTH)

    [changed] = [event for event in account.events[known:] if event.type is EventType.SUBSCRIPTION_CHANGED]
    assert changed.changes == changes


def test_the_event_of_a_change_leaves_out_pending_terms_that_have_events_of_their_own() -> None:
    account = with_pending(of(A, 5), of(B, 3))
    known = len(account.events)

    change_terms(account, None, 2, mode=ChangeMode.IMMEDIATE, at=FIFTH)

    pending = ["pending_plan_id", "pending_quantity", "pending_since"]
    assert [(event.type, event.changes) for event in account.events[known:]][:3] == [
        (EventType.SUBSCRIPTION_CHANGE_WITHDRAWN, pending),
        (EventType.SUBSCRIPTION_CHANGE_SCHEDULED, pending),
        (EventType.SUBSCRIPTION_CHANGED, ["quantity"]),
    ]


def canceled_at_period_end(terms: Terms) -> Account:
    account = started(terms)
    decide_cancellation(account, CancellationRequest(), FOURTH)
    return account


@pytest.mark.parametrize(
    ("terms", "mode"),
    [
        pytest.param(some_terms(24_000, YEAR), ChangeMode.IMMEDIATE, id="a new period now"),
        pytest.param(some_terms(24_000, YEAR), None, id="a new period by default"),
        pytest.param(some_terms(24_000, YEAR), ChangeMode.PERIOD_END, id="another interval then"),
        pytest.param(B, None, id="a cheaper plan by default"),
        pytest.param(some_terms(20_000), ChangeMode.PERIOD_END, id="a dearer plan then"),
    ],
)
def test_what_is_canceled_at_the_periods_end_gets_no_further_period(terms: Terms, mode: ChangeMode | None) -> None:
    account = canceled_at_period_end(A)

    with pytest.raises(CancellationAlreadyScheduled, match="undoSubscriptionCancellation"):
        change_to(account, terms, mode=mode, at=HALF_OF_JUNE)


@pytest.mark.parametrize("mode", [mode for mode in ChangeMode if mode is not ChangeMode.PERIOD_END])
def test_a_change_within_the_period_keeps_its_end_and_the_cancellation(mode: ChangeMode) -> None:
    account = canceled_at_period_end(A)

    change_to(account, B, mode=mode, at=HALF_OF_JUNE)
    renew(account, JULY)

    assert account.known_subscription.ended_at == JULY
