"""Moving the start of a subscription, and the end of a trial or of the current period. Pure: changes an `Account`.

Only the end of the latest period moves, so the periods stay a chain. Lines that were issued keep their time ranges:
free time is never credited.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.account import Account
from billing.enums import EventType, SubscriptionStatus
from billing.errors import (
    CancellationAlreadyScheduled,
    InvalidInput,
    SubscriptionNotTrialing,
    SubscriptionPending,
    SubscriptionStarted,
    SubscriptionTrialing,
    TrialInvalid,
)
from billing.limits import MAX_EXTENSION_DAYS, MAX_START_DAYS, MAX_TRIAL_DAYS
from billing.money import rejecting_overflow
from billing.new_records import NewInvoice, PeriodChange
from billing.renewals import change_period, cross_boundary, is_due, schedule_next_billing
from billing.settling import update_past_due
from billing.subscribing import valid_start


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """A requested end of a trial: `trial_end`, or now if `end_now` is True. Exactly one of both must be given."""

    trial_end: datetime | None = None
    end_now: bool = False


def move_start(account: Account, start_at: datetime, at: datetime) -> None:
    """Moves the start of a PENDING subscription. Its trial moves with it, and the billing anchor unless one was set.

    Call `start_if_due` afterwards. Raises `SubscriptionStarted`, `StartInThePast`, `InvalidInput`.
    """
    subscription = account.known_subscription
    if subscription.status is not SubscriptionStatus.PENDING:
        raise SubscriptionStarted(f"This subscription is {subscription.status}: its start can no longer be moved.")
    starts_at = valid_start(start_at, at)
    subscription.next_billing_at = starts_at
    if subscription.trial_start is not None and subscription.trial_end is not None:
        length = subscription.trial_end - subscription.trial_start
        subscription.trial_start, subscription.trial_end = starts_at, starts_at + length
    if subscription.first_period is None:
        subscription.anchor_at = subscription.trial_end or starts_at


def start_if_due(account: Account, at: datetime) -> NewInvoice | None:
    """Starts a PENDING subscription whose start has come. Returns its first invoice, or None if it does not start.

    Raises `AmountTooLarge`, `TooManyLines`.
    """
    subscription = account.known_subscription
    if subscription.status is not SubscriptionStatus.PENDING or not is_due(account, at):
        return None
    with rejecting_overflow():
        cross_boundary(account, at)
    update_past_due(account, at)
    return account.invoices[-1]


def update_trial(account: Account, request: TrialRequest, at: datetime) -> NewInvoice | None:
    """Moves the end of the trial. If it ends now, bills the first billing period and returns its invoice.

    The billing anchor moves with it, unless one was set for the first period. Raises `InvalidInput`,
    `SubscriptionNotTrialing`, `TrialInvalid`, `CancellationAlreadyScheduled`, `AmountTooLarge`, `TooManyLines`.
    """
    subscription, trial_end = account.known_subscription, request.trial_end
    if (trial_end is not None) == request.end_now:
        raise InvalidInput("Give either `trialEnd` or `endNow: true`.", "trial_end")
    if subscription.status is SubscriptionStatus.PENDING:
        raise SubscriptionNotTrialing(
            "This subscription is PENDING, not TRIALING: move its start with updateSubscription(startAt:)."
        )
    if subscription.status is not SubscriptionStatus.TRIALING:
        raise SubscriptionNotTrialing(f"This subscription is {subscription.status}, not TRIALING.")
    trial_start = subscription.trial_start
    assert trial_start is not None, "a subscription in its trial has a trial"
    if trial_end is None:
        return end_trial(account, at)
    if trial_end <= at:
        raise TrialInvalid(f"A trial must end in the future, after {at:%FT%TZ}: use `endNow` to end it now.")
    if trial_end > trial_start + timedelta(days=MAX_TRIAL_DAYS):
        raise TrialInvalid(f"A trial must last at most {MAX_TRIAL_DAYS} days. This one started {trial_start:%FT%TZ}.")
    require_before_cancellation(account, trial_end, "trial_end")
    if trial_end != subscription.trial_end:
        move_trial_end(account, trial_end)
        account.record_change(EventType.SUBSCRIPTION_TRIAL_UPDATED, subscription, at)
    return None


def end_trial(account: Account, at: datetime) -> NewInvoice:
    """Ends the trial at `at`, and bills the first billing period as at the end of any trial."""
    subscription = account.known_subscription
    if subscription.is_set_to_cancel:
        raise CancellationAlreadyScheduled(
            "This subscription is set to cancel: call undoSubscriptionCancellation first, or cancel it now."
        )
    if subscription.trial_start == at:
        on_test_clock = account.customer.test_clock_id is not None
        way_out = "advance the test clock first" if on_test_clock else "try again a second later"
        raise TrialInvalid(f"A trial must last at least one second, and this one started now: {way_out}.", "end_now")
    move_trial_end(account, at)
    with rejecting_overflow():
        cross_boundary(account, at)
    update_past_due(account, at)
    return account.invoices[-1]


def move_trial_end(account: Account, trial_end: datetime) -> None:
    subscription = account.known_subscription
    subscription.trial_end = trial_end
    if subscription.first_period is None:
        subscription.anchor_at = trial_end
    move_period_end(account, PeriodChange(subscription.next_ordinal - 1, ends_at=trial_end))


def extend_period(account: Account, until: datetime, at: datetime) -> None:
    """Extends the current period until `until` without a charge.

    The next period starts there, which becomes the billing anchor. An anchor that was set for it is kept. Raises
    `SubscriptionPending`, `SubscriptionTrialing`, `InvalidInput`, `CancellationAlreadyScheduled`.
    """
    subscription = account.known_subscription
    if subscription.status is SubscriptionStatus.PENDING:
        raise SubscriptionPending("This subscription is PENDING: it has not started.")
    if subscription.status is SubscriptionStatus.TRIALING:
        raise SubscriptionTrialing("This subscription is TRIALING: call updateTrial.")
    period, billed = subscription.current_period, subscription.billed_part
    if not period.end < until <= period.end + timedelta(days=MAX_EXTENSION_DAYS):
        raise InvalidInput(
            f"The period ends at {period.end:%FT%TZ}: it can be extended to a later instant, at most"
            f" {MAX_EXTENSION_DAYS} days later.",
            "until",
        )
    if until > at + timedelta(days=MAX_START_DAYS):
        raise InvalidInput(f"A period can be extended to at most {MAX_START_DAYS} days from now.", "until")
    require_before_cancellation(account, until, "until")
    if subscription.first_period is None:
        subscription.anchor_at, subscription.anchor_ordinal = until, subscription.next_ordinal
    whole_seconds = subscription.whole_seconds or billed.seconds
    subscription.billed_until, subscription.whole_seconds = billed.end, whole_seconds
    move_period_end(account, PeriodChange(subscription.next_ordinal - 1, None, until, billed.end, whole_seconds))
    account.record_change(EventType.SUBSCRIPTION_PERIOD_EXTENDED, subscription, at)


def require_before_cancellation(account: Account, until: datetime, field: str) -> None:
    """Raises `CancellationAlreadyScheduled` if the subscription is set to cancel at a given time before `until`."""
    cancel_at = account.known_subscription.cancel_at
    if cancel_at is not None and until > cancel_at:
        raise CancellationAlreadyScheduled(
            f"This subscription is set to cancel at {cancel_at:%FT%TZ}: call undoSubscriptionCancellation first.", field
        )


def move_period_end(account: Account, change: PeriodChange) -> None:
    """Changes the current period, and moves its end as the change says."""
    change_period(account, change)
    account.known_subscription.current_period_end = change.ends_at
    schedule_next_billing(account.known_subscription)
