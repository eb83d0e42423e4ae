"""New subscriptions and cancellations. Pure: changes an `Account`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.account import Account, use_currency
from billing.changes import credit_lines, link_lines
from billing.errors import (
    CancellationAlreadyScheduled,
    CancellationNotScheduled,
    CurrencyMismatch,
    CustomerAlreadySubscribed,
    InvalidInput,
    StartInThePast,
    TrialInvalid,
)
from billing.ids import PlanId, SubscriptionId
from billing.invoicing import update_past_due
from billing.limits import MAX_START_DAYS, MAX_TRIAL_DAYS, START_GRACE
from billing.money import multiply_cents, refusing_overflow
from billing.records import NewInvoice, NewSubscription, PlanState, SubscriptionState, Terms
from billing.renewals import end_subscription, is_due, start_subscription
from billing.words import EventType, SubscriptionStatus


class Settlement(StrEnum):
    """What becomes of the unused rest of what was billed when a subscription is canceled at once."""

    NONE = "NONE"
    CREDIT = "CREDIT"


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """A subscription that a customer asks for: `quantity` units of a plan, at once or from `start_at` on.

    `trial_days`, or the instant `trial_end`, take the place of the plan's own trial; 0 days are none.
    """

    plan_id: PlanId
    quantity: int = 1
    start_at: datetime | None = None
    trial_days: int | None = None
    trial_end: datetime | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """A cancellation at the end of the current period, or at once: then `settlement` applies."""

    at_period_end: bool = True
    settlement: Settlement = Settlement.NONE


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """A trial that a new subscription is to begin with. `asked_for` is False for the plan's own."""

    ends_at: datetime
    asked_for: bool


def trial_of(plan: PlanState, request: SubscriptionRequest, starts_at: datetime) -> TrialTerms | None:
    """The trial of a subscription that begins at `starts_at`: what is asked for, else the plan's own.

    Raises `TrialInvalid`.
    """
    trial_days, trial_end = request.trial_days, request.trial_end
    if trial_days is not None and trial_end is not None:
        raise TrialInvalid("Give the days of the trial or its end, not both.")
    if trial_days is not None and not 0 <= trial_days <= MAX_TRIAL_DAYS:
        raise TrialInvalid(f"A trial must have 0 to {MAX_TRIAL_DAYS} days.", "trial_days")
    if trial_end is not None and not starts_at < trial_end <= starts_at + timedelta(days=MAX_TRIAL_DAYS):
        raise TrialInvalid(f"A trial must end after it begins, within {MAX_TRIAL_DAYS} days.")
    if trial_end is not None:
        return TrialTerms(trial_end, asked_for=True)
    days = plan.trial_days if trial_days is None else trial_days
    return TrialTerms(starts_at + timedelta(days=days), asked_for=trial_days is not None) if days else None


def require_no_live_subscription(account: Account, currency: str) -> None:
    """Raises `CurrencyMismatch`, `CustomerAlreadySubscribed`."""
    if account.customer.currency not in (None, currency):
        raise CurrencyMismatch(f"This customer is billed in {account.customer.currency}, the plan in {currency}.")
    if account.subscription is not None:
        raise CustomerAlreadySubscribed("This customer already has a live subscription.")


def subscribe(
    account: Account,
    terms: Terms,
    starts_at: datetime,
    at: datetime,
    *,
    trial_end: datetime | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Gives the account a new subscription, which begins if its time has come. Raises `AmountTooLarge`."""
    account.terms = terms
    subscription = add_subscription(account, starts_at, trial_end, at, metadata=metadata)
    use_currency(account, terms.currency, at)
    with refusing_overflow("quantity"):
        multiply_cents(terms.unit_amount_cents, terms.quantity)
        if starts_at <= at:
            start_subscription(account, starts_at, at, created=True)
        else:
            account.record_change(EventType.SUBSCRIPTION_CREATED, subscription, at)


def add_subscription(
    account: Account,
    starts_at: datetime,
    trial_end: datetime | None,
    at: datetime,
    *,
    metadata: dict[str, str] | None = None,
) -> SubscriptionState:
    """Gives an account that has terms a subscription, of which nothing is stored and nothing has happened yet."""
    customer, terms = account.customer, account.known_terms
    account.subscription = NewSubscription(
        id=SubscriptionId(account.make_id()),
        customer_id=customer.id,
        plan_id=terms.plan_id,
        quantity=terms.quantity,
        status=SubscriptionStatus.PENDING,
        anchor_at=trial_end or starts_at,
        anchor_ordinal=1 if trial_end else 0,
        next_ordinal=0,
        started_at=None,
        current_period_start=None,
        current_period_end=None,
        next_billing_at=starts_at,
        cancel_at_period_end=False,
        canceled_at=None,
        ended_at=None,
        trial_start=starts_at if trial_end else None,
        trial_end=trial_end,
        terms_at=None,
        pending_plan_id=None,
        pending_quantity=None,
        pending_since=None,
        test_clock_id=customer.test_clock_id,
        version=0,
        updated_at=at,
        metadata=metadata or {},
        created_at=at,
    )
    return account.subscription


def valid_start(start_at: datetime | None, at: datetime) -> datetime:
    if start_at is None:
        return at
    if start_at < at - START_GRACE:
        raise StartInThePast(f"It is {at:%FT%TZ}: a subscription cannot begin before.")
    if start_at > at + timedelta(days=MAX_START_DAYS):
        raise InvalidInput(f"A subscription must begin within {MAX_START_DAYS} days.", "start_at")
    return max(start_at, at)


def require_settlement_now(request: CancellationRequest) -> None:
    """Raises `InvalidInput` for a credit at the end of a period."""
    if request.at_period_end and request.settlement is Settlement.CREDIT:
        raise InvalidInput("At the end of a period nothing is left to give back.", "settlement")


def decide_cancellation(account: Account, request: CancellationRequest, at: datetime) -> NewInvoice | None:
    """Decides of a cancellation, and changes nothing but the account."""
    subscription, at_period_end = account.known_subscription, request.at_period_end
    if at_period_end and subscription.cancel_at_period_end:
        raise CancellationAlreadyScheduled("This subscription is canceled at its period's end already.")
    subscription.canceled_at = at
    ended_at = at
    if is_due(account, at) and subscription.current_period_end is not None:
        # What cannot be billed is not owed: it ends with what was.
        ended_at, at_period_end = subscription.current_period_end, False
    if at_period_end and subscription.status is not SubscriptionStatus.PENDING:
        subscription.cancel_at_period_end = True
        account.record_change(EventType.SUBSCRIPTION_CANCELLATION_SCHEDULED, subscription, at)
        return None
    subscription.cancel_at_period_end = False
    with refusing_overflow():
        if request.settlement is Settlement.CREDIT and subscription.status is not SubscriptionStatus.PENDING:
            given_back = credit_lines(account, at)
            link_lines(given_back)
            account.add_pending_lines(given_back, at)
        return end_subscription(account, ended_at=ended_at, at=at)


def undo_cancellation(account: Account, at: datetime) -> None:
    """Takes back a cancellation that waits for the period's end. Raises `CancellationNotScheduled`."""
    subscription = account.known_subscription
    if not subscription.cancel_at_period_end:
        raise CancellationNotScheduled("This subscription is not going to be canceled.")
    subscription.cancel_at_period_end = False
    subscription.canceled_at = None
    account.record_change(EventType.SUBSCRIPTION_CANCELLATION_UNDONE, subscription, at)
    update_past_due(account, at)
