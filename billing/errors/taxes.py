"""Errors about the seller and taxes."""

from billing.errors.base import BillingError


class SellerMissing(BillingError):
    code = "SELLER_MISSING"
    description = "No seller is configured: call updateSeller first."


class TaxRateNotFound(BillingError):
    code = "TAX_RATE_NOT_FOUND"
    description = "There is no tax rate with this id."
    field = ("id",)


class TaxRateArchived(BillingError):
    code = "TAX_RATE_ARCHIVED"
    description = "The tax rate is archived."
    field = ("id",)


class TaxPercentInvalid(BillingError):
    code = "TAX_PERCENT_INVALID"
    description = "The percentage is out of range, has too many decimals, or does not fit the category."
    field = ("percent",)


class TaxRatesConflict(BillingError):
    code = "TAX_RATES_CONFLICT"
    description = "The tax rates cannot be combined: a rate is listed twice, or more than one is a VAT."


class TooManyTaxRates(BillingError):
    code = "TOO_MANY_TAX_RATES"
    description = "There are too many tax rates. Archived ones count too."


class TaxRegistrationsOverlap(BillingError):
    code = "TAX_REGISTRATIONS_OVERLAP"
    description = "Several registrations are for the same place and begin at the same time."


class TaxIdInvalid(BillingError):
    code = "TAX_ID_INVALID"
    description = "The value is not a valid VAT number of the country, or the country's format is not known."


class TaxIdNotFound(BillingError):
    code = "TAX_ID_NOT_FOUND"
    description = "The customer has no such tax id."
    field = ("value",)


class BankAccountInvalid(BillingError):
    code = "BANK_ACCOUNT_INVALID"
    description = "The value is not an IBAN."
    field = ("bank_account", "iban")
