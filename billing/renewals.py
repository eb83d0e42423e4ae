"""What becomes of a subscription as time passes: starts, trial ends, renewals, the end of what was canceled.

Pure: changes an `Account`. The first period of a new subscription and every later one are planned here, and only here.
"""

from dataclasses import replace
from datetime import datetime

from billing.account import Account
from billing.errors import BillingError, TrialAlreadyUsed
from billing.ids import InvoiceLineId, PlanId
from billing.invoicing import finalize, is_open_invoice_of, overdue_at, update_past_due
from billing.money import AmountOverflow, multiply_cents
from billing.periods import Period, nth_boundary
from billing.records import Line, NewInvoice, NewPeriod, NewTrial, Terms
from billing.words import EventType, InvoiceKind, LineKind, PeriodKind, SubscriptionStatus

MAX_PERIODS_PER_RUN = 12
"""So many missed periods of one subscription are caught up in one run; the rest wait for the next."""


def renew(account: Account, as_of: datetime, *, most: int = MAX_PERIODS_PER_RUN) -> int:
    """Does what is due by `as_of`, in order: each period that has begun gets its invoice, issued at `as_of`, however
    long ago it began. Returns how many boundaries were crossed, `most` at most.

    Raises `AmountOverflow` and `TooManyLines`; the account is then of no use any more.
    """
    crossed = 0
    while crossed < most and is_due(account, as_of):
        cross_boundary(account, as_of)
        crossed += 1
    update_past_due(account, as_of)
    return crossed


def bill_until(account: Account, until: datetime) -> int:
    """As `renew`, as if a run came by at each instant on the way to `until`: a period's invoice is issued when the
    period begins, and the subscription is past due from the midnight after an invoice was due. Time of a test clock.
    """
    crossed = 0
    while crossed < MAX_PERIODS_PER_RUN:
        instants = [at for at in (next_boundary(account), next_past_due_at(account)) if at is not None and at <= until]
        if not instants:
            break
        crossed += renew(account, min(instants), most=1)
    return crossed


def upcoming_invoices_of(account: Account, count: int) -> list[NewInvoice]:
    """The next invoices, `count` at most, as they would be made if nothing happened meanwhile.

    Where one does not come to an invoice any more, because an amount does not fit, the list ends before it. The account
    is then of no use any more.
    """
    found: list[NewInvoice] = []
    while len(found) < count:
        try:
            upcoming = bill_next_period(account)
        except (AmountOverflow, BillingError):
            break
        if upcoming is None:
            break
        # A later one may give credit that pays it: it is shown as it is made.
        found.append(replace(upcoming))
    return found


def bill_next_period(account: Account) -> NewInvoice | None:
    """The invoice that the next boundary brings, made there; None where the subscription ends without one."""
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
    """The first instant at which the subscription, ACTIVE so far, is past due."""
    subscription = account.known_subscription
    if subscription.status is not SubscriptionStatus.ACTIVE:
        return None
    due = [invoice.due_at for invoice in account.unpaid if is_open_invoice_of(subscription, invoice) and invoice.due_at]
    return overdue_at(min(due)) if due else None


def cross_boundary(account: Account, at: datetime) -> None:
    """What happens at the instant `next_billing_at`; it is done at `at`, which may be later."""
    subscription = account.known_subscription
    boundary = subscription.next_billing_at
    assert boundary is not None, "only what is live has a boundary to cross"
    assert boundary <= at, (boundary, at)
    if subscription.cancel_at_period_end:
        end_subscription(account, ended_at=boundary, at=at)
        return
    match subscription.status:
        case SubscriptionStatus.PENDING:
            start_subscription(account, boundary, at)
        case SubscriptionStatus.TRIALING:
            apply_pending_change(account, boundary, at)
            subscription.status = SubscriptionStatus.ACTIVE
            bill_period(account, boundary, EventType.SUBSCRIPTION_TRIAL_ENDED, at)
        case _:
            apply_pending_change(account, boundary, at)
            bill_period(account, boundary, EventType.SUBSCRIPTION_RENEWED, at)


def start_subscription(account: Account, starts_at: datetime, at: datetime, *, created: bool = False) -> None:
    """Begins a subscription: with its trial, where it has one, or with the first period that is billed."""
    subscription = account.known_subscription
    subscription.started_at = subscription.terms_at = starts_at
    in_trial = subscription.trial_end is not None
    subscription.status = SubscriptionStatus.TRIALING if in_trial else SubscriptionStatus.ACTIVE
    event = EventType.SUBSCRIPTION_CREATED if created else EventType.SUBSCRIPTION_STARTED
    if subscription.trial_end is None:
        bill_period(account, starts_at, event, at)
        return
    trial = Period(starts_at, subscription.trial_end)
    add_period(account, PeriodKind.TRIAL, trial)
    add_trial(account, account.known_terms.plan_id, starts_at, promised=not created)
    account.record_change(event, subscription, at)
    finalize(
        account,
        InvoiceKind.RECURRING,
        [*account.take_pending_lines(), trial_line(account, trial)],
        period=trial,
        period_ordinal=subscription.next_ordinal - 1,
        at=at,
    )


def bill_period(account: Account, starts_at: datetime, event: EventType, at: datetime) -> NewInvoice:
    """Adds the period that begins at `starts_at` to the timeline, records the event that it begins with, and invoices
    it with all lines that wait.
    """
    subscription, terms = account.known_subscription, account.known_terms
    ordinal = subscription.next_ordinal
    ends_at = nth_boundary(subscription.anchor_at, terms.interval, ordinal + 1 - subscription.anchor_ordinal)
    period = Period(starts_at, ends_at)
    add_period(account, PeriodKind.BILLING, period)
    account.record_change(event, subscription, at)
    return finalize(
        account,
        InvoiceKind.RECURRING,
        [*account.take_pending_lines(), recurring_line(account, period, ordinal)],
        period=period,
        period_ordinal=ordinal,
        at=at,
    )


def add_period(account: Account, kind: PeriodKind, period: Period) -> None:
    subscription, terms = account.known_subscription, account.known_terms
    ordinal = subscription.next_ordinal
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
        )
    )
    subscription.next_ordinal = ordinal + 1
    subscription.current_period_start = period.start
    subscription.current_period_end = subscription.next_billing_at = period.end
    account.subscription_changed = True


def add_trial(account: Account, plan_id: PlanId, started_at: datetime, *, promised: bool = False) -> None:
    """Notes that the subscription is on trial of a plan. Raises `TrialAlreadyUsed` if an earlier subscription was.

    A trial that was `promised` when the subscription was made is given even if one of the plan became known since.
    """
    subscription = account.known_subscription
    used_in = account.trials_before.get(plan_id)
    if used_in is None:
        account.trials_before[plan_id] = subscription.id
        account.trials.append(NewTrial(account.customer.id, plan_id, subscription.id, started_at, promised))
    elif used_in != subscription.id:
        raise TrialAlreadyUsed("This customer was on trial of this plan before: change to it with mode PERIOD_END.")


def apply_pending_change(account: Account, boundary: datetime, at: datetime) -> None:
    """Puts the change into force that was to come with this period."""
    if account.pending_terms is None:
        return
    set_terms(account, account.pending_terms, boundary)
    clear_pending_change(account)
    account.record_change(EventType.SUBSCRIPTION_CHANGED, account.known_subscription, at)


def set_terms(account: Account, terms: Terms, since: datetime) -> None:
    """Changes what is billed from `since` on. Another interval counts its periods from there."""
    subscription, before = account.known_subscription, account.known_terms
    if terms.interval != before.interval:
        subscription.anchor_at = since
        subscription.anchor_ordinal = subscription.next_ordinal
    subscription.plan_id, subscription.quantity = terms.plan_id, terms.quantity
    subscription.terms_at = since
    account.terms = terms


def clear_pending_change(account: Account) -> None:
    subscription = account.known_subscription
    subscription.pending_plan_id = subscription.pending_quantity = subscription.pending_since = None
    account.pending_terms = None


def end_subscription(account: Account, *, ended_at: datetime, at: datetime) -> NewInvoice | None:
    """Ends the subscription, with a last invoice if lines still wait."""
    subscription = account.known_subscription
    clear_pending_change(account)
    subscription.status = SubscriptionStatus.CANCELED
    subscription.ended_at = ended_at
    subscription.next_billing_at = None
    account.record_change(EventType.SUBSCRIPTION_CANCELED, subscription, at)
    return bill_pending_lines(account, at)


def bill_pending_lines(account: Account, at: datetime) -> NewInvoice | None:
    """Puts the lines that wait on an invoice, which has no period of its own: none where no line waits."""
    if not account.pending_lines:
        return None
    lines = account.take_pending_lines()
    period = Period(
        min(line.period_start for line in lines if line.period_start is not None),
        max(line.period_end for line in lines if line.period_end is not None),
    )
    return finalize(account, InvoiceKind.PRORATION, lines, period=period, at=at)


def recurring_line(account: Account, period: Period, ordinal: int) -> Line:
    """The charge of one whole period. Raises `AmountOverflow`."""
    terms = account.known_terms
    return Line(
        id=InvoiceLineId(account.make_id()),
        customer_id=account.customer.id,
        kind=LineKind.RECURRING,
        description=terms.label,
        plan_id=terms.plan_id,
        quantity=terms.quantity,
        unit_amount_cents=terms.unit_amount_cents,
        amount_cents=multiply_cents(terms.unit_amount_cents, terms.quantity),
        period_ordinal=ordinal,
        period_start=period.start,
        period_end=period.end,
    )


def trial_line(account: Account, trial: Period) -> Line:
    """A trial costs nothing, and says so."""
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
    )
