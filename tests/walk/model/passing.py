"""Changes to a subscription as time passes."""

from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count

from tests.walk.model import figures
from tests.walk.model.arithmetic import LARGEST, nearest, seconds
from tests.walk.model.crediting import credits_at
from tests.walk.model.lines import Line
from tests.walk.model.money import bill, first_due, fits, midnight, update_past_due
from tests.walk.model.shared import Clock, Plan, order
from tests.walk.model.world import Customer, Invoice, Subscription, World

AT_ONCE = 12
"""Maximum number of periods of a subscription that one run bills."""

KEPT_SESSIONS = timedelta(days=1)
"""Time for which an expired customer session is kept."""


def run(world: World) -> None:
    """Does the server's background work: everything due in real time, and on advancing test clocks."""
    for customer in world.customers:
        subscription = customer.live
        if customer.clock or not subscription:
            continue
        due = first_due(customer, subscription)
        if subscription.next_at and subscription.next_at <= world.now:
            catch_up(customer, subscription, world.now, most=AT_ONCE)
        elif due and due < midnight(world.now):
            update_past_due(customer, subscription, world.now)
    for clock in world.clocks:
        if clock.target is not None:
            arrive(world, clock)
    forgotten = world.now - KEPT_SESSIONS
    world.keys = [key for key in world.keys if key.expires_at is None or key.expires_at >= forgotten]


def catch_up(customer: Customer, subscription: Subscription, at: datetime, *, most: int = 400) -> None:
    """Bills all periods that have started by `at`, and updates the past-due status."""
    for _ in range(most):
        if subscription.next_at is None or subscription.next_at > at:
            break
        cross(customer, subscription, at)
    update_past_due(customer, subscription, at)


def arrive(world: World, clock: Clock) -> None:
    """Completes the advance of a test clock: its customers go through everything due until then."""
    assert clock.target is not None
    for customer in world.customers:
        if customer.clock is clock:
            live_until(customer, clock.target)
    clock.frozen_at, clock.target = clock.target, None


def live_until(customer: Customer, until: datetime) -> None:
    """Applies each event at the time it is due: invoices at the start of a period, past due at the midnight after the
    due date.
    """
    while subscription := customer.live:
        instants = [subscription.next_at]
        if subscription.status == "ACTIVE" and (due := first_due(customer, subscription)):
            instants.append(midnight(due) + timedelta(days=1))
        at = min((at for at in instants if at is not None and at <= until), default=None)
        if at is None:
            break
        catch_up(customer, subscription, at, most=1)


def cross(customer: Customer, subscription: Subscription, at: datetime) -> None:
    """Does what is due at the subscription's `next_at`. It is recorded at `at`, and counts from then on."""
    boundary = subscription.next_at
    assert boundary is not None
    assert boundary <= at
    figures.settle(customer)
    cross_boundary(customer, subscription, boundary, at)
    figures.count(customer, boundary)


def cross_boundary(customer: Customer, subscription: Subscription, boundary: datetime, at: datetime) -> None:
    cancel_at = subscription.cancel_at
    if subscription.cancel_at_period_end or (cancel_at and cancel_at <= boundary):
        if cancel_at and subscription.cancel_settlement == "CREDIT":
            subscription.waiting += credits_at(customer, subscription, cancel_at, next(order))
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
        inclusive=subscription.plan.inclusive,
        rates=subscription.plan.tax_rates,
    )
    bill(customer, subscription, "RECURRING", [line], subscription.trial, at, ordinal=0)


def bill_period(
    customer: Customer, subscription: Subscription, starts_at: datetime, at: datetime, change: int | None = None
) -> Invoice:
    """Bills a period, with the pending lines: a whole one, or its part until an anchor or a cancellation."""
    plan, ordinal = subscription.plan, len(subscription.periods)
    policy, subscription.policy = subscription.policy, None
    if policy:
        number = first_after(plan, subscription.anchor, starts_at)
        if number > ordinal + 1:
            # The date moved far beyond the anchor. Any later day that is not clamped is the same anchor.
            days = (plan.after(subscription.anchor, number + more) for more in count())
            is_day = plan.length[0] == "DAY"
            subscription.anchor = next(day for day in days if is_day or day.day == subscription.anchor.day)
            number = first_after(plan, subscription.anchor, starts_at)
        subscription.anchored = ordinal + 1 - number
    ends_at = plan.after(subscription.anchor, ordinal + 1 - subscription.anchored)
    whole_begins = plan.after(subscription.anchor, ordinal - subscription.anchored)
    amount, text = fits(plan.amount * subscription.quantity), subscription.label
    subscription.billed_until = subscription.whole = None
    if policy in ("PRORATED", "FREE") and whole_begins != starts_at:
        subscription.whole = seconds(whole_begins, ends_at)
        subscription.billed_until = starts_at if policy == "FREE" else None
    cancel_at = subscription.cancel_at
    subscription.was_cut = cancel_at is not None and cancel_at < ends_at
    if cancel_at and subscription.was_cut:
        subscription.whole = subscription.whole or seconds(starts_at, ends_at)
        ends_at = cancel_at
    if subscription.whole:
        billed = seconds(starts_at, subscription.billed_until or ends_at)
        amount = nearest(Fraction(amount * billed, subscription.whole))
        text = f"{'Part of a' if billed else 'Free'} period of {text}"
    subscription.periods.append([starts_at, ends_at])
    subscription.next_at = ends_at
    line = Line(
        "PRORATION_CHARGE" if subscription.whole else "RECURRING",
        text,
        amount,
        plan.amount,
        subscription.quantity,
        plan,
        ordinal=ordinal,
        start=starts_at,
        end=ends_at,
        change=change,
        inclusive=plan.inclusive,
        rates=plan.tax_rates,
    )
    lines = [*take_waiting(subscription), line]
    return bill(customer, subscription, "RECURRING", lines, (starts_at, ends_at), at, ordinal=ordinal)


def first_after(plan: Plan, anchor: datetime, at: datetime) -> int:
    """Returns the number of the first boundary after an instant. The anchor has the number 0."""
    number = 0
    while plan.after(anchor, number) > at:
        number -= 1
    while plan.after(anchor, number) <= at:
        number += 1
    return number


def take_waiting(subscription: Subscription) -> list[Line]:
    taken, subscription.waiting = subscription.waiting, []
    return taken


def take_terms(subscription: Subscription, plan: Plan, quantity: int, since: datetime) -> None:
    """Sets new terms. A different interval restarts the count of periods, unless an anchor waits that suits it too."""
    if plan.length != subscription.plan.length:
        if not have_same_anchors(plan, subscription.plan):
            subscription.policy = None
        if not subscription.policy:
            subscription.anchor, subscription.anchored = since, len(subscription.periods)
    subscription.plan, subscription.quantity, subscription.terms_at = plan, quantity, since


def have_same_anchors(one: Plan, other: Plan) -> bool:
    """Returns True for two plans by months, or two by whole weeks."""
    return one.length[0] == other.length[0] and (
        one.length[0] != "DAY" or one.length[1] % 7 == other.length[1] % 7 == 0
    )


def end(customer: Customer, subscription: Subscription, ended_at: datetime, at: datetime) -> Invoice | None:
    """Ends a subscription. Pending lines are billed on a last invoice."""
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
    """Returns True if the pending lines and a period on these terms fit on one invoice."""
    return abs(sum(line.amount for line in subscription.waiting) + plan.amount * quantity) <= LARGEST
