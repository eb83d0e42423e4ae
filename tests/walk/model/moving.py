"""Operations that move dates of subscriptions. Each raises `Refused`, possibly with the change partly applied."""

from datetime import datetime, timedelta

from tests.walk.model.arithmetic import seconds
from tests.walk.model.money import judge
from tests.walk.model.passing import cross
from tests.walk.model.subscriptions import LONGEST_TRIAL, opened_subscription
from tests.walk.model.world import Customer, Invoice, Subscription, World, refuse

LONGEST_EXTENSION = timedelta(days=366)


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
