"""Operations on subscriptions. Each raises `Refused`, possibly with the change partly applied."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from tests.walk.model.anchors import Anchor, set_anchor
from tests.walk.model.arithmetic import LARGEST, nearest, seconds
from tests.walk.model.coupons import find_coupons, redeem_coupon
from tests.walk.model.crediting import credits_at
from tests.walk.model.lines import Line
from tests.walk.model.money import bill, update_past_due, use_currency
from tests.walk.model.passing import (
    AT_ONCE,
    bill_period,
    catch_up,
    end,
    fits_with_next_period,
    have_same_anchors,
    start,
    take_terms,
    take_waiting,
)
from tests.walk.model.shared import Plan, order, refuse
from tests.walk.model.world import Customer, Invoice, Subscription, World, label

MOST_WAITING = 50
LONGEST_TRIAL = timedelta(days=730)
LATEST_START = timedelta(days=3660)
LONGEST_NOTICE = timedelta(days=3660)
GRACE = timedelta(seconds=60)


def opened(world: World, customer: Customer) -> datetime:
    """Returns the customer's time, after ending a subscription whose cancellation is due."""
    at = world.time_of(customer)
    subscription = customer.live
    at = max(at, customer.updated_at, subscription.updated_at if subscription and subscription.updated_at else at)
    if subscription and subscription.next_at and subscription.next_at <= at:
        cancel_at = subscription.cancel_at
        if subscription.cancel_at_period_end or (cancel_at and cancel_at <= at):
            catch_up(customer, subscription, at)
    return at


def opened_subscription(world: World, customer: Customer, subscription: Subscription) -> datetime:
    """Returns the customer's time, after billing all periods of the live subscription.

    Raises `Refused` if the subscription is canceled.
    """
    at = max(world.time_of(customer), customer.updated_at, subscription.updated_at or customer.updated_at)
    if subscription.is_live:
        catch_up(customer, subscription, at)
    refuse(SUBSCRIPTION_CANCELED=not subscription.is_live)
    return at


def create(
    world: World,
    customer: Customer,
    plan: Plan,
    *,
    quantity: int,
    start_at: datetime | None,
    trial_days: int | None,
    trial_end: datetime | None,
    anchor: Anchor | None,
    policy: str | None,
    codes: Sequence[str] = (),
) -> tuple[Subscription, Invoice | None]:
    at = opened(world, customer)
    begins = max(start_at or at, at)
    asked = bool(trial_days) or trial_end is not None
    own_days = plan.trial_days if trial_days is None and trial_end is None else trial_days
    tried = plan.code in customer.trials
    refuse(
        CUSTOMER_ARCHIVED=customer.archived,
        CUSTOMER_ALREADY_SUBSCRIBED=customer.live,
        PLAN_ARCHIVED=plan.archived,
        CURRENCY_MISMATCH=customer.currency not in (None, plan.currency),
        QUANTITY_OUT_OF_RANGE=not 1 <= quantity <= 10**9,
        START_IN_THE_PAST=start_at is not None and start_at < at - GRACE,
        INVALID_INPUT=begins > at + LATEST_START,
        TRIAL_INVALID=(
            (trial_days is not None and trial_end is not None)
            or (trial_days is not None and not 0 <= trial_days <= 730)
            or (trial_end is not None and not begins < trial_end <= begins + LONGEST_TRIAL)
        ),
        TRIAL_ALREADY_USED=asked and tried,
    )
    if trial_end is None and own_days and not tried:
        trial_end = begins + timedelta(days=own_days)
    coupons = find_coupons(world, codes)
    subscription = Subscription(plan, quantity, anchor=trial_end or begins, next_at=begins)
    if trial_end:
        subscription.trial, subscription.anchored = (begins, trial_end), 1
    if anchor or policy:
        set_anchor(subscription, plan, anchor, policy, trial_end or begins)
    use_currency(customer, plan.currency, at)
    customer.subscriptions.append(subscription)
    for coupon in coupons:
        redeem_coupon(world, customer, subscription, coupon, at)
    refuse(AMOUNT_TOO_LARGE=plan.amount * quantity > LARGEST)
    if begins > at:
        customer.note("SUBSCRIPTION_CREATED", subscription, at)
        return subscription, None
    start(customer, subscription, at)
    return subscription, customer.invoices[-1]


def change(
    world: World,
    customer: Customer,
    subscription: Subscription,
    *,
    plan: Plan | None,
    quantity: int | None,
    mode: str | None,
    as_of: datetime | None,
    may_credit: bool = True,
) -> Invoice | None:
    at = opened_subscription(world, customer, subscription)
    before, waits = (subscription.plan, subscription.quantity), subscription.pending and subscription.pending[:2]
    now = with_given(before, plan, quantity)
    then = waits and with_given(waits, plan, quantity)
    refuse(
        PLAN_ARCHIVED=plan and plan.archived and plan is not subscription.plan,
        QUANTITY_OUT_OF_RANGE=quantity is not None and not 1 <= quantity <= 10**9,
        SUBSCRIPTION_PENDING=subscription.status == "PENDING",
        CURRENCY_MISMATCH=now[0].currency != subscription.plan.currency,
        SUBSCRIPTION_UNCHANGED=now == before and then == waits,
        AMOUNT_TOO_LARGE=any(terms and terms[0].amount * terms[1] > LARGEST for terms in (now, then)),
    )
    plan, quantity = now
    since = as_of or at
    begins, ends = subscription.periods[-1]
    assert subscription.terms_at
    mode = mode or by_default(before, now)
    in_trial = subscription.status == "TRIALING"
    anew = plan.length != subscription.plan.length and not in_trial
    refuse(
        AS_OF_OUT_OF_RANGE=not begins <= since < ends or since > at or since < subscription.terms_at,
        CHANGE_MODE_NOT_ALLOWED=anew and mode not in ("IMMEDIATE", "PERIOD_END"),
    )
    refuse(
        CANCELLATION_ALREADY_SCHEDULED=subscription.is_set_to_cancel and (anew or mode == "PERIOD_END"),
        TRIAL_ALREADY_USED=(
            in_trial
            and mode != "PERIOD_END"
            and plan is not subscription.plan
            and customer.trials.get(plan.code, subscription) is not subscription
        ),
    )
    refuse(SUBSCRIPTION_UNCHANGED=mode == "PERIOD_END" and then and then == waits)
    lost = withdraw_what_is_lost(customer, subscription, before if mode == "PERIOD_END" else now, then, at)
    if mode == "PERIOD_END":
        next_terms = then or now
        if next_terms != before:
            refuse(AMOUNT_TOO_LARGE=not fits_with_next_period(subscription, *next_terms))
            subscription.pending = *next_terms, at
            customer.note("SUBSCRIPTION_CHANGE_SCHEDULED", subscription, at)
        return None
    if then and then != now:
        subscription.pending = *then, subscription.pending[2] if subscription.pending else at
        if lost:
            customer.note("SUBSCRIPTION_CHANGE_SCHEDULED", subscription, at)
    if in_trial and plan is not subscription.plan:
        customer.trials.setdefault(plan.code, subscription)
    if anew or now != before:
        subscription.note_change(at)
    invoice: Invoice | None
    made = next(order)
    if anew:
        subscription.waiting += credits_at(customer, subscription, since, made)
        subscription.periods[-1][1] = since
        subscription.policy = None
        take_terms(subscription, plan, quantity, since)
        customer.note("SUBSCRIPTION_CHANGED", subscription, at)
        invoice = bill_period(customer, subscription, since, at, made)
    elif now == before:
        invoice = None
    else:
        given_back = [] if mode == "NONE" else credits_at(customer, subscription, since, made)
        take_terms_within(subscription, plan, quantity, since)
        charges = [] if mode == "NONE" or in_trial else charge(subscription, since, made)
        customer.note("SUBSCRIPTION_CHANGED", subscription, at)
        invoice = post(customer, subscription, mode, given_back, charges, since, at)
    update_past_due(customer, subscription, at)
    refuse(CREDIT_NOT_ALLOWED=not may_credit and invoice and invoice.amount < 0)
    # A new period that starts in the past may already be over.
    catch_up(customer, subscription, at, most=AT_ONCE)
    return invoice


def take_terms_within(subscription: Subscription, plan: Plan, quantity: int, since: datetime) -> None:
    """Sets new terms within a period. In a trial, an anchor that does not suit the new interval is given up."""
    if subscription.policy and not have_same_anchors(plan, subscription.plan):
        subscription.policy = None
        subscription.anchor, subscription.anchored = subscription.periods[-1][1], len(subscription.periods)
    subscription.plan, subscription.quantity, subscription.terms_at = plan, quantity, since


def with_given(terms: tuple[Plan, int], plan: Plan | None, quantity: int | None) -> tuple[Plan, int]:
    return plan or terms[0], terms[1] if quantity is None else quantity


def by_default(before: tuple[Plan, int], now: tuple[Plan, int]) -> str:
    """Returns IMMEDIATE for a longer interval, or an equal one that costs as much or more. Else PERIOD_END."""
    (old, old_quantity), (new, new_quantity) = before, now
    if nominal(old) != nominal(new):
        return "IMMEDIATE" if nominal(new) > nominal(old) else "PERIOD_END"
    return "IMMEDIATE" if new.amount * new_quantity >= old.amount * old_quantity else "PERIOD_END"


def nominal(plan: Plan) -> Fraction:
    """Returns the average number of days of a plan's interval."""
    unit, number = plan.length
    return number * {"DAY": Fraction(1), "MONTH": Fraction("365.2425") / 12}[unit]


def withdraw_what_is_lost(
    customer: Customer,
    subscription: Subscription,
    current: tuple[Plan, int],
    then: tuple[Plan, int] | None,
    at: datetime,
) -> bool:
    """Withdraws the pending change if any part of it has no effect any longer. Returns True if it was withdrawn."""
    if subscription.pending is None or then is None:
        return False
    before, waits = (subscription.plan, subscription.quantity), subscription.pending[:2]
    lost = then == current or any(was not in (new, old) for was, new, old in zip(waits, then, before, strict=True))
    if lost:
        subscription.pending = None
        customer.note("SUBSCRIPTION_CHANGE_WITHDRAWN", subscription, at)
    return lost


def charge(subscription: Subscription, since: datetime, change: int) -> list[Line]:
    """Returns the charge for the remaining period on the subscription's terms, or nothing if it is 0."""
    plan, quantity, (begins, ends) = subscription.plan, subscription.quantity, subscription.periods[-1]
    ends = subscription.billed_until or ends
    left = max(0, seconds(since, ends))
    whole = subscription.whole or seconds(begins, ends)
    amount = nearest(Fraction(plan.amount * quantity * left, whole))
    line = Line(
        "PRORATION_CHARGE",
        "Remaining time on " + label(plan, quantity),
        amount,
        plan.amount,
        quantity,
        plan,
        ordinal=len(subscription.periods) - 1,
        start=since,
        end=ends,
        change=change,
        whole=seconds(begins, ends),
        inclusive=plan.inclusive,
        rates=plan.tax_rates,
    )
    return [line] if amount else []


def post(
    customer: Customer,
    subscription: Subscription,
    mode: str,
    given_back: list[Line],
    charges: list[Line],
    since: datetime,
    at: datetime,
) -> Invoice | None:
    """Bills a change within a period, now or on the next invoice."""
    later: list[Line] = []
    now: list[Line] = []
    match mode:
        case "NEXT_INVOICE":
            later = [*given_back, *charges]
        case "CHARGE_NOW_CREDIT_LATER":
            later, now = given_back, charges
        case "IMMEDIATE":
            now = [*take_waiting(subscription), *given_back, *charges]
    wait_for_next(subscription, later)
    if not now:
        return None
    return bill(customer, subscription, "PRORATION", now, (since, subscription.periods[-1][1]), at)


def wait_for_next(subscription: Subscription, lines: list[Line]) -> None:
    """Adds lines to the pending ones. Raises `Refused` if they do not fit on the next invoice."""
    refuse(TOO_MANY_LINES=lines and len(subscription.waiting) + len(lines) > MOST_WAITING)
    subscription.waiting += lines
    next_terms = subscription.pending[:2] if subscription.pending else (subscription.plan, subscription.quantity)
    refuse(AMOUNT_TOO_LARGE=not fits_with_next_period(subscription, *next_terms))


def withdraw(world: World, customer: Customer, subscription: Subscription) -> None:
    at = opened_subscription(world, customer, subscription)
    refuse(CHANGE_NOT_SCHEDULED=subscription.pending is None)
    subscription.pending = None
    customer.note("SUBSCRIPTION_CHANGE_WITHDRAWN", subscription, at)


def cancel(
    world: World,
    customer: Customer,
    subscription: Subscription,
    *,
    at_period_end: bool,
    settlement: str,
    cancel_at: datetime | None = None,
) -> Invoice | None:
    refuse(INVALID_INPUT=not at_period_end if cancel_at else at_period_end and settlement == "CREDIT")
    at = opened_subscription(world, customer, subscription)
    refuse(CANCELLATION_ALREADY_SCHEDULED=at_period_end and subscription.is_set_to_cancel)
    has_begun = subscription.status != "PENDING"
    refuse(
        SUBSCRIPTION_PENDING=cancel_at and not has_begun,
        INVALID_INPUT=cancel_at and not at < cancel_at <= at + LONGEST_NOTICE,
    )
    subscription.canceled_at = at
    if cancel_at:
        assert subscription.next_at
        subscription.cancel_at, subscription.cancel_settlement = cancel_at, settlement
        subscription.next_at = min(subscription.next_at, cancel_at)
        customer.note("SUBSCRIPTION_CANCELLATION_SCHEDULED", subscription, at)
        return None
    if at_period_end and has_begun:
        subscription.cancel_at_period_end = True
        customer.note("SUBSCRIPTION_CANCELLATION_SCHEDULED", subscription, at)
        return None
    subscription.cancel_at_period_end, subscription.cancel_at = False, None
    if settlement == "CREDIT" and has_begun:
        subscription.waiting += credits_at(customer, subscription, at, next(order))
    return end(customer, subscription, at, at)


def undo_cancellation(world: World, customer: Customer, subscription: Subscription) -> None:
    at = opened_subscription(world, customer, subscription)
    refuse(CANCELLATION_NOT_SCHEDULED=not subscription.is_set_to_cancel)
    subscription.cancel_at_period_end, subscription.cancel_at, subscription.canceled_at = False, None, None
    subscription.next_at = subscription.periods[-1][1]
    if subscription.was_cut and not subscription.policy:
        subscription.anchor, subscription.anchored = subscription.next_at, len(subscription.periods)
    customer.note("SUBSCRIPTION_CANCELLATION_UNDONE", subscription, at)
    update_past_due(customer, subscription, at)
