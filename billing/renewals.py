"""Changes of a subscription over time: start, end of trial, renewal and scheduled cancellation.

Pure: changes an `Account`. Only this module adds periods to a subscription's timeline.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from billing.account import Account
from billing.anchors import later_anchor
from billing.crediting import PART, credit_unused_time
from billing.enums import EventType, FirstPeriod, InvoiceKind, LineKind, PeriodKind, Settlement, SubscriptionStatus
from billing.errors import BillingError, TrialAlreadyUsed
from billing.ids import InvoiceLineId, PlanId
from billing.invoicing import bill
from billing.limits import MAX_PERIODS_PER_RUN
from billing.money import AmountOverflow, multiply_cents
from billing.mrr import count
from billing.new_records import Line, NewInvoice, NewPeriod, NewTrial, PeriodChange
from billing.periods import Period, is_same_unit, next_boundary_number, nth_boundary
from billing.proration import share
from billing.records import SubscriptionState, Terms
from billing.settling import is_open_invoice_of, overdue_at, update_past_due


def renew(account: Account, as_of: datetime, *, most: int = MAX_PERIODS_PER_RUN) -> int:
    """Crosses each boundary that is due by `as_of`, in order, and updates whether the subscription is past due.

    Every period that has started is invoiced, however long ago it started. All these invoices are issued at `as_of`.
    Returns the number of boundaries crossed, at most `most`.

    Raises `AmountOverflow` and `TooManyLines`. The account must be discarded then.
    """
    crossed = 0
    while crossed < most and is_due(account, as_of):
        cross_boundary(account, as_of)
        crossed += 1
    update_past_due(account, as_of)
    return crossed


def bill_until(account: Account, until: datetime) -> int:
    """Advances the account to `until`, as if a run took place at every instant at which something is due.

    For test clocks. Unlike with `renew`, each invoice is issued when its period starts, and the subscription becomes
    past due at the midnight (UTC) after an invoice was due. Crosses at most `MAX_PERIODS_PER_RUN` boundaries and
    returns their number.
    """
    crossed = 0
    while crossed < MAX_PERIODS_PER_RUN:
        instants = [at for at in (next_boundary(account), next_past_due_at(account)) if at is not None and at <= until]
        if not instants:
            break
        crossed += renew(account, min(instants), most=1)
    return crossed


def upcoming_invoices_of(account: Account, count: int) -> list[NewInvoice]:
    """Returns the next invoices, at most `count`, if nothing else happens until then.

    The list is shorter if the subscription ends or if an invoice cannot be created, for example because its amount is
    too large. Discard the account afterwards.
    """
    found: list[NewInvoice] = []
    while len(found) < count:
        try:
            upcoming = bill_next_period(account)
        except (AmountOverflow, BillingError):
            break
        if upcoming is None:
            break
        # A later invoice may contain credits that pay this one. Show it as it is when created.
        found.append(replace(upcoming))
    return found


def bill_next_period(account: Account) -> NewInvoice | None:
    """Crosses the next boundary. Returns the invoice created there, or None if the subscription ends without one."""
    before = len(account.invoices)
    boundary = account.known_subscription.next_billing_at
    if boundary is not None:
        renew(account, boundary, most=1)
    return account.invoices[-1] if len(account.invoices) > before else None


def next_boundary(account: Account) -> datetime | None:
    return account.known_subscription.next_billing_at


def is_due(account: Account, as_of: datetime) -> bool:
    boundary = next_boundary(account)
    return boundary is not None and boundary <= as_of


def next_past_due_at(account: Account) -> datetime | None:
    """Returns the first instant at which an ACTIVE subscription becomes past due, or None."""
    subscription = account.known_subscription
    if subscription.status is not SubscriptionStatus.ACTIVE:
        return None
    due = [invoice.due_at for invoice in account.unpaid if is_open_invoice_of(subscription, invoice) and invoice.due_at]
    return overdue_at(min(due)) if due else None


def cross_boundary(account: Account, at: datetime) -> None:
    """Does what is due at `next_billing_at`. Invoices and events are dated `at`, which may be later."""
    subscription = account.known_subscription
    boundary = subscription.next_billing_at
    assert boundary is not None, "only a live subscription has a next boundary"
    assert boundary <= at, (boundary, at)
    if subscription.cancel_at_period_end or is_cancellation_due(subscription, boundary):
        end_as_scheduled(account, boundary, at)
    elif subscription.status is SubscriptionStatus.PENDING:
        start_subscription(account, boundary, at)
    else:
        apply_pending_change(account, boundary, at)
        event = EventType.SUBSCRIPTION_RENEWED
        if subscription.status is SubscriptionStatus.TRIALING:
            subscription.status, event = SubscriptionStatus.ACTIVE, EventType.SUBSCRIPTION_TRIAL_ENDED
        bill_period(account, boundary, event, at)
    # Now, because the next boundary may change it again.
    count(account, boundary)


def is_cancellation_due(subscription: SubscriptionState, as_of: datetime) -> bool:
    """Returns True if the subscription is set to cancel at a given time that has come."""
    return subscription.cancel_at is not None and subscription.cancel_at <= as_of


def end_as_scheduled(account: Account, boundary: datetime, at: datetime) -> None:
    """Ends a subscription at its period's end or at `cancel_at`, and settles the unused time as requested."""
    subscription = account.known_subscription
    ended_at = boundary if subscription.cancel_at is None else min(boundary, subscription.cancel_at)
    if subscription.cancel_settlement is Settlement.CREDIT:
        credit_unused_time(account, ended_at, at)
    end_subscription(account, ended_at=ended_at, at=at)


def start_subscription(account: Account, starts_at: datetime, at: datetime, *, created: bool = False) -> None:
    """Starts a subscription, with its trial if it has one, else with its first billing period.

    `created` is True if the subscription is created in the same operation.
    """
    subscription = account.known_subscription
    subscription.started_at = subscription.terms_at = starts_at
    in_trial = subscription.trial_end is not None
    subscription.status = SubscriptionStatus.TRIALING if in_trial else SubscriptionStatus.ACTIVE
    event = EventType.SUBSCRIPTION_CREATED if created else EventType.SUBSCRIPTION_STARTED
    if subscription.trial_end is None:
        bill_period(account, starts_at, event, at)
        return
    trial = Period(starts_at, subscription.trial_end)
    add_period(account, PeriodKind.TRIAL, PeriodPart(trial))
    add_trial(account, account.known_terms.plan_id, starts_at, promised=not created)
    account.record_change(event, subscription, at)
    bill(
        account,
        InvoiceKind.RECURRING,
        [*account.take_pending_lines(), trial_line(account, trial)],
        period=trial,
        period_ordinal=subscription.next_ordinal - 1,
        at=at,
    )


def bill_period(account: Account, starts_at: datetime, event: EventType, at: datetime) -> NewInvoice:
    """Adds the period that starts at `starts_at` to the timeline, records the `event` that it starts with, and invoices
    it together with all pending lines.
    """
    subscription = account.known_subscription
    ordinal = subscription.next_ordinal
    part = part_until_cancellation(account, next_part(account, starts_at))
    add_period(account, PeriodKind.BILLING, part)
    account.record_change(event, subscription, at)
    return bill(
        account,
        InvoiceKind.RECURRING,
        [*account.take_pending_lines(), period_line(account, part, ordinal)],
        period=part.period,
        period_ordinal=ordinal,
        at=at,
    )


@dataclass(slots=True)
class PeriodPart:
    """A period to add, which is a whole one or a part of one.

    The price covers the period until `billed_until`, or all of it. It is prorated if `whole_seconds`, the length of a
    whole period, is set.
    """

    period: Period
    billed_until: datetime | None = None
    whole_seconds: int | None = None

    @property
    def billed(self) -> Period:
        return self.period if self.billed_until is None else Period(self.period.start, self.billed_until)


def next_part(account: Account, starts_at: datetime) -> PeriodPart:
    """Returns the period that starts at `starts_at` and ends at the next boundary."""
    subscription, interval = account.known_subscription, account.known_terms.interval
    ordinal, policy = subscription.next_ordinal, subscription.first_period
    if policy is not None:
        # The first period after a billing anchor was set. The interval may have changed since then.
        number = next_boundary_number(subscription.anchor_at, interval, starts_at)
        if number > ordinal + 1:
            subscription.anchor_at = later_anchor(subscription.anchor_at, interval, number)
            number = next_boundary_number(subscription.anchor_at, interval, starts_at)
        subscription.anchor_ordinal = ordinal + 1 - number
        subscription.first_period = None
    number = ordinal + 1 - subscription.anchor_ordinal
    period = Period(starts_at, nth_boundary(subscription.anchor_at, interval, number))
    if policy in (None, FirstPeriod.FULL):
        return PeriodPart(period)
    whole = Period(nth_boundary(subscription.anchor_at, interval, number - 1), period.end)
    if whole.start == starts_at:
        return PeriodPart(period)
    return PeriodPart(period, starts_at if policy is FirstPeriod.FREE else None, whole.seconds)


def next_anchored_boundary(account: Account) -> datetime:
    """Returns the end of the current period as counted from the anchor. A cancellation may have cut the period."""
    subscription, interval = account.known_subscription, account.known_terms.interval
    return nth_boundary(subscription.anchor_at, interval, subscription.next_ordinal - subscription.anchor_ordinal)


def part_until_cancellation(account: Account, part: PeriodPart) -> PeriodPart:
    """Returns the part of a period before the subscription is set to cancel: all of it, if that is later or never."""
    cancel_at = account.known_subscription.cancel_at
    if cancel_at is None or part.period.end <= cancel_at:
        return part
    billed_until = None if part.billed_until is None else min(part.billed_until, cancel_at)
    return PeriodPart(Period(part.period.start, cancel_at), billed_until, part.whole_seconds or part.period.seconds)


def add_period(account: Account, kind: PeriodKind, part: PeriodPart) -> None:
    subscription, terms = account.known_subscription, account.known_terms
    ordinal, period = subscription.next_ordinal, part.period
    account.periods.append(
        NewPeriod(
            subscription_id=subscription.id,
            customer_id=subscription.customer_id,
            ordinal=ordinal,
            after_ordinal=ordinal - 1 if ordinal else None,
            kind=kind,
            starts_at=period.start,
            ends_at=period.end,
            plan_id=terms.plan_id,
            quantity=terms.quantity,
            billed_until=part.billed_until,
            whole_seconds=part.whole_seconds,
        )
    )
    subscription.next_ordinal = ordinal + 1
    subscription.current_period_start = period.start
    subscription.current_period_end = period.end
    schedule_next_billing(subscription)
    subscription.billed_until, subscription.whole_seconds = part.billed_until, part.whole_seconds
    account.subscription_changed = True


def schedule_next_billing(subscription: SubscriptionState) -> None:
    """Sets `next_billing_at` of a subscription that has started: the end of its period, or its cancellation before."""
    ends_at = subscription.current_period.end
    subscription.next_billing_at = ends_at if subscription.cancel_at is None else min(ends_at, subscription.cancel_at)


def change_period(account: Account, change: PeriodChange) -> None:
    """Changes a period that is stored or was added in this operation."""
    for planned in account.periods:
        if planned.ordinal == change.ordinal:
            planned.changed_at = change.changed_at or planned.changed_at
            planned.ends_at = change.ends_at or planned.ends_at
            planned.billed_until = change.billed_until or planned.billed_until
            planned.whole_seconds = change.whole_seconds or planned.whole_seconds
            return
    account.changed_periods.append(change)


def add_trial(account: Account, plan_id: PlanId, started_at: datetime, *, promised: bool = False) -> None:
    """Records a trial of a plan. Raises `TrialAlreadyUsed` if the customer had one in an earlier subscription.

    A trial that was `promised` when the subscription was created is kept even if another trial of the plan has been
    stored since.
    """
    subscription = account.known_subscription
    used_in = account.trials_before.get(plan_id)
    if used_in is None:
        account.trials_before[plan_id] = subscription.id
        account.trials.append(NewTrial(account.customer.id, plan_id, subscription.id, started_at, promised))
    elif used_in != subscription.id:
        raise TrialAlreadyUsed("This customer has already had a trial of this plan: change to it with mode PERIOD_END.")


def apply_pending_change(account: Account, boundary: datetime, at: datetime) -> None:
    """Applies the change that was scheduled for the period starting at `boundary`, if any."""
    if account.pending_terms is None:
        return
    set_terms(account, account.pending_terms, boundary)
    clear_pending_change(account)
    account.record_change(EventType.SUBSCRIPTION_CHANGED, account.known_subscription, at)


def set_terms(account: Account, terms: Terms, since: datetime, *, counted_from: datetime | None = None) -> None:
    """Changes the terms from `since` on.

    If the interval changes, `counted_from` (by default `since`) becomes the anchor from which periods are counted,
    unless a billing anchor is set for the next period that suits the new interval too.
    """
    subscription, before = account.known_subscription, account.known_terms
    if terms.interval != before.interval:
        if not is_same_unit(terms.interval, before.interval):
            subscription.first_period = None
        if subscription.first_period is None:
            subscription.anchor_at = counted_from or since
            subscription.anchor_ordinal = subscription.next_ordinal
    subscription.plan_id, subscription.quantity = terms.plan_id, terms.quantity
    subscription.terms_at = since
    account.terms = terms


def clear_pending_change(account: Account) -> None:
    subscription = account.known_subscription
    subscription.pending_plan_id = subscription.pending_quantity = subscription.pending_since = None
    account.pending_terms = None


def end_subscription(account: Account, *, ended_at: datetime, at: datetime) -> NewInvoice | None:
    """Ends the subscription. Returns a final invoice for its pending lines, if it has any."""
    subscription = account.known_subscription
    clear_pending_change(account)
    subscription.status = SubscriptionStatus.CANCELED
    subscription.ended_at = ended_at
    subscription.next_billing_at = None
    account.record_change(EventType.SUBSCRIPTION_CANCELED, subscription, at)
    return bill_pending_lines(account, at)


def bill_pending_lines(account: Account, at: datetime) -> NewInvoice | None:
    """Invoices the pending lines. Returns None if there are none. The invoice belongs to no period of the timeline."""
    if not account.pending_lines:
        return None
    lines = account.take_pending_lines()
    period = Period(
        min(line.period_start for line in lines if line.period_start is not None),
        max(line.period_end for line in lines if line.period_end is not None),
    )
    return bill(account, InvoiceKind.PRORATION, lines, period=period, at=at)


def period_line(account: Account, part: PeriodPart, ordinal: int) -> Line:
    """Returns the charge for a period. Raises `AmountOverflow`."""
    terms, billed, whole_seconds = account.known_terms, part.period, part.whole_seconds
    amount_cents = multiply_cents(terms.unit_amount_cents, terms.quantity)
    description = terms.label
    if whole_seconds is not None:
        amount_cents = share(amount_cents, part.billed.seconds, whole_seconds)
        if part.billed.seconds:
            billed, description = part.billed, PART + terms.label
        else:
            description = f"Free period of {terms.label}"
    return Line(
        id=InvoiceLineId(account.make_id()),
        customer_id=account.customer.id,
        kind=LineKind.RECURRING if whole_seconds is None else LineKind.PRORATION_CHARGE,
        description=description,
        plan_id=terms.plan_id,
        quantity=terms.quantity,
        unit_amount_cents=terms.unit_amount_cents,
        amount_cents=amount_cents,
        period_ordinal=ordinal,
        period_start=billed.start,
        period_end=billed.end,
        tax=terms.tax,
    )


def trial_line(account: Account, trial: Period) -> Line:
    """Returns the line of 0 cents that shows the trial on its invoice."""
    terms = account.known_terms
    return Line(
        id=InvoiceLineId(account.make_id()),
        customer_id=account.customer.id,
        kind=LineKind.TRIAL,
        description=f"Trial of {terms.label}",
        plan_id=terms.plan_id,
        quantity=terms.quantity,
        unit_amount_cents=0,
        amount_cents=0,
        period_ordinal=account.known_subscription.next_ordinal - 1,
        period_start=trial.start,
        period_end=trial.end,
        tax=terms.tax,
    )
