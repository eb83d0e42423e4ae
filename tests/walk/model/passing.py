"""What becomes of a subscription as time passes."""

from datetime import datetime, timedelta

from tests.walk.model.arithmetic import LARGEST
from tests.walk.model.money import bill, first_due, fits, judge, midnight
from tests.walk.model.world import Clock, Customer, Invoice, Line, Plan, Subscription, World, order

AT_ONCE = 12
"""So many periods of a subscription are billed in one run."""

KEPT_SESSIONS = timedelta(days=1)
"""So long a customer session that has ended is kept."""


def run(world: World) -> None:
    """What the server does by itself, at once: what is due in the time of the world, and of clocks on their way."""
    for customer in world.customers:
        subscription = customer.live
        if customer.clock or not subscription:
            continue
        due = first_due(customer, subscription)
        if subscription.next_at and subscription.next_at <= world.now:
            catch_up(customer, subscription, world.now, most=AT_ONCE)
        elif due and due < midnight(world.now):
            judge(customer, subscription, world.now)
    for clock in world.clocks:
        if clock.target is not None:
            arrive(world, clock)
    forgotten = world.now - KEPT_SESSIONS
    world.keys = [key for key in world.keys if key.expires_at is None or key.expires_at >= forgotten]


def catch_up(customer: Customer, subscription: Subscription, at: datetime, *, most: int = 400) -> None:
    """Bills what has begun, at `at`, and says whether it is past due."""
    for _ in range(most):
        if subscription.next_at is None or subscription.next_at > at:
            break
        cross(customer, subscription, at)
    judge(customer, subscription, at)


def arrive(world: World, clock: Clock) -> None:
    """A clock on its way is where it was sent: its customers have lived through all that is due on the way."""
    assert clock.target is not None
    for customer in world.customers:
        if customer.clock is clock:
            live_until(customer, clock.target)
    clock.frozen_at, clock.target = clock.target, None


def live_until(customer: Customer, until: datetime) -> None:
    """Each thing happens when it is due: a period's invoice as it begins, past due the midnight after the due date."""
    while subscription := customer.live:
        instants = [subscription.next_at]
        if subscription.status == "ACTIVE" and (due := first_due(customer, subscription)):
            instants.append(midnight(due) + timedelta(days=1))
        at = min((at for at in instants if at is not None and at <= until), default=None)
        if at is None:
            break
        catch_up(customer, subscription, at, most=1)


def cross(customer: Customer, subscription: Subscription, at: datetime) -> None:
    """The instant has come at which something is to be done next; it is done at `at`."""
    boundary = subscription.next_at
    assert boundary is not None
    assert boundary <= at
    if subscription.cancel_at_period_end:
        end(customer, subscription, boundary, at)
        return
    if subscription.status == "PENDING":
        start(customer, subscription, at)
        return
    if subscription.pending:
        plan, quantity, _ = subscription.pending
        take_terms(subscription, plan, quantity, boundary)
        subscription.pending = None
        customer.note("SUBSCRIPTION_CHANGED", subscription, at)
    if subscription.status == "TRIALING":
        subscription.status = "ACTIVE"
        customer.note("SUBSCRIPTION_TRIAL_ENDED", subscription, at)
    else:
        customer.note("SUBSCRIPTION_RENEWED", subscription, at)
    bill_period(customer, subscription, boundary, at)


def start(customer: Customer, subscription: Subscription, at: datetime) -> None:
    starts_at = subscription.next_at
    assert starts_at is not None
    subscription.terms_at = starts_at
    subscription.status = "TRIALING" if subscription.trial else "ACTIVE"
    customer.note("SUBSCRIPTION_STARTED" if subscription.version else "SUBSCRIPTION_CREATED", subscription, at)
    if subscription.trial is None:
        bill_period(customer, subscription, starts_at, at)
        return
    customer.trials.setdefault(subscription.plan.code, subscription)
    begins, ends = subscription.trial
    subscription.periods.append([begins, ends])
    subscription.next_at = ends
    line = Line(
        "TRIAL",
        f"Trial of {subscription.label}",
        0,
        0,
        subscription.quantity,
        subscription.plan,
        ordinal=0,
        start=begins,
        end=ends,
    )
    bill(customer, subscription, "RECURRING", [line], subscription.trial, at, ordinal=0)


def bill_period(
    customer: Customer, subscription: Subscription, starts_at: datetime, at: datetime, change: int | None = None
) -> Invoice:
    """A whole period, and what waited for it."""
    plan, ordinal = subscription.plan, len(subscription.periods)
    ends_at = plan.after(subscription.anchor, ordinal + 1 - subscription.anchored)
    subscription.periods.append([starts_at, ends_at])
    subscription.next_at = ends_at
    line = Line(
        "RECURRING",
        subscription.label,
        fits(plan.amount * subscription.quantity),
        plan.amount,
        subscription.quantity,
        plan,
        ordinal=ordinal,
        start=starts_at,
        end=ends_at,
        change=change,
    )
    lines = [*take_waiting(subscription), line]
    return bill(customer, subscription, "RECURRING", lines, (starts_at, ends_at), at, ordinal=ordinal)


def take_waiting(subscription: Subscription) -> list[Line]:
    taken, subscription.waiting = subscription.waiting, []
    return taken


def take_terms(subscription: Subscription, plan: Plan, quantity: int, since: datetime) -> None:
    """Another interval counts its periods from there."""
    if plan.length != subscription.plan.length:
        subscription.anchor, subscription.anchored = since, len(subscription.periods)
    subscription.plan, subscription.quantity, subscription.terms_at = plan, quantity, since


def end(customer: Customer, subscription: Subscription, ended_at: datetime, at: datetime) -> Invoice | None:
    """What still waits goes on a last invoice."""
    subscription.status, subscription.ended_at, subscription.ended = "CANCELED", ended_at, next(order)
    subscription.next_at = subscription.pending = None
    customer.note("SUBSCRIPTION_CANCELED", subscription, at)
    return bill_waiting(customer, subscription, at)


def bill_waiting(customer: Customer, subscription: Subscription, at: datetime) -> Invoice | None:
    lines = take_waiting(subscription)
    if not lines:
        return None
    period = (
        min(line.start for line in lines if line.start),
        max(line.end for line in lines if line.end),
    )
    return bill(customer, subscription, "PRORATION", lines, period, at)


def fits_with_next_period(subscription: Subscription, plan: Plan, quantity: int) -> bool:
    """Whether what waits and a period on these terms fit on one invoice."""
    return abs(sum(line.amount for line in subscription.waiting) + plan.amount * quantity) <= LARGEST
