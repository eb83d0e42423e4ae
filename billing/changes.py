"""Changes of plan and quantity within a period, to the second, and what a cancellation gives back.

Pure: changes an `Account`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.account import Account
from billing.errors import (
    AsOfOutOfRange,
    ChangeModeNotAllowed,
    ChangeNotScheduled,
    CurrencyMismatch,
    SubscriptionPending,
    SubscriptionUnchanged,
    TooManyLines,
)
from billing.ids import InvoiceLineId, PlanId
from billing.invoicing import finalize, judge
from billing.limits import MAX_WAITING
from billing.money import checked
from billing.periods import Period, nth_period
from billing.proration import credit_due, prorated
from billing.records import PlannedInvoice, PlannedLine, Terms
from billing.renewals import bill_period, drop_pending_change, set_terms
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
    """A change of plan or quantity; what is None stays. It counts from `as_of`, by default now."""

    plan_id: PlanId | None = None
    quantity: int | None = None
    mode: ChangeMode | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a change came to: in which mode it was made, since when it is in force, and the invoice, if any."""

    mode: ChangeMode
    effective_at: datetime
    invoice: PlannedInvoice | None


def change_terms(
    account: Account, terms: Terms, *, mode: ChangeMode | None = None, as_of: datetime | None = None, at: datetime
) -> Change:
    """Changes what is billed to `terms`, from `as_of` (by default `at`) or from the next period on.

    Without a `mode`, an upgrade is IMMEDIATE and a downgrade waits for the PERIOD_END. A change takes the place of one
    that waits. Raises `SubscriptionPending`, `SubscriptionUnchanged`, `CurrencyMismatch`, `AsOfOutOfRange`,
    `ChangeModeNotAllowed`, and `AmountOverflow` and `TooManyLines` where what it costs does not fit; an account that
    was refused a change is of no use any more.
    """
    subscription, before = account.known_subscription, account.known_terms
    if subscription.status is SubscriptionStatus.PENDING:
        raise SubscriptionPending("This subscription is PENDING: it has not begun.")
    if terms.currency != before.currency:
        raise CurrencyMismatch(f"This customer is billed in {before.currency}, the plan in {terms.currency}.")
    if (terms.plan_id, terms.quantity) == (before.plan_id, before.quantity):
        raise SubscriptionUnchanged("Plan and quantity are what they are already.")
    checked(terms.amount_cents)
    effective_at = valid_as_of(account, as_of, at)
    mode = mode or (ChangeMode.IMMEDIATE if is_upgrade(account, terms, effective_at) else ChangeMode.PERIOD_END)

    in_trial = subscription.status is SubscriptionStatus.TRIALING
    begins_anew = terms.interval != before.interval and not in_trial
    if begins_anew and mode not in (ChangeMode.IMMEDIATE, ChangeMode.PERIOD_END):
        raise ChangeModeNotAllowed("Another interval begins a new period: only IMMEDIATE and PERIOD_END do that.")
    if mode is ChangeMode.PERIOD_END:
        return Change(mode, schedule(account, terms, at), None)
    drop_pending_change(account)
    if begins_anew:
        invoice: PlannedInvoice | None = begin_new_period(account, terms, effective_at, at)
    else:
        given_back = [] if mode is ChangeMode.NONE else credit_lines(account, effective_at)
        charges = [] if mode is ChangeMode.NONE or in_trial else charge_lines(account, terms, effective_at)
        note_change(account, terms, effective_at, at)
        invoice = post(account, mode, given_back, charges, effective_at, at)
    judge(account, at)
    return Change(mode, effective_at, invoice)


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


def is_upgrade(account: Account, terms: Terms, at: datetime) -> bool:
    """Whether the new terms cost as much or more for each second of a period."""
    before = account.known_terms
    old_seconds = nth_period(at, before.interval, 0).seconds
    new_seconds = nth_period(at, terms.interval, 0).seconds
    return terms.amount_cents * old_seconds >= before.amount_cents * new_seconds


def schedule(account: Account, terms: Terms, at: datetime) -> datetime:
    """Lets a change wait for the next period. Returns when that begins."""
    fits_with_next_period(account, terms)
    subscription = account.known_subscription
    subscription.pending_plan_id = terms.plan_id
    subscription.pending_quantity = terms.quantity
    subscription.pending_since = at
    account.pending_terms = terms
    account.note(EventType.SUBSCRIPTION_CHANGE_SCHEDULED, subscription, at, ["pending_plan_id", "pending_quantity"])
    return subscription.current_period.end


def fits_with_next_period(account: Account, terms: Terms) -> None:
    """Raises `AmountOverflow` where what waits is too large for one invoice with a period on `terms`."""
    checked(sum(line.amount_cents for line in account.waiting) + terms.amount_cents)


def note_change(account: Account, terms: Terms, effective_at: datetime, at: datetime) -> None:
    """Puts the terms into force within the period, whose end stays where it is."""
    subscription = account.known_subscription
    anchor = subscription.anchor_at, subscription.anchor_ordinal
    changes = set_terms(account, terms, effective_at)
    # The trial's end, from which the first period will be counted, does not move.
    subscription.anchor_at, subscription.anchor_ordinal = anchor
    account.note(EventType.SUBSCRIPTION_CHANGED, subscription, at, changes)


def post(
    account: Account,
    mode: ChangeMode,
    given_back: list[PlannedLine],
    charges: list[PlannedLine],
    effective_at: datetime,
    at: datetime,
) -> PlannedInvoice | None:
    """Bills what a change costs, as the mode says: now, or with the next invoice."""
    later: list[PlannedLine] = []
    lines: list[PlannedLine] = []
    match mode:
        case ChangeMode.NONE:
            pass
        case ChangeMode.NEXT_INVOICE:
            later = [*given_back, *charges]
        case ChangeMode.CHARGE_NOW_CREDIT_LATER:
            later, lines = given_back, charges
        case _:
            lines = [*account.take_waiting(), *given_back, *charges]
    if later and len(account.waiting) + len(later) > MAX_WAITING:
        raise TooManyLines(f"At most {MAX_WAITING} lines may wait for the next invoice.")
    account.wait(later, at)
    fits_with_next_period(account, account.known_terms)
    if not lines:
        return None
    rest_of_period = Period(effective_at, account.known_subscription.current_period.end)
    return finalize(account, InvoiceKind.PRORATION, lines, period=rest_of_period, at=at)


def begin_new_period(account: Account, terms: Terms, effective_at: datetime, at: datetime) -> PlannedInvoice:
    """Cuts the current period, gives back what is left of it, and bills a whole one on the new terms from there on."""
    account.wait(credit_lines(account, effective_at), at)
    cut_period(account, effective_at)
    changes = set_terms(account, terms, effective_at)
    account.note(EventType.SUBSCRIPTION_CHANGED, account.known_subscription, at, changes)
    return bill_period(account, effective_at, at)


def cut_period(account: Account, ends_at: datetime) -> None:
    """Lets the current period, the last of the timeline, end early."""
    subscription = account.known_subscription
    for planned in account.periods:
        if planned.ordinal == subscription.next_ordinal - 1:
            planned.ends_at = ends_at
            return
    account.cut_periods.append((subscription.next_ordinal - 1, ends_at))


def credit_lines(account: Account, at: datetime) -> list[PlannedLine]:
    """What is given back of the charges whose span is not over at `at`: a line for each, none over 0."""
    lines = []
    for billed in account.billed_lines:
        credit = credit_due(billed.amount_cents, billed.credited_cents, billed.span, at)
        if credit == 0:
            continue
        billed.credited_cents += credit
        lines.append(
            PlannedLine(
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


def charge_lines(account: Account, terms: Terms, at: datetime) -> list[PlannedLine]:
    """What the rest of the current period costs on the new terms: one line, or none where it is nothing."""
    subscription = account.known_subscription
    period = subscription.current_period
    charge = prorated(terms.amount_cents, period, at)
    if charge == 0:
        return []
    return [
        PlannedLine(
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
    drop_pending_change(account)
    subscription = account.known_subscription
    account.note(EventType.SUBSCRIPTION_CHANGE_WITHDRAWN, subscription, at, ["pending_plan_id", "pending_quantity"])
