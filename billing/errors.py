"""Refusals: what a caller asked for and cannot have. Each says why, in one sentence, and which input it is about."""

from typing import ClassVar

from billing.limits import MAX_CENTS, MAX_LINES, MAX_QUANTITY, START_GRACE, with_thousands


class BillingError(Exception):
    """A refusal. Nothing was stored.

    `code` names the kind for programs, and `description` says in one sentence what it means. `field` is the input it is
    about, outermost first, by the operation's own parameter names; empty where it is about no single one. Where there
    is a `deprecation_reason`, clients need no longer look for the code.
    """

    __test__ = False  # pytest would take those of test clocks for classes of tests

    code: ClassVar[str]
    description: ClassVar[str]
    deprecation_reason: ClassVar[str | None] = None
    field: tuple[str, ...] = ()

    def __init__(self, message: str, *field: str) -> None:
        super().__init__(message)
        if field:
            self.field = field


class InvalidInput(BillingError):
    code = "INVALID_INPUT"
    description = "A value is empty, too long or out of its range."


class EmailInvalid(BillingError):
    code = "EMAIL_INVALID"
    description = "This is not an e-mail address."
    field = ("email",)


class EmailTaken(BillingError):
    code = "EMAIL_TAKEN"
    description = "Another customer, perhaps an archived one, has this address: upper and lower case are the same."
    field = ("email",)


class ExternalIdTaken(BillingError):
    code = "EXTERNAL_ID_TAKEN"
    description = "Another customer has this external id."
    field = ("external_id",)


class CountryUnknown(BillingError):
    code = "COUNTRY_UNKNOWN"
    description = "This is not a country code of ISO 3166-1 alpha-2."
    field = ("address", "country")


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
    description = "A customer with a live subscription cannot be archived: cancel it first."
    field = ("customer_id",)


class CustomerAlreadySubscribed(BillingError):
    code = "CUSTOMER_ALREADY_SUBSCRIBED"
    description = "The customer has a live subscription, and may have one only."
    field = ("customer_id",)


class PlanNotFound(BillingError):
    code = "PLAN_NOT_FOUND"
    description = "There is no plan with this id."
    field = ("plan_id",)


class PlanArchived(BillingError):
    code = "PLAN_ARCHIVED"
    description = "The plan is archived: it takes no new subscriptions."
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
    description = "This is not a currency code of ISO 4217 that has a minor unit."
    field = ("currency",)


class CurrencyMismatch(BillingError):
    code = "CURRENCY_MISMATCH"
    description = "The customer is billed in another currency: the first subscription, invoice or payment fixes it."
    field = ("plan_id",)


class AmountNegative(BillingError):
    code = "AMOUNT_NEGATIVE"
    description = "A price must not be negative."
    field = ("amount_cents",)


class AmountTooLarge(BillingError):
    code = "AMOUNT_TOO_LARGE"
    description = f"An amount, or price × quantity, is more than {with_thousands(MAX_CENTS)} minor units."


class QuantityOutOfRange(BillingError):
    code = "QUANTITY_OUT_OF_RANGE"
    description = f"A quantity is 1 to {with_thousands(MAX_QUANTITY)}."
    field = ("quantity",)


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
    description = "The subscription is canceled at its period's end: it gets no other cancellation and no new period."
    field = ("subscription_id",)


class CancellationNotScheduled(BillingError):
    code = "CANCELLATION_NOT_SCHEDULED"
    description = "The subscription is not going to be canceled."
    field = ("subscription_id",)


class AmountNotPositive(BillingError):
    code = "AMOUNT_NOT_POSITIVE"
    description = "An amount that is received or billed must be more than 0."
    field = ("amount_cents",)


class SubscriptionPending(BillingError):
    code = "SUBSCRIPTION_PENDING"
    description = "The subscription is PENDING: it has not begun."
    field = ("subscription_id",)


class SubscriptionUnchanged(BillingError):
    code = "SUBSCRIPTION_UNCHANGED"
    description = "Plan and quantity are what they are already."


class ChangeModeNotAllowed(BillingError):
    code = "CHANGE_MODE_NOT_ALLOWED"
    description = "A plan with another interval begins a new period: only IMMEDIATE and PERIOD_END do that."
    field = ("mode",)


class ChangeNotScheduled(BillingError):
    code = "CHANGE_NOT_SCHEDULED"
    description = "No change of the subscription is waiting."
    field = ("subscription_id",)


class AsOfOutOfRange(BillingError):
    code = "AS_OF_OUT_OF_RANGE"
    description = "`asOf` must lie in the current period, not before the latest change in it, and not after now."
    field = ("as_of",)


class RenewalDue(BillingError):
    code = "RENEWAL_DUE"
    description = "Periods that have begun are not billed yet: see the subscription's `billingHold`, or try again."
    field = ("subscription_id",)


class StartInThePast(BillingError):
    code = "START_IN_THE_PAST"
    description = f"A subscription cannot begin more than {START_GRACE.seconds} seconds in the past."
    field = ("start_at",)


class TrialInvalid(BillingError):
    code = "TRIAL_INVALID"
    description = "The trial ends before it begins, is too long, or is given twice."
    field = ("trial_end",)


class TrialAlreadyUsed(BillingError):
    code = "TRIAL_ALREADY_USED"
    description = "The customer was on trial of this plan before: there is one trial per customer and plan."
    field = ("plan_id",)


class TooManyLines(BillingError):
    code = "TOO_MANY_LINES"
    description = f"An invoice has at most {MAX_LINES} lines."


class InvoiceNotFound(BillingError):
    code = "INVOICE_NOT_FOUND"
    description = "There is no invoice with this id."
    field = ("invoice_id",)


class InvoiceDraft(BillingError):
    code = "INVOICE_DRAFT"
    description = "The invoice is a DRAFT: it is not owed yet."
    field = ("invoice_id",)


class InvoiceOpen(BillingError):
    code = "INVOICE_OPEN"
    description = "The invoice is OPEN: it is finalized, and owed."
    field = ("invoice_id",)


class InvoicePaid(BillingError):
    code = "INVOICE_PAID"
    description = "The invoice is PAID."
    field = ("invoice_id",)


class InvoiceVoid(BillingError):
    code = "INVOICE_VOID"
    description = "The invoice is VOID."
    field = ("invoice_id",)


class InvoiceUncollectible(BillingError):
    code = "INVOICE_UNCOLLECTIBLE"
    description = "The invoice is UNCOLLECTIBLE already."
    field = ("invoice_id",)


class InvoiceEmpty(BillingError):
    code = "INVOICE_EMPTY"
    description = "The invoice has no lines."
    field = ("invoice_id",)


class InvoiceHasPayments(BillingError):
    code = "INVOICE_HAS_PAYMENTS"
    description = "Money was received for the invoice: it can no longer be voided."
    field = ("invoice_id",)


class InvoiceReversed(BillingError):
    code = "INVOICE_REVERSED"
    description = "Another invoice credits lines of this one, or has the credit of a change that this one charges for."
    field = ("invoice_id",)


class InvoiceNotRecurring(BillingError):
    code = "INVOICE_NOT_RECURRING"
    description = "Only the invoice of a subscription's period is issued again."
    field = ("invoice_id",)


class InvoiceAlreadyReissued(BillingError):
    code = "INVOICE_ALREADY_REISSUED"
    description = "The invoice has a successor."
    field = ("invoice_id",)


class InvoiceNotReissuable(BillingError):
    code = "INVOICE_NOT_REISSUABLE"
    description = "Its period was changed or cut since, or what it gave back was given back elsewhere."
    field = ("invoice_id",)


class Overpayment(BillingError):
    code = "OVERPAYMENT"
    description = "This is more than is due: allow it with `allowOverpayment`, and the rest becomes balance."
    field = ("amount_cents",)


class AllocationInvalid(BillingError):
    code = "ALLOCATION_INVALID"
    description = "The allocations name an invoice twice, or add up to more than the payment."
    field = ("allocations",)


class TestClockNotFound(BillingError):
    code = "TEST_CLOCK_NOT_FOUND"
    description = "There is no test clock with this id."
    field = ("test_clock_id",)


class TestClockAdvancing(BillingError):
    code = "TEST_CLOCK_ADVANCING"
    description = "The test clock is on its way: until it is READY, its customers wait."


class TestClockBackwards(BillingError):
    code = "TEST_CLOCK_BACKWARDS"
    description = "A test clock goes forward only."
    field = ("to",)


class CreditNotAllowed(BillingError):
    code = "CREDIT_NOT_ALLOWED"
    description = "More would be given back than charged, which a customer session cannot ask for."


class ApiKeyNotFound(BillingError):
    code = "API_KEY_NOT_FOUND"
    description = "There is no API key with this id."
    field = ("api_key_id",)


class ApiKeyRevoked(BillingError):
    code = "API_KEY_REVOKED"
    description = "The API key is revoked already."
    field = ("api_key_id",)


class IdempotencyKeyReused(BillingError):
    code = "IDEMPOTENCY_KEY_REUSED"
    description = "The idempotency key came before with another input. Nothing was done."
    field = ("idempotency_key",)


REFUSALS = tuple(BillingError.__subclasses__())
"""All refusals, in the order in which the API lists their codes."""
