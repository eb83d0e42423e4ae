"""Creating and canceling subscriptions. Pure: changes an `Account`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.account import Account, use_currency
from billing.anchors import NO_ANCHOR, AnchorRequest, set_anchor
from billing.crediting import credit_unused_time
from billing.discounts import Coupon
from billing.enums import EventType, Settlement, SubscriptionStatus
from billing.errors import (
    CancellationAlreadyScheduled,
    CancellationNotScheduled,
    CustomerAlreadySubscribed,
    InvalidInput,
    StartInThePast,
    SubscriptionPending,
    TrialInvalid,
)
from billing.ids import PlanId, SubscriptionId
from billing.limits import MAX_NOTICE_DAYS, MAX_START_DAYS, MAX_TRIAL_DAYS, START_GRACE
from billing.money import multiply_cents, rejecting_overflow
from billing.mrr import count
from billing.new_records import NewInvoice, NewSubscription
from billing.records import PlanState, SubscriptionState, Terms
from billing.redeeming import naming_code, redeem
from billing.renewals import end_subscription, is_due, next_anchored_boundary, schedule_next_billing, start_subscription
from billing.settling import update_past_due


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """A requested subscription. It starts at `start_at`, by default now.

    `trial_days` or `trial_end` overrides the trial of the plan. 0 days mean no trial. Without an `anchor`, periods are
    counted from the start, or from the end of the trial.
    """

    plan_id: PlanId
    quantity: int = 1
    start_at: datetime | None = None
    trial_days: int | None = None
    trial_end: datetime | None = None
    anchor: AnchorRequest = NO_ANCHOR
    coupon_codes: Sequence[str] = ()
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """A requested cancellation: at the given time `cancel_at`, else at the end of the period, else immediate.

    With a cancellation at the end of the period, `settlement` must be NONE.
    """

    at_period_end: bool = True
    settlement: Settlement = Settlement.NONE
    cancel_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """The trial of a new subscription. `asked_for` is False for the trial of the plan."""

    ends_at: datetime
    asked_for: bool


def trial_of(plan: PlanState, request: SubscriptionRequest, starts_at: datetime) -> TrialTerms | None:
    """Returns the trial of a subscription that starts at `starts_at`: the requested one, else that of the plan, if any.

    Raises `TrialInvalid`.
    """
    trial_days, trial_end = request.trial_days, request.trial_end
    if trial_days is not None and trial_end is not None:
        raise TrialInvalid("Give `trialDays` or `trialEnd`, not both.")
    if trial_days is not None and not 0 <= trial_days <= MAX_TRIAL_DAYS:
        raise TrialInvalid(f"A trial must last 0 to {MAX_TRIAL_DAYS} days.", "trial_days")
    if trial_end is not None and not starts_at < trial_end <= starts_at + timedelta(days=MAX_TRIAL_DAYS):
        raise TrialInvalid(f"A trial must end after it starts and last at most {MAX_TRIAL_DAYS} days.")
    if trial_end is not None:
        return TrialTerms(trial_end, asked_for=True)
    days = plan.trial_days if trial_days is None else trial_days
    return TrialTerms(starts_at + timedelta(days=days), asked_for=trial_days is not None) if days else None


def require_no_live_subscription(account: Account) -> None:
    """Raises `CustomerAlreadySubscribed` if the account has a live subscription."""
    if account.subscription is not None:
        raise CustomerAlreadySubscribed("This customer already has a live subscription.")


def subscribe(
    account: Account,
    terms: Terms,
    starts_at: datetime,
    at: datetime,
    *,
    trial_end: datetime | None = None,
    anchor: AnchorRequest = NO_ANCHOR,
    coupons: Sequence[Coupon] = (),
    metadata: dict[str, str] | None = None,
) -> None:
    """Adds a new subscription to the account, redeems `coupons` for it, and starts it if `starts_at` is not in the
    future.

    Raises `InvalidInput` for the anchor, `AmountTooLarge`, and the errors of `redeem`.
    """
    account.terms = terms
    subscription = add_subscription(account, starts_at, trial_end, at, metadata=metadata)
    if anchor is not NO_ANCHOR:
        set_anchor(subscription, anchor, terms.interval, trial_end or starts_at)
    use_currency(account, terms.currency, at)
    redeem_all(account, coupons, at)
    with rejecting_overflow("quantity"):
        multiply_cents(terms.unit_amount_cents, terms.quantity)
        if starts_at <= at:
            start_subscription(account, starts_at, at, created=True)
        else:
            account.record_change(EventType.SUBSCRIPTION_CREATED, subscription, at)
    count(account, at)


def redeem_all(account: Account, coupons: Sequence[Coupon], at: datetime) -> None:
    """Redeems coupons for the subscription. Raises the errors of `redeem`, whose `field` names the coupon."""
    for place, coupon in enumerate(coupons):
        with naming_code(place):
            redeem(account, coupon, at, for_subscription=True)


def add_subscription(
    account: Account,
    starts_at: datetime,
    trial_end: datetime | None,
    at: datetime,
    *,
    metadata: dict[str, str] | None = None,
) -> SubscriptionState:
    """Adds a PENDING subscription, which is not stored yet, to an account that has terms."""
    customer, terms = account.customer, account.known_terms
    account.subscription = NewSubscription(
        id=SubscriptionId(account.make_id()),
        customer_id=customer.id,
        plan_id=terms.plan_id,
        quantity=terms.quantity,
        status=SubscriptionStatus.PENDING,
        anchor_at=trial_end or starts_at,
        anchor_ordinal=1 if trial_end else 0,
        first_period=None,
        next_ordinal=0,
        billed_until=None,
        whole_seconds=None,
        started_at=None,
        current_period_start=None,
        current_period_end=None,
        next_billing_at=starts_at,
        cancel_at_period_end=False,
        cancel_at=None,
        cancel_settlement=None,
        canceled_at=None,
        ended_at=None,
        trial_start=starts_at if trial_end else None,
        trial_end=trial_end,
        terms_at=None,
        pending_plan_id=None,
        pending_quantity=None,
        pending_since=None,
        test_clock_id=customer.test_clock_id,
        mrr_cents=None,
        counted_status=None,
        version=0,
        updated_at=at,
        metadata=metadata or {},
        created_at=at,
    )
    return account.subscription


def valid_start(start_at: datetime | None, at: datetime) -> datetime:
    """Returns the start of a subscription, never before `at`. Raises `StartInThePast`, `InvalidInput`."""
    if start_at is None:
        return at
    if start_at < at - START_GRACE:
        raise StartInThePast(
            f"It is {at:%FT%TZ}: a subscription cannot start more than {START_GRACE.seconds} seconds earlier."
        )
    if start_at > at + timedelta(days=MAX_START_DAYS):
        raise InvalidInput(f"A subscription must start within {MAX_START_DAYS} days from now.", "start_at")
    return max(start_at, at)


def require_settlement_fits(request: CancellationRequest) -> None:
    """Raises `InvalidInput` for a given time with an immediate cancellation, or a credit at the period's end."""
    if request.cancel_at is not None:
        if not request.at_period_end:
            raise InvalidInput("Give either `at` or `atPeriodEnd: false`.", "at")
        return
    if request.at_period_end and request.settlement is Settlement.CREDIT:
        raise InvalidInput(
            ("A cancellation at the end of the period leaves nothing to credit: use settlement NONE."), "settlement"
        )


def decide_cancellation(account: Account, request: CancellationRequest, at: datetime) -> NewInvoice | None:
    """Cancels the subscription: immediately, at the end of the period, or at a given time.

    Returns the final invoice, if there is one. A PENDING subscription is always canceled immediately, and not at a
    given time. A subscription with periods that are due but not billed ends with its last billed period. Raises
    `CancellationAlreadyScheduled`, `SubscriptionPending`, `InvalidInput`, `AmountTooLarge`, `TooManyLines`.
    """
    subscription, at_period_end = account.known_subscription, request.at_period_end
    if at_period_end and subscription.is_set_to_cancel:
        ends_at = subscription.cancel_at or subscription.current_period.end
        raise CancellationAlreadyScheduled(
            f"This subscription is set to cancel and ends at {ends_at:%FT%TZ}: call undoSubscriptionCancellation first."
        )
    if request.cancel_at is not None:
        schedule_cancellation(account, request.cancel_at, request.settlement, at)
        return None
    subscription.canceled_at = at
    ended_at = at
    if is_due(account, at) and subscription.current_period_end is not None:
        # Unbilled periods are not owed: end with the last billed one, or when it was set to cancel.
        ended_at, at_period_end = subscription.next_billing_at or at, False
    if at_period_end and subscription.status is not SubscriptionStatus.PENDING:
        subscription.cancel_at_period_end = True
        account.record_change(EventType.SUBSCRIPTION_CANCELLATION_SCHEDULED, subscription, at)
        return None
    subscription.cancel_at_period_end = False
    subscription.cancel_at = subscription.cancel_settlement = None
    with rejecting_overflow():
        if request.settlement is Settlement.CREDIT and subscription.status is not SubscriptionStatus.PENDING:
            credit_unused_time(account, ended_at, at)
        return end_subscription(account, ended_at=ended_at, at=at)


def schedule_cancellation(account: Account, cancel_at: datetime, settlement: Settlement, at: datetime) -> None:
    """Sets a subscription that has started to cancel at a given time in the future."""
    subscription = account.known_subscription
    if subscription.status is SubscriptionStatus.PENDING:
        raise SubscriptionPending("This subscription is PENDING: cancel it without `at`.")
    if not at < cancel_at <= at + timedelta(days=MAX_NOTICE_DAYS):
        raise InvalidInput(
            f"It is {at:%FT%TZ}: a subscription must be canceled later than now, within {MAX_NOTICE_DAYS} days.", "at"
        )
    subscription.cancel_at, subscription.cancel_settlement, subscription.canceled_at = cancel_at, settlement, at
    schedule_next_billing(subscription)
    account.record_change(EventType.SUBSCRIPTION_CANCELLATION_SCHEDULED, subscription, at)


def undo_cancellation(account: Account, at: datetime) -> None:
    """Undoes a scheduled cancellation. Raises `CancellationNotScheduled`.

    If the current period was billed only until the cancellation, the next one starts there, and that becomes the
    billing anchor unless one was set.
    """
    subscription = account.known_subscription
    if not subscription.is_set_to_cancel:
        raise CancellationNotScheduled("This subscription has no scheduled cancellation.")
    subscription.cancel_at_period_end = False
    subscription.cancel_at = subscription.cancel_settlement = subscription.canceled_at = None
    if subscription.current_period_end is not None:
        if subscription.first_period is None and subscription.current_period_end != next_anchored_boundary(account):
            subscription.anchor_at = subscription.current_period_end
            subscription.anchor_ordinal = subscription.next_ordinal
        schedule_next_billing(subscription)
    account.record_change(EventType.SUBSCRIPTION_CANCELLATION_UNDONE, subscription, at)
    update_past_due(account, at)
