"""What is wrong, as a client sees it: user errors in payloads, codes on top-level errors."""

from enum import Enum

import strawberry
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from billing.errors import BillingError
from graph.observability.exchange import current


@strawberry.enum(description="Why a mutation was refused.")
class UserErrorCode(Enum):
    INVALID_INPUT = strawberry.enum_value(
        "INVALID_INPUT", description="A value is empty, too long or out of its range."
    )
    EMAIL_INVALID = strawberry.enum_value("EMAIL_INVALID", description="This is not an e-mail address.")
    EMAIL_TAKEN = strawberry.enum_value(
        "EMAIL_TAKEN",
        description="Another customer, perhaps an archived one, has this address: upper and lower case are the same.",
    )
    EXTERNAL_ID_TAKEN = strawberry.enum_value("EXTERNAL_ID_TAKEN", description="Another customer has this external id.")
    COUNTRY_UNKNOWN = strawberry.enum_value(
        "COUNTRY_UNKNOWN", description="This is not a country code of ISO 3166-1 alpha-2."
    )
    CUSTOMER_NOT_FOUND = strawberry.enum_value("CUSTOMER_NOT_FOUND", description="There is no customer with this id.")
    CUSTOMER_ARCHIVED = strawberry.enum_value("CUSTOMER_ARCHIVED", description="The customer is archived.")
    CUSTOMER_NOT_ARCHIVED = strawberry.enum_value("CUSTOMER_NOT_ARCHIVED", description="The customer is not archived.")
    CUSTOMER_HAS_LIVE_SUBSCRIPTION = strawberry.enum_value(
        "CUSTOMER_HAS_LIVE_SUBSCRIPTION",
        description="A customer with a live subscription cannot be archived: cancel it first.",
    )
    CUSTOMER_ALREADY_SUBSCRIBED = strawberry.enum_value(
        "CUSTOMER_ALREADY_SUBSCRIBED",
        description="The customer has a live subscription, and may have one only.",
    )
    PLAN_NOT_FOUND = strawberry.enum_value("PLAN_NOT_FOUND", description="There is no plan with this id.")
    PLAN_ARCHIVED = strawberry.enum_value(
        "PLAN_ARCHIVED", description="The plan is archived: it takes no new subscriptions."
    )
    PLAN_NOT_ARCHIVED = strawberry.enum_value("PLAN_NOT_ARCHIVED", description="The plan is not archived.")
    PLAN_CODE_TAKEN = strawberry.enum_value("PLAN_CODE_TAKEN", description="Another plan has this code.")
    CURRENCY_UNKNOWN = strawberry.enum_value(
        "CURRENCY_UNKNOWN", description="This is not a currency code of ISO 4217 that has a minor unit."
    )
    CURRENCY_MISMATCH = strawberry.enum_value(
        "CURRENCY_MISMATCH",
        description="The customer is billed in another currency: the first subscription, invoice or payment fixes it.",
    )
    AMOUNT_NEGATIVE = strawberry.enum_value("AMOUNT_NEGATIVE", description="A price must not be negative.")
    AMOUNT_TOO_LARGE = strawberry.enum_value(
        "AMOUNT_TOO_LARGE", description="An amount, or price × quantity, is more than 2^53 − 1 minor units."
    )
    QUANTITY_OUT_OF_RANGE = strawberry.enum_value(
        "QUANTITY_OUT_OF_RANGE", description="A quantity is 1 to 1 000 000 000."
    )
    SUBSCRIPTION_NOT_FOUND = strawberry.enum_value(
        "SUBSCRIPTION_NOT_FOUND", description="There is no subscription with this id."
    )
    SUBSCRIPTION_CANCELED = strawberry.enum_value(
        "SUBSCRIPTION_CANCELED", description="The subscription is CANCELED, which is final."
    )
    CANCELLATION_ALREADY_SCHEDULED = strawberry.enum_value(
        "CANCELLATION_ALREADY_SCHEDULED",
        description="The subscription is going to be canceled at its period's end already.",
    )
    CANCELLATION_NOT_SCHEDULED = strawberry.enum_value(
        "CANCELLATION_NOT_SCHEDULED", description="The subscription is not going to be canceled."
    )
    AMOUNT_NOT_POSITIVE = strawberry.enum_value(
        "AMOUNT_NOT_POSITIVE", description="An amount that is received or billed must be more than 0."
    )
    SUBSCRIPTION_PENDING = strawberry.enum_value(
        "SUBSCRIPTION_PENDING", description="The subscription is PENDING: it has not begun."
    )
    SUBSCRIPTION_UNCHANGED = strawberry.enum_value(
        "SUBSCRIPTION_UNCHANGED", description="Plan and quantity are what they are already."
    )
    CHANGE_MODE_NOT_ALLOWED = strawberry.enum_value(
        "CHANGE_MODE_NOT_ALLOWED",
        description="A plan with another interval begins a new period: only IMMEDIATE and PERIOD_END do that.",
    )
    CHANGE_NOT_SCHEDULED = strawberry.enum_value(
        "CHANGE_NOT_SCHEDULED", description="No change of the subscription is waiting."
    )
    AS_OF_OUT_OF_RANGE = strawberry.enum_value(
        "AS_OF_OUT_OF_RANGE",
        description="`asOf` must lie in the current period, not before the latest change in it, and not after now.",
    )
    RENEWAL_DUE = strawberry.enum_value(
        "RENEWAL_DUE",
        description="Periods that have begun are not billed yet: see the subscription's `billingHold`, or try again.",
    )
    START_IN_THE_PAST = strawberry.enum_value(
        "START_IN_THE_PAST", description="A subscription cannot begin in the past."
    )
    TRIAL_INVALID = strawberry.enum_value(
        "TRIAL_INVALID", description="The trial ends before it begins, is too long, or is given twice."
    )
    TRIAL_ALREADY_USED = strawberry.enum_value(
        "TRIAL_ALREADY_USED",
        description="The customer was on trial of this plan before: there is one trial per customer and plan.",
    )
    TOO_MANY_LINES = strawberry.enum_value("TOO_MANY_LINES", description="An invoice has at most 100 lines.")
    INVOICE_NOT_FOUND = strawberry.enum_value("INVOICE_NOT_FOUND", description="There is no invoice with this id.")
    INVOICE_DRAFT = strawberry.enum_value("INVOICE_DRAFT", description="The invoice is a DRAFT: it is not owed yet.")
    INVOICE_OPEN = strawberry.enum_value("INVOICE_OPEN", description="The invoice is OPEN: it is finalized, and owed.")
    INVOICE_PAID = strawberry.enum_value("INVOICE_PAID", description="The invoice is PAID.")
    INVOICE_VOID = strawberry.enum_value("INVOICE_VOID", description="The invoice is VOID.")
    INVOICE_UNCOLLECTIBLE = strawberry.enum_value(
        "INVOICE_UNCOLLECTIBLE", description="The invoice is UNCOLLECTIBLE already."
    )
    INVOICE_EMPTY = strawberry.enum_value("INVOICE_EMPTY", description="The invoice has no lines.")
    INVOICE_HAS_PAYMENTS = strawberry.enum_value(
        "INVOICE_HAS_PAYMENTS", description="Money was received for the invoice: it can no longer be voided."
    )
    INVOICE_REVERSED = strawberry.enum_value(
        "INVOICE_REVERSED", description="Lines of the invoice are given back elsewhere: it can no longer be voided."
    )
    INVOICE_NOT_RECURRING = strawberry.enum_value(
        "INVOICE_NOT_RECURRING", description="Only the invoice of a subscription's period is issued again."
    )
    INVOICE_ALREADY_REISSUED = strawberry.enum_value(
        "INVOICE_ALREADY_REISSUED", description="The invoice has a successor."
    )
    INVOICE_NOT_REISSUABLE = strawberry.enum_value(
        "INVOICE_NOT_REISSUABLE",
        description="Its period was changed or cut since, or what it gave back was given back elsewhere.",
    )
    OVERPAYMENT = strawberry.enum_value(
        "OVERPAYMENT",
        description="This is more than is due: allow it with `allowOverpayment`, and the rest becomes balance.",
    )
    ALLOCATION_INVALID = strawberry.enum_value(
        "ALLOCATION_INVALID", description="The allocations name an invoice twice, or add up to more than the payment."
    )
    TEST_CLOCK_NOT_FOUND = strawberry.enum_value(
        "TEST_CLOCK_NOT_FOUND", description="There is no test clock with this id."
    )
    TEST_CLOCK_ADVANCING = strawberry.enum_value(
        "TEST_CLOCK_ADVANCING", description="The test clock is on its way: until it is READY, its customers wait."
    )
    TEST_CLOCK_BACKWARDS = strawberry.enum_value("TEST_CLOCK_BACKWARDS", description="A test clock goes forward only.")
    CREDIT_NOT_ALLOWED = strawberry.enum_value(
        "CREDIT_NOT_ALLOWED",
        description="More would be given back than charged, which a customer session cannot ask for.",
    )
    API_KEY_NOT_FOUND = strawberry.enum_value("API_KEY_NOT_FOUND", description="There is no API key with this id.")
    API_KEY_REVOKED = strawberry.enum_value("API_KEY_REVOKED", description="The API key is revoked already.")
    IDEMPOTENCY_KEY_REUSED = strawberry.enum_value(
        "IDEMPOTENCY_KEY_REUSED", description="The idempotency key came before with another input. Nothing was done."
    )


@strawberry.type(description="A refusal that the client can do something about. Nothing was stored.")
class UserError:
    code: UserErrorCode = strawberry.field(description="Why, for programs.")
    message: str = strawberry.field(description="Why, for people: one sentence in English.")
    field: list[str] | None = strawberry.field(
        description=(
            'The input it is about, outermost first, such as `["input", "email"]`; null where it is about none.'
        )
    )

    @classmethod
    def of(cls, refusal: BillingError, input_type: type) -> "UserError":
        """The refusal in the words of a mutation's input.

        Where an operation says `customer_id` and the input has no such field, the input's `id` is meant.
        """
        current().refusals.append(refusal.code)
        path = None
        if refusal.field:
            outermost, *inner = refusal.field
            name = "id" if outermost in OWN_IDS and outermost not in input_type.__annotations__ else outermost
            assert name in input_type.__annotations__, (input_type, refusal.field)
            path = ["input", *map(to_camel_case, (name, *inner))]
        return cls(code=UserErrorCode(refusal.code), message=str(refusal), field=path)


OWN_IDS = ("customer_id", "plan_id", "subscription_id", "invoice_id", "test_clock_id", "api_key_id")
"""What operations call the key of the thing they change, and inputs their `id`."""


def bad_user_input(message: str) -> GraphQLError:
    """A top-level error for a value that does not fit its type or the list it is used with."""
    return GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})
