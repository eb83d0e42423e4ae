"""Errors about subscriptions."""

from billing.errors.base import BillingError


class SubscriptionNotFound(BillingError):
    code = "SUBSCRIPTION_NOT_FOUND"
    description = "There is no subscription with this id."
    field = ("subscription_id",)


class SubscriptionCanceled(BillingError):
    code = "SUBSCRIPTION_CANCELED"
    description = "The subscription is CANCELED, which is final."
    field = ("subscription_id",)


class CancellationAlreadyScheduled(BillingError):
    code = "CANCELLATION_ALREADY_SCHEDULED"
    description = (
        "The subscription is set to cancel. Until this is undone, it cannot be scheduled to cancel again, its billing"
        " anchor cannot be reset, its trial cannot be ended now, no change can start a new period or wait for the next"
        " one, and no trial or period can be moved beyond the cancellation."
    )
    field = ("subscription_id",)


class CancellationNotScheduled(BillingError):
    code = "CANCELLATION_NOT_SCHEDULED"
    description = "The subscription has no scheduled cancellation."
    field = ("subscription_id",)


class AmountNotPositive(BillingError):
    code = "AMOUNT_NOT_POSITIVE"
    description = "The amount of a payment, allocation, credit note, reversal, refund or coupon must be more than 0."
    field = ("amount_cents",)


class SubscriptionPending(BillingError):
    code = "SUBSCRIPTION_PENDING"
    description = "The subscription is PENDING: it has not started."
    field = ("subscription_id",)


class SubscriptionStarted(BillingError):
    code = "SUBSCRIPTION_STARTED"
    description = "The subscription has started: its start can no longer be moved."
    field = ("start_at",)


class SubscriptionTrialing(BillingError):
    code = "SUBSCRIPTION_TRIALING"
    description = "The subscription is TRIALING: move the end of its trial instead."
    field = ("subscription_id",)


class SubscriptionNotTrialing(BillingError):
    code = "SUBSCRIPTION_NOT_TRIALING"
    description = "The subscription is not TRIALING."
    field = ("subscription_id",)


class SubscriptionUnchanged(BillingError):
    code = "SUBSCRIPTION_UNCHANGED"
    description = "The subscription already has this plan and quantity, or they are already scheduled."


class ChangeModeNotAllowed(BillingError):
    code = "CHANGE_MODE_NOT_ALLOWED"
    description = (
        "A plan with a different interval starts a new period, which only the modes IMMEDIATE and PERIOD_END allow."
        " Before the first billing period, the billing anchor can be reset only with `atPeriodEnd: true`."
    )
    field = ("mode",)


class ChangeNotScheduled(BillingError):
    code = "CHANGE_NOT_SCHEDULED"
    description = "The subscription has no pending change."
    field = ("subscription_id",)


class AsOfOutOfRange(BillingError):
    code = "AS_OF_OUT_OF_RANGE"
    description = "`asOf` must be in the current period, not before its latest change, and not in the future."
    field = ("as_of",)


class RenewalDue(BillingError):
    code = "RENEWAL_DUE"
    description = "The subscription has started periods that are not billed yet: see its `billingHold`, or try again."
    field = ("subscription_id",)


class StartInThePast(BillingError):
    code = "START_IN_THE_PAST"
    description = "A subscription cannot start in the past."
    field = ("start_at",)


class TrialInvalid(BillingError):
    code = "TRIAL_INVALID"
    description = (
        "The trial would end before it has lasted one second, in the past, or too late, or both `trialDays` and"
        " `trialEnd` are given."
    )
    field = ("trial_end",)


class TrialAlreadyUsed(BillingError):
    code = "TRIAL_ALREADY_USED"
    description = "The customer has already had a trial of this plan. Each customer gets one trial per plan."
    field = ("plan_id",)
