"""Operations that move dates of subscriptions. Each raises `Refused`, possibly with the change partly applied."""

from datetime import datetime, timedelta

from tests.walk.model.arithmetic import seconds
from tests.walk.model.money import judge
from tests.walk.model.passing import cross, start
from tests.walk.model.subscriptions import GRACE, LATEST_START, LONGEST_TRIAL, opened_subscription
from tests.walk.model.world import Customer, Invoice, Subscription, World, refuse

LONGEST_EXTENSION = timedelta(days=366)


def update_subscription(
    world: World,
    customer: Customer,
    subscription: Subscription,
    *,
    start_at: datetime | None,
    metadata: dict[str, str] | None,
) -> Invoice | None:
    """Moves the start, and replaces the metadata. None keeps it."""
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
        subscription.next_at = subscription.anchor = max(start_at, at)
        if subscription.trial:
            begins, ends = subscription.trial
            subscription.trial = subscription.next_at, subscription.next_at + (ends - begins)
            subscription.anchor = subscription.trial[1]
    if metadata is not None:
        subscription.metadata = metadata
    if (subscription.next_at, subscription.metadata) != before:
        customer.note("SUBSCRIPTION_UPDATED", subscription, at)
    if start_at is None or (subscription.next_at and subscription.next_at > at):
        return None
    start(customer, subscription, at)
    judge(customer, subscription, at)
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
    subscription.periods[-1][1] = subscription.anchor = new_end
    subscription.next_at = min(new_end, subscription.cancel_at or new_end)
    if not end_now:
        customer.note("SUBSCRIPTION_TRIAL_UPDATED", subscription, at)
        return None
    cross(customer, subscription, at)
    judge(customer, subscription, at)
    return customer.invoices[-1]


def extend_period(world: World, customer: Customer, subscription: Subscription, until: datetime) -> None:
    at = opened_subscription(world, customer, subscription)
    refuse(
        SUBSCRIPTION_PENDING=subscription.status == "PENDING", SUBSCRIPTION_TRIALING=subscription.status == "TRIALING"
    )
    begins, ends = subscription.periods[-1]
    refuse(
        INVALID_INPUT=not ends < until <= ends + LONGEST_EXTENSION,
        CANCELLATION_ALREADY_SCHEDULED=subscription.cancel_at and until > subscription.cancel_at,
    )
    subscription.whole = subscription.whole or seconds(begins, ends)
    subscription.billed_until = subscription.billed_until or ends
    subscription.was_cut = False
    subscription.periods[-1][1] = subscription.anchor = until
    subscription.next_at = min(until, subscription.cancel_at or until)
    subscription.anchored = len(subscription.periods)
    customer.note("SUBSCRIPTION_PERIOD_EXTENDED", subscription, at)
