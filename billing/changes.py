"""Changes of plan and quantity, prorated to the second, and the credits for unused time.

Pure: changes an `Account`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from billing.account import Account, require_currency
from billing.crediting import REMAINING, credit_lines, link_lines
from billing.enums import EventType, InvoiceKind, LineKind, SubscriptionStatus
from billing.errors import (
    AsOfOutOfRange,
    CancellationAlreadyScheduled,
    ChangeModeNotAllowed,
    ChangeNotScheduled,
    SubscriptionPending,
    SubscriptionUnchanged,
    TooManyLines,
)
from billing.ids import InvoiceLineId, PlanId
from billing.invoicing import bill
from billing.limits import MAX_PENDING_LINES
from billing.money import checked_cents
from billing.mrr import count
from billing.new_records import Line, NewInvoice, PeriodChange
from billing.periods import Period
from billing.proration import share
from billing.records import Terms
from billing.renewals import add_trial, bill_period, change_period, clear_pending_change, set_terms
from billing.settling import update_past_due


class ChangeMode(StrEnum):
    """Policy for when a change takes effect and when it is billed."""

    IMMEDIATE = "IMMEDIATE"
    NEXT_INVOICE = "NEXT_INVOICE"
    PERIOD_END = "PERIOD_END"
    NONE = "NONE"
    CHARGE_NOW_CREDIT_LATER = "CHARGE_NOW_CREDIT_LATER"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A requested change of plan or quantity. None keeps the current value. `as_of` defaults to now.

    If `may_credit` is False, a change whose invoice has a negative total is rejected.
    """

    plan_id: PlanId | None = None
    quantity: int | None = None
    mode: ChangeMode | None = None
    as_of: datetime | None = None
    may_credit: bool = True


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that takes effect with the next period, at `effective_at`."""

    plan_id: PlanId
    quantity: int
    requested_at: datetime
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made.

    `withdrawn` is the pending change that it replaced or withdrew, if any.
    """

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
    """Changes plan or quantity from `as_of` (by default `at`) or from the next period on. None keeps the current value.

    `plan` contains the terms of the new plan; its quantity is ignored. A plan or quantity that is given also replaces
    the one of the pending change, if there is one. If the pending terms then equal the current terms, the pending
    change is withdrawn.

    Without a `mode`, a change to a longer interval is IMMEDIATE and one to a shorter interval is PERIOD_END. With equal
    intervals, the same or a higher price is IMMEDIATE and a lower one is PERIOD_END.

    Raises `SubscriptionPending`, `SubscriptionUnchanged`, `CurrencyMismatch`, `AsOfOutOfRange`, `ChangeModeNotAllowed`,
    `CancellationAlreadyScheduled` and `TrialAlreadyUsed`, and `AmountOverflow` or `TooManyLines` if the result exceeds
    a limit. The account must be discarded after an error.
    """
    subscription, before, waiting = account.known_subscription, account.known_terms, account.pending_terms
    if subscription.status is SubscriptionStatus.PENDING:
        raise SubscriptionPending("This subscription is PENDING: it has not started.")
    if plan is not None:
        require_currency(account, plan.currency)
    terms = terms_after_change(before, plan, quantity)
    upcoming = None if waiting is None else terms_after_change(waiting, plan, quantity)
    if are_same_terms(terms, before) and are_same_terms(upcoming, waiting):
        raise SubscriptionUnchanged("This subscription already has this plan and quantity.")
    for wanted in filter(None, (terms, upcoming)):
        checked_cents(wanted.amount_cents)
    effective_at = valid_as_of(account, as_of, at)
    mode = mode or default_mode(before, terms)

    in_trial = subscription.status is SubscriptionStatus.TRIALING
    starts_new_period = terms.interval != before.interval and not in_trial
    if starts_new_period and mode not in (ChangeMode.IMMEDIATE, ChangeMode.PERIOD_END):
        raise ChangeModeNotAllowed(
            "A plan with a different interval starts a new period: use mode IMMEDIATE or PERIOD_END."
        )
    if subscription.is_set_to_cancel and (starts_new_period or mode is ChangeMode.PERIOD_END):
        raise CancellationAlreadyScheduled(
            "This subscription is set to cancel: call undoSubscriptionCancellation first."
        )
    if mode is ChangeMode.PERIOD_END:
        if waiting is not None and are_same_terms(upcoming, waiting):
            raise SubscriptionUnchanged("This change is already scheduled for the next period.")
        withdrawn = schedule_change(account, upcoming or terms, at)
        return Change(mode, subscription.current_period.end, None, withdrawn)
    if in_trial and terms.plan_id != before.plan_id:
        add_trial(account, terms.plan_id, effective_at)
    withdrawn = None if upcoming is None else adjust_pending_change(account, terms, upcoming, at)
    invoice: NewInvoice | None = None
    if starts_new_period:
        invoice = start_new_period(account, terms, effective_at, at)
    elif not are_same_terms(terms, before):
        credits_ = [] if mode is ChangeMode.NONE else credit_lines(account, effective_at)
        charges = [] if mode is ChangeMode.NONE or in_trial else charge_lines(account, terms, effective_at)
        link_lines([*credits_, *charges])
        apply_terms(account, terms, effective_at, at)
        invoice = bill_change(account, mode, credits_, charges, effective_at, at)
    update_past_due(account, at)
    # Now, because a new period that started in the past may already be over.
    count(account, at)
    return Change(mode, effective_at, invoice, withdrawn)


def terms_after_change(terms: Terms, plan: Terms | None, quantity: int | None) -> Terms:
    """Returns the terms with `plan` and `quantity` replaced where they are not None."""
    return replace(plan or terms, quantity=terms.quantity if quantity is None else quantity)


def are_same_terms(one: Terms | None, other: Terms | None) -> bool:
    """Returns True if both are None, or the same quantity of the same plan."""
    if one is None or other is None:
        return one is other
    return (one.plan_id, one.quantity) == (other.plan_id, other.quantity)


def default_mode(before: Terms, terms: Terms) -> ChangeMode:
    old, new = before.interval.nominal_seconds, terms.interval.nominal_seconds
    at_once = new > old if new != old else terms.amount_cents >= before.amount_cents
    return ChangeMode.IMMEDIATE if at_once else ChangeMode.PERIOD_END


def valid_as_of(account: Account, as_of: datetime | None, at: datetime) -> datetime:
    """Returns the effective time of a change. Raises `AsOfOutOfRange`."""
    subscription = account.known_subscription
    as_of = as_of or at
    period = subscription.current_period
    assert subscription.terms_at is not None, "the subscription has started"
    if as_of not in period:
        raise AsOfOutOfRange(
            f"`asOf` must be in the current period, which runs from {period.start:%FT%TZ} until {period.end:%FT%TZ}."
        )
    if as_of > at:
        raise AsOfOutOfRange(f"`asOf` must not be in the future: it is {at:%FT%TZ}.")
    if as_of < subscription.terms_at:
        raise AsOfOutOfRange(f"`asOf` must not be before the latest change, at {subscription.terms_at:%FT%TZ}.")
    return as_of


def schedule_change(account: Account, upcoming: Terms, at: datetime) -> PendingChange | None:
    """Schedules the terms `upcoming` for the next period.

    Returns the pending change that this replaces or withdraws, if any.
    """
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
    """Makes `upcoming` the pending terms, before the terms `current` take effect.

    Returns the pending change that this replaces or withdraws, if any. A pending change that is only adjusted keeps its
    `pending_since`.
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
    """Withdraws the pending change if `upcoming` drops a part of it or equals the terms `current`.

    Returns the withdrawn change, or None.
    """
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
    assert subscription.pending_since is not None, "a pending change has a request time"
    effective_at = subscription.current_period.end
    withdrawn = PendingChange(waiting.plan_id, waiting.quantity, subscription.pending_since, effective_at)
    clear_pending_change(account)
    account.record_change(EventType.SUBSCRIPTION_CHANGE_WITHDRAWN, subscription, at)
    return withdrawn


def require_fits_next_period(account: Account, terms: Terms) -> None:
    """Raises `AmountOverflow` if the pending lines and a period on `terms` are too much for one invoice."""
    checked_cents(sum(line.amount_cents for line in account.pending_lines) + terms.amount_cents)


def apply_terms(account: Account, terms: Terms, effective_at: datetime, at: datetime) -> None:
    """Applies the terms within the current period, whose end does not change."""
    subscription = account.known_subscription
    mark_period_changed(account, at)
    # The interval can change only in a trial: the first billing period starts at its end.
    set_terms(account, terms, effective_at, counted_from=subscription.current_period.end)
    account.record_change(EventType.SUBSCRIPTION_CHANGED, subscription, at)


def bill_change(
    account: Account,
    mode: ChangeMode,
    credits_: list[Line],
    charges: list[Line],
    effective_at: datetime,
    at: datetime,
) -> NewInvoice | None:
    """Bills a change now or with the next invoice, depending on `mode`. Returns the invoice, if one is created now."""
    later: list[Line] = []
    lines: list[Line] = []
    match mode:
        case ChangeMode.NONE:
            pass
        case ChangeMode.NEXT_INVOICE:
            later = [*credits_, *charges]
        case ChangeMode.CHARGE_NOW_CREDIT_LATER:
            later, lines = credits_, charges
        case _:
            lines = [*account.take_pending_lines(), *credits_, *charges]
    defer_to_next_invoice(account, later, at)
    if not lines:
        return None
    rest_of_period = Period(effective_at, account.known_subscription.current_period.end)
    return bill(account, InvoiceKind.PRORATION, lines, period=rest_of_period, at=at)


def defer_to_next_invoice(account: Account, lines: Sequence[Line], at: datetime) -> None:
    """Makes lines pending. Raises `TooManyLines` or `AmountOverflow` if they do not fit on the next invoice."""
    if lines and len(account.pending_lines) + len(lines) > MAX_PENDING_LINES:
        raise TooManyLines(f"A subscription may have at most {MAX_PENDING_LINES} pending lines.")
    account.add_pending_lines(lines, at)
    require_fits_next_period(account, account.pending_terms or account.known_terms)


def start_new_period(account: Account, terms: Terms, effective_at: datetime, at: datetime) -> NewInvoice:
    """Ends the current period at `effective_at`, credits its unused part, and bills a whole period on the new terms."""
    credits_ = credit_lines(account, effective_at)
    account.add_pending_lines(credits_, at)
    mark_period_changed(account, at, ends_at=effective_at)
    # An anchor that was set for the next period does not count: this one starts now.
    account.known_subscription.first_period = None
    set_terms(account, terms, effective_at)
    invoice = bill_period(account, effective_at, EventType.SUBSCRIPTION_CHANGED, at)
    link_lines([*credits_, invoice.lines[-1]])
    return invoice


def mark_period_changed(account: Account, at: datetime, *, ends_at: datetime | None = None) -> None:
    """Marks the current period as changed at `at`. If `ends_at` is given, the period ends there."""
    subscription = account.known_subscription
    billed_until = subscription.billed_until
    if billed_until is not None and ends_at is not None:
        billed_until = min(billed_until, ends_at)
    change_period(account, PeriodChange(subscription.next_ordinal - 1, at, ends_at, billed_until))


def charge_lines(account: Account, terms: Terms, at: datetime) -> list[Line]:
    """Returns the charge for the remaining part of the current period on the new terms.

    One line, or none if the charge is 0 cents.
    """
    subscription = account.known_subscription
    billed = subscription.billed_part
    whole = subscription.whole_seconds or billed.seconds
    charge = share(terms.amount_cents, billed.seconds_left(at), whole) if whole else 0
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
            period_end=billed.end,
            period_seconds=billed.seconds,
            tax=terms.tax,
        )
    ]


def withdraw_change(account: Account, at: datetime) -> None:
    """Withdraws the pending change. Raises `ChangeNotScheduled` if there is none."""
    if account.pending_terms is None:
        raise ChangeNotScheduled("This subscription has no pending change.")
    clear_pending_change(account)
    subscription = account.known_subscription
    account.record_change(EventType.SUBSCRIPTION_CHANGE_WITHDRAWN, subscription, at)
