"""Changes of plan and quantity within a period, to the second, and what a cancellation gives back.

Pure: changes an `Account`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from billing.account import Account
from billing.errors import (
    AsOfOutOfRange,
    CancellationAlreadyScheduled,
    ChangeModeNotAllowed,
    ChangeNotScheduled,
    CurrencyMismatch,
    SubscriptionPending,
    SubscriptionUnchanged,
    TooManyLines,
)
from billing.ids import ChangeId, InvoiceLineId, PlanId
from billing.invoicing import finalize, update_past_due
from billing.limits import MAX_WAITING
from billing.money import checked_cents
from billing.periods import Period
from billing.proration import credit_due, prorated
from billing.records import Line, NewInvoice, PeriodChange, Terms
from billing.renewals import add_trial, bill_period, clear_pending_change, set_terms
from billing.words import EventType, InvoiceKind, LineKind, SubscriptionStatus

UNUSED = "Unused time on "
REMAINING = "Remaining time on "


class ChangeMode(StrEnum):
    """When a change comes into force, and when what it costs is billed."""

    IMMEDIATE = "IMMEDIATE"
    NEXT_INVOICE = "NEXT_INVOICE"
    PERIOD_END = "PERIOD_END"
    NONE = "NONE"
    CHARGE_NOW_CREDIT_LATER = "CHARGE_NOW_CREDIT_LATER"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A change of plan or quantity; what is None stays. It counts from `as_of`, by default now.

    Unless it `may_credit`, its invoice must not give more back than it charges.
    """

    plan_id: PlanId | None = None
    quantity: int | None = None
    mode: ChangeMode | None = None
    as_of: datetime | None = None
    may_credit: bool = True


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that waits for the next period, which begins at `effective_at`."""

    plan_id: PlanId
    quantity: int
    requested_at: datetime
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made: its mode, since when it is in force, its invoice, and the waiting change it replaced."""

    mode: ChangeMode
    effective_at: datetime
    invoice: NewInvoice | None
    withdrawn: PendingChange | None = None


def change_terms(
    account: Account,
    plan: Terms | None,
    quantity: int | None,
    *,
    mode: ChangeMode | None = None,
    as_of: datetime | None = None,
    at: datetime,
) -> Change:
    """Changes plan or quantity from `as_of` (by default `at`), or from the next period on; what is None stays.

    `plan` are the terms of the new plan, in any quantity. What is given also changes the terms that wait for the next
    period, and what is None stays there too. If they then equal the current terms, the waiting change is withdrawn.

    Without a `mode`, a longer interval is IMMEDIATE and a shorter one waits for the PERIOD_END; of equal ones, the same
    or a higher price is IMMEDIATE. Raises `SubscriptionPending`, `SubscriptionUnchanged`, `CurrencyMismatch`,
    `AsOfOutOfRange`, `ChangeModeNotAllowed`, `CancellationAlreadyScheduled`, `TrialAlreadyUsed`, and `AmountOverflow`
    and `TooManyLines` if the result does not fit. An account is of no use after a refusal.
    """
    subscription, before, waiting = account.known_subscription, account.known_terms, account.pending_terms
    if subscription.status is SubscriptionStatus.PENDING:
        raise SubscriptionPending("This subscription is PENDING: it has not begun.")
    if plan is not None and plan.currency != before.currency:
        raise CurrencyMismatch(f"This customer is billed in {before.currency}, the plan in {plan.currency}.")
    terms = terms_after_change(before, plan, quantity)
    upcoming = None if waiting is None else terms_after_change(waiting, plan, quantity)
    if are_same_terms(terms, before) and are_same_terms(upcoming, waiting):
        raise SubscriptionUnchanged("Plan and quantity are what they are already.")
    for wanted in filter(None, (terms, upcoming)):
        checked_cents(wanted.amount_cents)
    effective_at = valid_as_of(account, as_of, at)
    mode = mode or default_mode(before, terms)

    in_trial = subscription.status is SubscriptionStatus.TRIALING
    begins_anew = terms.interval != before.interval and not in_trial
    if begins_anew and mode not in (ChangeMode.IMMEDIATE, ChangeMode.PERIOD_END):
        raise ChangeModeNotAllowed("Another interval begins a new period: only IMMEDIATE and PERIOD_END do that.")
    if subscription.cancel_at_period_end and (begins_anew or mode is ChangeMode.PERIOD_END):
        raise CancellationAlreadyScheduled(
            "This subscription is canceled at its period's end: call undoSubscriptionCancellation first."
        )
    if mode is ChangeMode.PERIOD_END:
        if waiting is not None and are_same_terms(upcoming, waiting):
            raise SubscriptionUnchanged("This very change waits for the next period already.")
        withdrawn = schedule_change(account, upcoming or terms, at)
        return Change(mode, subscription.current_period.end, None, withdrawn)
    if in_trial and terms.plan_id != before.plan_id:
        add_trial(account, terms.plan_id, effective_at)
    withdrawn = None if upcoming is None else adjust_pending_change(account, terms, upcoming, at)
    invoice: NewInvoice | None = None
    if begins_anew:
        invoice = start_new_period(account, terms, effective_at, at)
    elif not are_same_terms(terms, before):
        given_back = [] if mode is ChangeMode.NONE else credit_lines(account, effective_at)
        charges = [] if mode is ChangeMode.NONE or in_trial else charge_lines(account, terms, effective_at)
        link_lines([*given_back, *charges])
        apply_terms(account, terms, effective_at, at)
        invoice = bill_change(account, mode, given_back, charges, effective_at, at)
    update_past_due(account, at)
    return Change(mode, effective_at, invoice, withdrawn)


def terms_after_change(terms: Terms, plan: Terms | None, quantity: int | None) -> Terms:
    """The terms with another plan or quantity, if one is given."""
    return replace(plan or terms, quantity=terms.quantity if quantity is None else quantity)


def are_same_terms(one: Terms | None, other: Terms | None) -> bool:
    """True if both are the same quantity of the same plan."""
    if one is None or other is None:
        return one is other
    return (one.plan_id, one.quantity) == (other.plan_id, other.quantity)


def default_mode(before: Terms, terms: Terms) -> ChangeMode:
    old, new = before.interval.nominal_seconds, terms.interval.nominal_seconds
    at_once = new > old if new != old else terms.amount_cents >= before.amount_cents
    return ChangeMode.IMMEDIATE if at_once else ChangeMode.PERIOD_END


def valid_as_of(account: Account, as_of: datetime | None, at: datetime) -> datetime:
    """The instant that a change counts from. Raises `AsOfOutOfRange`."""
    subscription = account.known_subscription
    as_of = as_of or at
    period = subscription.current_period
    assert subscription.terms_at is not None, "the subscription has begun"
    if as_of not in period:
        raise AsOfOutOfRange(f"The current period is from {period.start:%FT%TZ} until {period.end:%FT%TZ}.")
    if as_of > at:
        raise AsOfOutOfRange(f"It is {at:%FT%TZ}: a change cannot be made ahead.")
    if as_of < subscription.terms_at:
        raise AsOfOutOfRange(f"There was a change at {subscription.terms_at:%FT%TZ}: one before it is too late.")
    return as_of


def schedule_change(account: Account, upcoming: Terms, at: datetime) -> PendingChange | None:
    """Lets `upcoming` terms wait for the next period. Returns the waiting change that is replaced or withdrawn."""
    subscription = account.known_subscription
    withdrawn = withdraw_if_superseded(account, account.known_terms, upcoming, at)
    if are_same_terms(upcoming, account.known_terms):
        return withdrawn
    require_fits_next_period(account, upcoming)
    subscription.pending_plan_id = upcoming.plan_id
    subscription.pending_quantity = upcoming.quantity
    subscription.pending_since = at
    account.pending_terms = upcoming
    account.record_change(EventType.SUBSCRIPTION_CHANGE_SCHEDULED, subscription, at)
    return withdrawn


def adjust_pending_change(account: Account, current: Terms, upcoming: Terms, at: datetime) -> PendingChange | None:
    """Makes `upcoming` the terms that wait, before `current` ones come into force.

    Returns the waiting change that is replaced or withdrawn. What is kept of a waiting change keeps its date.
    """
    subscription = account.known_subscription
    withdrawn = withdraw_if_superseded(account, current, upcoming, at)
    if are_same_terms(upcoming, current):
        return withdrawn
    subscription.pending_plan_id = upcoming.plan_id
    subscription.pending_quantity = upcoming.quantity
    subscription.pending_since = subscription.pending_since or at
    account.pending_terms = upcoming
    if withdrawn is not None:
        account.record_change(EventType.SUBSCRIPTION_CHANGE_SCHEDULED, subscription, at)
    return withdrawn


def withdraw_if_superseded(account: Account, current: Terms, upcoming: Terms, at: datetime) -> PendingChange | None:
    """Withdraws the change that waits if `upcoming` terms lose something of it, or leave nothing to change."""
    subscription, before, waiting = account.known_subscription, account.known_terms, account.pending_terms
    if waiting is None:
        return None
    lost = are_same_terms(upcoming, current) or any(
        was not in (now, old)
        for was, now, old in (
            (waiting.plan_id, upcoming.plan_id, before.plan_id),
            (waiting.quantity, upcoming.quantity, before.quantity),
        )
    )
    if not lost:
        return None
    assert subscription.pending_since is not None, "a change that waits was asked for"
    effective_at = subscription.current_period.end
    withdrawn = PendingChange(waiting.plan_id, waiting.quantity, subscription.pending_since, effective_at)
    clear_pending_change(account)
    account.record_change(EventType.SUBSCRIPTION_CHANGE_WITHDRAWN, subscription, at)
    return withdrawn


def require_fits_next_period(account: Account, terms: Terms) -> None:
    """Raises `AmountOverflow` where what waits is too large for one invoice with a period on `terms`."""
    checked_cents(sum(line.amount_cents for line in account.pending_lines) + terms.amount_cents)


def apply_terms(account: Account, terms: Terms, effective_at: datetime, at: datetime) -> None:
    """Puts the terms into force within the period, whose end stays where it is."""
    subscription = account.known_subscription
    anchor = subscription.anchor_at, subscription.anchor_ordinal
    mark_period_changed(account, at)
    set_terms(account, terms, effective_at)
    # The trial's end, from which the first period will be counted, does not move.
    subscription.anchor_at, subscription.anchor_ordinal = anchor
    account.record_change(EventType.SUBSCRIPTION_CHANGED, subscription, at)


def bill_change(
    account: Account,
    mode: ChangeMode,
    given_back: list[Line],
    charges: list[Line],
    effective_at: datetime,
    at: datetime,
) -> NewInvoice | None:
    """Bills what a change costs, as the mode says: now, or with the next invoice."""
    later: list[Line] = []
    lines: list[Line] = []
    match mode:
        case ChangeMode.NONE:
            pass
        case ChangeMode.NEXT_INVOICE:
            later = [*given_back, *charges]
        case ChangeMode.CHARGE_NOW_CREDIT_LATER:
            later, lines = given_back, charges
        case _:
            lines = [*account.take_pending_lines(), *given_back, *charges]
    defer_to_next_invoice(account, later, at)
    if not lines:
        return None
    rest_of_period = Period(effective_at, account.known_subscription.current_period.end)
    return finalize(account, InvoiceKind.PRORATION, lines, period=rest_of_period, at=at)


def defer_to_next_invoice(account: Account, lines: Sequence[Line], at: datetime) -> None:
    """Lays lines aside. Raises `TooManyLines` and `AmountOverflow` where the next invoice would not take them."""
    if lines and len(account.pending_lines) + len(lines) > MAX_WAITING:
        raise TooManyLines(f"At most {MAX_WAITING} lines may wait for the next invoice.")
    account.add_pending_lines(lines, at)
    require_fits_next_period(account, account.pending_terms or account.known_terms)


def start_new_period(account: Account, terms: Terms, effective_at: datetime, at: datetime) -> NewInvoice:
    """Cuts the current period, gives back what is left of it, and bills a whole one on the new terms from there on."""
    given_back = credit_lines(account, effective_at)
    account.add_pending_lines(given_back, at)
    mark_period_changed(account, at, ends_at=effective_at)
    set_terms(account, terms, effective_at)
    invoice = bill_period(account, effective_at, EventType.SUBSCRIPTION_CHANGED, at)
    link_lines([*given_back, invoice.lines[-1]])
    return invoice


def link_lines(lines: Sequence[Line]) -> None:
    """Makes lines those of one change, which goes by the id of the first."""
    for line in lines:
        line.change_id = ChangeId(lines[0].id)


def mark_period_changed(account: Account, at: datetime, *, ends_at: datetime | None = None) -> None:
    """Marks the current period, the last of the timeline, as changed at `at`. With `ends_at` it ends early."""
    subscription = account.known_subscription
    for planned in account.periods:
        if planned.ordinal == subscription.next_ordinal - 1:
            planned.changed_at = at
            planned.ends_at = ends_at or planned.ends_at
            return
    account.changed_periods.append(PeriodChange(subscription.next_ordinal - 1, at, ends_at))


def credit_lines(account: Account, at: datetime) -> list[Line]:
    """What is given back of the charges whose span is not over at `at`: a line for each, none over 0."""
    lines = []
    for billed in account.billed_lines:
        credit = credit_due(billed.amount_cents, billed.credited_cents, billed.span, at)
        if credit == 0:
            continue
        billed.credited_cents += credit
        lines.append(
            Line(
                id=InvoiceLineId(account.make_id()),
                customer_id=account.customer.id,
                kind=LineKind.PRORATION_CREDIT,
                description=UNUSED + billed.description.removeprefix(REMAINING),
                plan_id=billed.plan_id,
                quantity=billed.quantity,
                unit_amount_cents=billed.unit_amount_cents,
                amount_cents=-credit,
                period_ordinal=billed.period_ordinal,
                period_start=max(at, billed.span.start),
                period_end=billed.span.end,
                reverses_line_id=billed.id,
                reverses_invoice_id=billed.invoice_id,
            )
        )
    return lines


def charge_lines(account: Account, terms: Terms, at: datetime) -> list[Line]:
    """What the rest of the current period costs on the new terms: one line, or none where it is nothing."""
    subscription = account.known_subscription
    period = subscription.current_period
    charge = prorated(terms.amount_cents, period, at)
    if charge == 0:
        return []
    return [
        Line(
            id=InvoiceLineId(account.make_id()),
            customer_id=account.customer.id,
            kind=LineKind.PRORATION_CHARGE,
            description=REMAINING + terms.label,
            plan_id=terms.plan_id,
            quantity=terms.quantity,
            unit_amount_cents=terms.unit_amount_cents,
            amount_cents=charge,
            period_ordinal=subscription.next_ordinal - 1,
            period_start=at,
            period_end=period.end,
        )
    ]


def withdraw_change(account: Account, at: datetime) -> None:
    """Takes back a change that waits for the period's end. Raises `ChangeNotScheduled`."""
    if account.pending_terms is None:
        raise ChangeNotScheduled("No change of this subscription is waiting.")
    clear_pending_change(account)
    subscription = account.known_subscription
    account.record_change(EventType.SUBSCRIPTION_CHANGE_WITHDRAWN, subscription, at)
