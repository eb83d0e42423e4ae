"""Errors about plans, prices and currencies."""

from billing.errors.base import BillingError


class PlanNotFound(BillingError):
    code = "PLAN_NOT_FOUND"
    description = "There is no plan with this id."
    field = ("plan_id",)


class PlanArchived(BillingError):
    code = "PLAN_ARCHIVED"
    description = "The plan is archived and accepts no new subscriptions."
    field = ("plan_id",)


class PlanNotArchived(BillingError):
    code = "PLAN_NOT_ARCHIVED"
    description = "The plan is not archived."
    field = ("plan_id",)


class PlanCodeTaken(BillingError):
    code = "PLAN_CODE_TAKEN"
    description = "Another plan has this code."
    field = ("code",)


class CurrencyUnknown(BillingError):
    code = "CURRENCY_UNKNOWN"
    description = "The value is not an ISO 4217 currency code with a minor unit."
    field = ("currency",)


class CurrencyMismatch(BillingError):
    code = "CURRENCY_MISMATCH"
    description = (
        "The customer is billed in another currency. The customer's first subscription, invoice or"
        " payment sets it permanently."
    )
    field = ("plan_id",)


class AmountNegative(BillingError):
    code = "AMOUNT_NEGATIVE"
    description = "A price must not be negative."
    field = ("amount_cents",)


class AmountTooLarge(BillingError):
    code = "AMOUNT_TOO_LARGE"
    description = "An amount, or price × quantity, is too large."


class QuantityOutOfRange(BillingError):
    code = "QUANTITY_OUT_OF_RANGE"
    description = "A quantity is less than 1 or too large."
    field = ("quantity",)
