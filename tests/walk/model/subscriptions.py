"""What can be done with subscriptions. Each raises `Refused`, and may leave half a change behind then."""

from datetime import datetime, timedelta

from tests.walk.model.arithmetic import LARGEST, rest_of, seconds
from tests.walk.model.money import bill, judge, use_currency
from tests.walk.model.passing import (
    AT_ONCE,
    bill_period,
    catch_up,
    end,
    fits_with_next_period,
    start,
    take_terms,
    take_waiting,
)
from tests.walk.model.world import Customer, Invoice, Line, Plan, Subscription, World, label, refuse

MOST_WAITING = 50
LONGEST_TRIAL = timedelta(days=730)
LATEST_START = timedelta(days=3660)
CHARGES = ("RECURRING", "PRORATION_CHARGE")


def opened(world: World, customer: Customer) -> datetime:
    """What time it is for a customer whose subscription has ended, where it was to end by now."""
    at = world.time_of(customer)
    subscription = customer.live
    at = max(at, customer.updated_at, subscription.updated_at if subscription and subscription.updated_at else at)
    if subscription and subscription.cancel_at_period_end and subscription.next_at and subscription.next_at <= at:
        catch_up(customer, subscription, at, most=AT_ONCE)
    return at


def opened_subscription(world: World, customer: Customer, subscription: Subscription) -> datetime:
    """What time it is for a live subscription, all of whose periods are billed."""
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
) -> tuple[Subscription, Invoice | None]:
    at = opened(world, customer)
    begins = start_at or at
    asked = bool(trial_days) or trial_end is not None
    own_days = plan.trial_days if trial_days is None and trial_end is None else trial_days
    tried = plan.code in customer.trials
    refuse(
        CUSTOMER_ARCHIVED=customer.archived,
        CUSTOMER_ALREADY_SUBSCRIBED=customer.live,
        PLAN_ARCHIVED=plan.archived,
        CURRENCY_MISMATCH=customer.currency not in (None, plan.currency),
        QUANTITY_OUT_OF_RANGE=not 1 <= quantity <= 10**9,
        AMOUNT_TOO_LARGE=plan.amount * quantity > LARGEST,
        START_IN_THE_PAST=begins < at,
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
    subscription = Subscription(plan, quantity, anchor=trial_end or begins, next_at=begins)
    if trial_end:
        subscription.trial, subscription.anchored = (begins, trial_end), 1
    use_currency(customer, plan.currency, at)
    customer.subscriptions.append(subscription)
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
    plan, quantity = plan or subscription.plan, subscription.quantity if quantity is None else quantity
    refuse(
        PLAN_ARCHIVED=plan.archived and plan is not subscription.plan,
        QUANTITY_OUT_OF_RANGE=not 1 <= quantity <= 10**9,
        SUBSCRIPTION_PENDING=subscription.status == "PENDING",
        CURRENCY_MISMATCH=plan.currency != subscription.plan.currency,
        SUBSCRIPTION_UNCHANGED=plan is subscription.plan and quantity == subscription.quantity,
        AMOUNT_TOO_LARGE=plan.amount * quantity > LARGEST,
    )
    since = as_of or at
    begins, ends = subscription.periods[-1]
    assert subscription.terms_at
    if mode is None:
        mode = "IMMEDIATE" if costs_as_much(subscription, plan, quantity, since) else "PERIOD_END"
    in_trial = subscription.status == "TRIALING"
    anew = plan.length != subscription.plan.length and not in_trial
    refuse(
        AS_OF_OUT_OF_RANGE=not begins <= since < ends or since > at or since < subscription.terms_at,
        CHANGE_MODE_NOT_ALLOWED=anew and mode not in ("IMMEDIATE", "PERIOD_END"),
    )
    if mode == "PERIOD_END":
        refuse(AMOUNT_TOO_LARGE=not fits_with_next_period(subscription, plan, quantity))
        subscription.pending = plan, quantity, at
        customer.note("SUBSCRIPTION_CHANGE_SCHEDULED", subscription, at)
        return None
    subscription.pending = None
    invoice: Invoice | None
    if anew:
        subscription.waiting += credits(customer, subscription, since)
        subscription.periods[-1][1] = since
        take_terms(subscription, plan, quantity, since)
        customer.note("SUBSCRIPTION_CHANGED", subscription, at)
        invoice = bill_period(customer, subscription, since, at)
    else:
        given_back = [] if mode == "NONE" else credits(customer, subscription, since)
        subscription.plan, subscription.quantity, subscription.terms_at = plan, quantity, since
        charges = [] if mode == "NONE" or in_trial else charge(subscription, since)
        customer.note("SUBSCRIPTION_CHANGED", subscription, at)
        invoice = post(customer, subscription, mode, given_back, charges, since, at)
    judge(customer, subscription, at)
    refuse(CREDIT_NOT_ALLOWED=not may_credit and invoice and invoice.amount < 0)
    # A new period that began in the past may be over.
    catch_up(customer, subscription, at, most=AT_ONCE)
    return invoice


def costs_as_much(subscription: Subscription, plan: Plan, quantity: int, at: datetime) -> bool:
    """Whether the new terms cost as much as the old ones for each second of a period that begins at `at`, or more."""
    old, new = subscription.plan, plan
    old_amount, new_amount = old.amount * subscription.quantity, new.amount * quantity
    return new_amount * seconds(at, old.after(at, 1)) >= old_amount * seconds(at, new.after(at, 1))


def credits(customer: Customer, subscription: Subscription, at: datetime) -> list[Line]:  # noqa: A001 - their name
    """What is given back of each charge whose span is not over at `at`, beyond what was given back of it before."""
    found = []
    for line, _ in customer.lines_on(subscription):
        if line.kind not in CHARGES or line.amount <= 0 or line.start is None or line.end is None or line.end <= at:
            continue
        credit = rest_of(line.amount, line.start, line.end, at) - customer.given_back(line)
        if credit <= 0:
            continue
        found.append(
            Line(
                "PRORATION_CREDIT",
                "Unused time on " + line.description.removeprefix("Remaining time on "),
                -credit,
                line.unit_amount,
                line.quantity,
                line.plan,
                ordinal=line.ordinal,
                start=max(at, line.start),
                end=line.end,
                reverses=line,
            )
        )
    return found


def charge(subscription: Subscription, since: datetime) -> list[Line]:
    """What the rest of the period costs on the terms of the subscription; nothing where that is 0."""
    plan, quantity, (begins, ends) = subscription.plan, subscription.quantity, subscription.periods[-1]
    amount = rest_of(plan.amount * quantity, begins, ends, since)
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
    """Bills a change within a period: now, or with the next invoice."""
    later: list[Line] = []
    now: list[Line] = []
    match mode:
        case "NEXT_INVOICE":
            later = [*given_back, *charges]
        case "CHARGE_NOW_CREDIT_LATER":
            later, now = given_back, charges
        case "IMMEDIATE":
            now = [*take_waiting(subscription), *given_back, *charges]
    refuse(TOO_MANY_LINES=later and len(subscription.waiting) + len(later) > MOST_WAITING)
    subscription.waiting += later
    refuse(AMOUNT_TOO_LARGE=not fits_with_next_period(subscription, subscription.plan, subscription.quantity))
    if not now:
        return None
    return bill(customer, subscription, "PRORATION", now, (since, subscription.periods[-1][1]), at)


def withdraw(world: World, customer: Customer, subscription: Subscription) -> None:
    at = opened_subscription(world, customer, subscription)
    refuse(CHANGE_NOT_SCHEDULED=subscription.pending is None)
    subscription.pending = None
    customer.note("SUBSCRIPTION_CHANGE_WITHDRAWN", subscription, at)


def cancel(
    world: World, customer: Customer, subscription: Subscription, *, at_period_end: bool, settlement: str
) -> Invoice | None:
    refuse(INVALID_INPUT=at_period_end and settlement == "CREDIT")
    at = opened_subscription(world, customer, subscription)
    refuse(CANCELLATION_ALREADY_SCHEDULED=at_period_end and subscription.cancel_at_period_end)
    has_begun = subscription.status != "PENDING"
    subscription.canceled_at = at
    if at_period_end and has_begun:
        subscription.cancel_at_period_end = True
        customer.note("SUBSCRIPTION_CANCELLATION_SCHEDULED", subscription, at)
        return None
    subscription.cancel_at_period_end = False
    if settlement == "CREDIT" and has_begun:
        subscription.waiting += credits(customer, subscription, at)
    return end(customer, subscription, at, at)


def undo_cancellation(world: World, customer: Customer, subscription: Subscription) -> None:
    at = opened_subscription(world, customer, subscription)
    refuse(CANCELLATION_NOT_SCHEDULED=not subscription.cancel_at_period_end)
    subscription.cancel_at_period_end, subscription.canceled_at = False, None
    customer.note("SUBSCRIPTION_CANCELLATION_UNDONE", subscription, at)
    judge(customer, subscription, at)
