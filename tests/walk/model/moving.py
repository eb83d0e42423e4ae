"""Operations that move dates of subscriptions. Each raises `Refused`, possibly with the change partly applied."""

from datetime import datetime, timedelta

from tests.walk.model.anchors import Anchor, set_anchor
from tests.walk.model.arithmetic import seconds
from tests.walk.model.crediting import credits_at
from tests.walk.model.money import update_past_due
from tests.walk.model.passing import bill_period, cross, start
from tests.walk.model.shared import order, refuse
from tests.walk.model.subscriptions import GRACE, LATEST_START, LONGEST_TRIAL, opened_subscription
from tests.walk.model.world import Customer, Invoice, Subscription, World

LONGEST_EXTENSION = timedelta(days=366)


def update_subscription(
    world: World,
    customer: Customer,
    subscription: Subscription,
    *,
    start_at: datetime | None,
    metadata: dict[str, str] | None,
) -> Invoice | None:
    """Moves the start, and replaces the metadata. None keeps it. A start that has come starts the subscription."""
    refuse(INVALID_INPUT=metadata is not None and "" in metadata)
    at = max(world.time_of(customer), customer.updated_at, subscription.updated_at or customer.updated_at)
    before = subscription.next_at, subscription.metadata
    if start_at is not None:
        at = opened_subscription(world, customer, subscription)
        refuse(
            SUBSCRIPTION_STARTED=subscription.status != "PENDING",
            START_IN_THE_PAST=start_at < at - GRACE,
            INVALID_INPUT=start_at > at + LATEST_START,
        )
        before = subscription.next_at, subscription.metadata
        subscription.next_at = max(start_at, at)
        if not subscription.policy:
            subscription.anchor = subscription.next_at
        if subscription.trial:
            begins, ends = subscription.trial
            subscription.trial = subscription.next_at, subscription.next_at + (ends - begins)
            if not subscription.policy:
                subscription.anchor = subscription.trial[1]
    if metadata is not None:
        subscription.metadata = metadata
    if (subscription.next_at, subscription.metadata) != before:
        customer.note("SUBSCRIPTION_UPDATED", subscription, at)
    if subscription.status != "PENDING" or subscription.next_at is None or subscription.next_at > at:
        return None
    start(customer, subscription, at)
    update_past_due(customer, subscription, at)
    return customer.invoices[-1]


def update_trial(
    world: World, customer: Customer, subscription: Subscription, *, trial_end: datetime | None, end_now: bool
) -> Invoice | None:
    at = opened_subscription(world, customer, subscription)
    refuse(INVALID_INPUT=(trial_end is None) != end_now, SUBSCRIPTION_NOT_TRIALING=subscription.status != "TRIALING")
    assert subscription.trial
    begins, ends = subscription.trial
    new_end = trial_end or at
    refuse(
        TRIAL_INVALID=(begins == at if end_now else not at < new_end <= begins + LONGEST_TRIAL),
        CANCELLATION_ALREADY_SCHEDULED=(
            subscription.is_set_to_cancel if end_now else subscription.cancel_at and new_end > subscription.cancel_at
        ),
    )
    if new_end == ends:
        return None
    subscription.trial = begins, new_end
    subscription.periods[-1][1] = new_end
    if not subscription.policy:
        subscription.anchor = new_end
    subscription.next_at = min(new_end, subscription.cancel_at or new_end)
    if not end_now:
        customer.note("SUBSCRIPTION_TRIAL_UPDATED", subscription, at)
        return None
    cross(customer, subscription, at)
    update_past_due(customer, subscription, at)
    return customer.invoices[-1]


def extend_period(world: World, customer: Customer, subscription: Subscription, until: datetime) -> None:
    at = opened_subscription(world, customer, subscription)
    refuse(
        SUBSCRIPTION_PENDING=subscription.status == "PENDING", SUBSCRIPTION_TRIALING=subscription.status == "TRIALING"
    )
    begins, ends = subscription.periods[-1]
    refuse(
        INVALID_INPUT=not ends < until <= min(ends + LONGEST_EXTENSION, at + LATEST_START),
        CANCELLATION_ALREADY_SCHEDULED=subscription.cancel_at and until > subscription.cancel_at,
    )
    subscription.whole = subscription.whole or seconds(begins, ends)
    subscription.billed_until = subscription.billed_until or ends
    subscription.was_cut = False
    subscription.periods[-1][1] = until
    subscription.next_at = min(until, subscription.cancel_at or until)
    if not subscription.policy:
        subscription.anchor, subscription.anchored = until, len(subscription.periods)
    customer.note("SUBSCRIPTION_PERIOD_EXTENDED", subscription, at)


def reset_anchor(
    world: World,
    customer: Customer,
    subscription: Subscription,
    anchor: Anchor | None,
    policy: str | None,
    *,
    at_period_end: bool,
) -> Invoice | None:
    at = opened_subscription(world, customer, subscription)
    has_period = subscription.status in ("ACTIVE", "PAST_DUE")
    refuse(CANCELLATION_ALREADY_SCHEDULED=subscription.is_set_to_cancel)
    refuse(CHANGE_MODE_NOT_ALLOWED=not at_period_end and not has_period)
    if at_period_end:
        pending = subscription.status == "PENDING"
        starts_at = subscription.trial[1] if pending and subscription.trial else subscription.next_at
        assert starts_at
        plan = subscription.pending[0] if subscription.pending else subscription.plan
        set_anchor(subscription, plan, anchor, policy, starts_at)
        customer.note("SUBSCRIPTION_ANCHOR_RESET", subscription, at)
        return None
    made = next(order)
    subscription.waiting += credits_at(customer, subscription, at, made)
    subscription.note_change(at)
    subscription.periods[-1][1] = at
    set_anchor(subscription, subscription.plan, anchor, policy, at)
    customer.note("SUBSCRIPTION_ANCHOR_RESET", subscription, at)
    invoice = bill_period(customer, subscription, at, at, made)
    update_past_due(customer, subscription, at)
    return invoice
