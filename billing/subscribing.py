"""New subscriptions and cancellations. Pure: changes an `Account`."""

from datetime import datetime, timedelta
from enum import StrEnum

from billing.account import Account
from billing.changes import credit_lines
from billing.errors import CancellationAlreadyScheduled, InvalidInput, StartInThePast
from billing.ids import SubscriptionId
from billing.money import amounts_that_fit
from billing.records import NewSubscription, PlannedInvoice, SubscriptionState
from billing.renewals import end, is_due
from billing.words import EventType, SubscriptionStatus

MAX_START_DAYS = 3660


class Settlement(StrEnum):
    """What becomes of the unused rest of what was billed when a subscription is canceled at once."""

    NONE = "NONE"
    CREDIT = "CREDIT"


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
    if start_at < at:
        raise StartInThePast(f"It is {at:%FT%TZ}: a subscription cannot begin before.")
    if start_at > at + timedelta(days=MAX_START_DAYS):
        raise InvalidInput(f"A subscription must begin within {MAX_START_DAYS} days.", "start_at")
    return start_at


def plan_cancellation(
    account: Account, *, at_period_end: bool, settlement: Settlement, at: datetime
) -> PlannedInvoice | None:
    """Decides of a cancellation, and changes nothing but the account."""
    subscription = account.known_subscription
    if at_period_end and subscription.cancel_at_period_end:
        raise CancellationAlreadyScheduled("This subscription is canceled at its period's end already.")
    subscription.canceled_at = at
    ended_at = at
    if is_due(account, at) and subscription.current_period_end is not None:
        # What cannot be billed is not owed: it ends with what was.
        ended_at, at_period_end = subscription.current_period_end, False
    if at_period_end and subscription.status is not SubscriptionStatus.PENDING:
        subscription.cancel_at_period_end = True
        account.note(EventType.SUBSCRIPTION_CANCELLATION_SCHEDULED, subscription, at, ["cancel_at_period_end"])
        return None
    subscription.cancel_at_period_end = False
    with amounts_that_fit():
        if settlement is Settlement.CREDIT and subscription.status is not SubscriptionStatus.PENDING:
            account.wait(credit_lines(account, at), at)
        return end(account, ended_at=ended_at, at=at)
