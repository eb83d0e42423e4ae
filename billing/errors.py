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


class AmountNotPositive(BillingError):
    code = "AMOUNT_NOT_POSITIVE"
    field = ("amount_cents",)


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


class SubscriptionPending(BillingError):
    """The subscription has not begun: PENDING."""

    code = "SUBSCRIPTION_PENDING"
    field = ("subscription_id",)


class SubscriptionUnchanged(BillingError):
    code = "SUBSCRIPTION_UNCHANGED"


class ChangeModeNotAllowed(BillingError):
    code = "CHANGE_MODE_NOT_ALLOWED"
    field = ("mode",)


class ChangeNotScheduled(BillingError):
    code = "CHANGE_NOT_SCHEDULED"
    field = ("subscription_id",)


class AsOfOutOfRange(BillingError):
    code = "AS_OF_OUT_OF_RANGE"
    field = ("as_of",)


class RenewalDue(BillingError):
    """Periods of the subscription that have begun are not billed yet: what is asked for has to wait for them."""

    code = "RENEWAL_DUE"
    field = ("subscription_id",)


class StartInThePast(BillingError):
    code = "START_IN_THE_PAST"
    field = ("start_at",)


class TrialInvalid(BillingError):
    """A trial that ends before it begins, is too long, or is given twice."""

    code = "TRIAL_INVALID"
    field = ("trial_end",)


class TrialAlreadyUsed(BillingError):
    code = "TRIAL_ALREADY_USED"
    field = ("plan_id",)


class TooManyLines(BillingError):
    code = "TOO_MANY_LINES"


class InvoiceNotFound(BillingError):
    code = "INVOICE_NOT_FOUND"
    field = ("invoice_id",)


class InvoiceDraft(BillingError):
    """The invoice is a DRAFT: it is not owed yet."""

    code = "INVOICE_DRAFT"
    field = ("invoice_id",)


class InvoiceOpen(BillingError):
    """The invoice is OPEN: finalized, and owed."""

    code = "INVOICE_OPEN"
    field = ("invoice_id",)


class InvoicePaid(BillingError):
    code = "INVOICE_PAID"
    field = ("invoice_id",)


class InvoiceVoid(BillingError):
    code = "INVOICE_VOID"
    field = ("invoice_id",)


class InvoiceUncollectible(BillingError):
    code = "INVOICE_UNCOLLECTIBLE"
    field = ("invoice_id",)


class InvoiceEmpty(BillingError):
    code = "INVOICE_EMPTY"
    field = ("invoice_id",)


class InvoiceHasPayments(BillingError):
    code = "INVOICE_HAS_PAYMENTS"
    field = ("invoice_id",)


class InvoiceReversed(BillingError):
    """A line of another invoice, or one that waits for one, gives back a line of this one."""

    code = "INVOICE_REVERSED"
    field = ("invoice_id",)


class InvoiceNotRecurring(BillingError):
    code = "INVOICE_NOT_RECURRING"
    field = ("invoice_id",)


class InvoiceAlreadyReissued(BillingError):
    code = "INVOICE_ALREADY_REISSUED"
    field = ("invoice_id",)


class InvoiceNotReissuable(BillingError):
    """A credit on the invoice no longer fits what it reverses."""

    code = "INVOICE_NOT_REISSUABLE"
    field = ("invoice_id",)


class Overpayment(BillingError):
    """More money than is due, where that was not allowed."""

    code = "OVERPAYMENT"
    field = ("amount_cents",)


class AllocationInvalid(BillingError):
    """The allocations of a payment name an invoice twice, or add up to more than the payment."""

    code = "ALLOCATION_INVALID"
    field = ("allocations",)


class TestClockNotFound(BillingError):
    __test__ = False
    code = "TEST_CLOCK_NOT_FOUND"
    field = ("test_clock_id",)


class TestClockAdvancing(BillingError):
    """The test clock is on its way: until it is there, its customers wait."""

    __test__ = False
    code = "TEST_CLOCK_ADVANCING"


class TestClockBackwards(BillingError):
    __test__ = False
    code = "TEST_CLOCK_BACKWARDS"
    field = ("to",)


class ApiKeyNotFound(BillingError):
    code = "API_KEY_NOT_FOUND"
    field = ("api_key_id",)


class ApiKeyRevoked(BillingError):
    code = "API_KEY_REVOKED"
    field = ("api_key_id",)


class CreditNotAllowed(BillingError):
    """More would be given back than charged, where that is not for the caller to ask."""

    code = "CREDIT_NOT_ALLOWED"


class IdempotencyKeyReused(BillingError):
    """The key came before with another input."""

    code = "IDEMPOTENCY_KEY_REUSED"
    field = ("idempotency_key",)
