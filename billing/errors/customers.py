"""Errors about customers."""

from billing.errors.base import BillingError


class EmailInvalid(BillingError):
    code = "EMAIL_INVALID"
    description = "The value is not an e-mail address."
    field = ("email",)


class EmailTaken(BillingError):
    code = "EMAIL_TAKEN"
    description = (
        "Another customer that is not archived has this e-mail address, ignoring case. Customers in real time and those"
        " on each test clock are checked separately."
    )
    field = ("email",)


class ExternalIdTaken(BillingError):
    code = "EXTERNAL_ID_TAKEN"
    description = "Another customer has this external id."
    field = ("external_id",)


class CountryUnknown(BillingError):
    code = "COUNTRY_UNKNOWN"
    description = "The value is not an ISO 3166-1 alpha-2 country code."
    field = ("address", "country")


class VersionConflict(BillingError):
    code = "VERSION_CONFLICT"
    description = "The object has changed since the version that was expected. Read it again before you change it."
    field = ("expected_version",)


class CustomerNotFound(BillingError):
    code = "CUSTOMER_NOT_FOUND"
    description = "There is no customer with this id."
    field = ("customer_id",)


class CustomerArchived(BillingError):
    code = "CUSTOMER_ARCHIVED"
    description = "The customer is archived."
    field = ("customer_id",)


class CustomerNotArchived(BillingError):
    code = "CUSTOMER_NOT_ARCHIVED"
    description = "The customer is not archived."
    field = ("customer_id",)


class CustomerHasLiveSubscription(BillingError):
    code = "CUSTOMER_HAS_LIVE_SUBSCRIPTION"
    description = "A customer with a live subscription cannot be archived: cancel the subscription first."
    field = ("customer_id",)


class CustomerAlreadySubscribed(BillingError):
    code = "CUSTOMER_ALREADY_SUBSCRIBED"
    description = "The customer already has a live subscription; only one is allowed."
    field = ("customer_id",)
