"""Refusals: what a caller asked for and cannot have. Each says why, in one sentence, and which input it is about."""

from typing import ClassVar


class BillingError(Exception):
    """A refusal. Nothing was stored.

    `code` names the kind for programs and `field` the input it is about, outermost first, by the operation's own
    parameter names; empty where it is about no single one.
    """

    code: ClassVar[str]
    field: tuple[str, ...] = ()

    def __init__(self, message: str, *field: str) -> None:
        super().__init__(message)
        if field:
            self.field = field


class InvalidInput(BillingError):
    """A value is not of the form that its field takes: empty, too long, out of range."""

    code = "INVALID_INPUT"


class EmailInvalid(BillingError):
    code = "EMAIL_INVALID"
    field = ("email",)


class EmailTaken(BillingError):
    code = "EMAIL_TAKEN"
    field = ("email",)


class ExternalIdTaken(BillingError):
    code = "EXTERNAL_ID_TAKEN"
    field = ("external_id",)


class CountryUnknown(BillingError):
    code = "COUNTRY_UNKNOWN"
    field = ("address", "country")


class CustomerNotFound(BillingError):
    code = "CUSTOMER_NOT_FOUND"
    field = ("customer_id",)


class CustomerArchived(BillingError):
    code = "CUSTOMER_ARCHIVED"
    field = ("customer_id",)


class CustomerNotArchived(BillingError):
    code = "CUSTOMER_NOT_ARCHIVED"
    field = ("customer_id",)


class CustomerHasLiveSubscription(BillingError):
    code = "CUSTOMER_HAS_LIVE_SUBSCRIPTION"
    field = ("customer_id",)


class CustomerAlreadySubscribed(BillingError):
    code = "CUSTOMER_ALREADY_SUBSCRIBED"
    field = ("customer_id",)


class PlanNotFound(BillingError):
    code = "PLAN_NOT_FOUND"
    field = ("plan_id",)


class PlanArchived(BillingError):
    code = "PLAN_ARCHIVED"
    field = ("plan_id",)


class PlanNotArchived(BillingError):
    code = "PLAN_NOT_ARCHIVED"
    field = ("plan_id",)


class PlanCodeTaken(BillingError):
    code = "PLAN_CODE_TAKEN"
    field = ("code",)


class CurrencyUnknown(BillingError):
    code = "CURRENCY_UNKNOWN"
    field = ("currency",)


class CurrencyMismatch(BillingError):
    code = "CURRENCY_MISMATCH"
    field = ("plan_id",)


class AmountNegative(BillingError):
    code = "AMOUNT_NEGATIVE"
    field = ("amount_cents",)


class AmountTooLarge(BillingError):
    code = "AMOUNT_TOO_LARGE"


class QuantityOutOfRange(BillingError):
    code = "QUANTITY_OUT_OF_RANGE"
    field = ("quantity",)


class SubscriptionNotFound(BillingError):
    code = "SUBSCRIPTION_NOT_FOUND"
    field = ("subscription_id",)


class SubscriptionCanceled(BillingError):
    """The subscription has ended: CANCELED is terminal."""

    code = "SUBSCRIPTION_CANCELED"
    field = ("subscription_id",)


class CancellationAlreadyScheduled(BillingError):
    code = "CANCELLATION_ALREADY_SCHEDULED"
    field = ("subscription_id",)


class CancellationNotScheduled(BillingError):
    code = "CANCELLATION_NOT_SCHEDULED"
    field = ("subscription_id",)


class CancellationDue(BillingError):
    """The period at whose end the subscription is canceled is over: it can no longer be undone."""

    code = "CANCELLATION_DUE"
    field = ("subscription_id",)
