"""Errors for requests that the rules reject. The message says why, and `field` names the input at fault."""

from typing import ClassVar

from billing.limits import MAX_CENTS, MAX_LINES, MAX_QUANTITY, MAX_TAX_RATES, START_GRACE, with_thousands


class BillingError(Exception):
    """A rejected request. Nothing was stored.

    - `code` identifies the kind of error for programs.
    - `description` explains the code in one sentence in the API reference.
    - `deprecation_reason` is set if the code is no longer returned.
    - `field` is the path of the input at fault, outermost first, in the parameter names of the operation. Empty if no
      single input is at fault.
    """

    __test__ = False  # pytest must not collect `TestClockNotFound` and the like as test classes

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
    description = "A value is empty, too long, out of range, or not allowed in this combination."


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
    description = f"An amount, or price × quantity, is more than {with_thousands(MAX_CENTS)} minor units."


class QuantityOutOfRange(BillingError):
    code = "QUANTITY_OUT_OF_RANGE"
    description = f"A quantity must be 1 to {with_thousands(MAX_QUANTITY)}."
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
    description = "The amount of a payment, allocation, credit note, reversal or refund must be more than 0."
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
    description = f"A subscription cannot start more than {START_GRACE.seconds} seconds in the past."
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


class TooManyLines(BillingError):
    code = "TOO_MANY_LINES"
    description = f"An invoice has at most {MAX_LINES} lines."


class PaymentNotFound(BillingError):
    code = "PAYMENT_NOT_FOUND"
    description = "There is no payment with this id."
    field = ("payment_id",)


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
    description = "The invoice is UNCOLLECTIBLE."
    field = ("invoice_id",)


class InvoiceEmpty(BillingError):
    code = "INVOICE_EMPTY"
    description = "The invoice has no lines."
    field = ("invoice_id",)


class InvoiceHasPayments(BillingError):
    code = "INVOICE_HAS_PAYMENTS"
    description = "A payment is applied to the invoice. Correct it with a credit note, or reverse the payment first."
    field = ("invoice_id",)


class InvoiceReversed(BillingError):
    code = "INVOICE_REVERSED"
    description = (
        "Another invoice credits lines of this one, or contains the credit of a change that this one charges for."
    )
    field = ("invoice_id",)


class InvoiceCredited(BillingError):
    code = "INVOICE_CREDITED"
    description = "The invoice has a credit note that is not void: void the credit note first."
    field = ("invoice_id",)


class InvoiceNotVoidable(BillingError):
    code = "INVOICE_NOT_VOIDABLE"
    description = (
        "The invoice credits time after the period that it charges for. Without that credit, the time would be billed"
        " twice. Correct the invoice with a credit note."
    )
    field = ("invoice_id",)


class InvoiceNotRecurring(BillingError):
    code = "INVOICE_NOT_RECURRING"
    description = "Only an invoice of a subscription (RECURRING or PRORATION) can be reissued."
    field = ("invoice_id",)


class InvoiceAlreadyReissued(BillingError):
    code = "INVOICE_ALREADY_REISSUED"
    description = "The invoice has already been reissued."
    field = ("invoice_id",)


class InvoiceNotReissuable(BillingError):
    code = "INVOICE_NOT_REISSUABLE"
    description = (
        "The invoice's period has since been changed or shortened, a line that it credited has been credited elsewhere"
        " or voided, or voiding it dropped the pending credit of its change."
    )
    field = ("invoice_id",)


class Overpayment(BillingError):
    code = "OVERPAYMENT"
    description = (
        "The payment exceeds the amount due on its invoices, or an allocation exceeds the amount due on its"
        " invoice. Set `allowOverpayment` to add the excess of a payment to the customer's balance."
    )
    field = ("amount_cents",)


class ReversalExceedsPayment(BillingError):
    code = "REVERSAL_EXCEEDS_PAYMENT"
    description = "The reversal is more than what is left of the payment, after its refunds and earlier reversals."
    field = ("amount_cents",)


class RefundExceedsPayment(BillingError):
    code = "REFUND_EXCEEDS_PAYMENT"
    description = "The refund is more than what is left of the payment, after its reversals and earlier refunds."
    field = ("amount_cents",)


class RefundExceedsCreditNote(BillingError):
    code = "REFUND_EXCEEDS_CREDIT_NOTE"
    description = "The refund is more than what the credit note has left to refund."
    field = ("amount_cents",)


class BalanceSpent(BillingError):
    code = "BALANCE_SPENT"
    description = (
        "The payment or credit note added money to the customer's balance, and too little of the balance is left to"
        " subtract it."
    )


class BalanceTooLow(BillingError):
    code = "BALANCE_TOO_LOW"
    description = "The customer's balance is smaller than the amount, and must not become negative."
    field = ("amount_cents",)


class CreditNoteNotFound(BillingError):
    code = "CREDIT_NOTE_NOT_FOUND"
    description = "There is no credit note with this id."
    field = ("credit_note_id",)


class CreditNoteVoid(BillingError):
    code = "CREDIT_NOTE_VOID"
    description = "The credit note is VOID."
    field = ("credit_note_id",)


class CreditNoteRefunded(BillingError):
    code = "CREDIT_NOTE_REFUNDED"
    description = "A part of the credit note was refunded: it can no longer be voided."
    field = ("credit_note_id",)


class CreditExceedsLine(BillingError):
    code = "CREDIT_EXCEEDS_LINE"
    description = "The amount is more than what can still be credited for the invoice line."
    field = ("lines",)


class CreditExceedsInvoice(BillingError):
    code = "CREDIT_EXCEEDS_INVOICE"
    description = "The amount is more than what can still be credited for the invoice."
    field = ("amount_cents",)


class DistributionInvalid(BillingError):
    code = "DISTRIBUTION_INVALID"
    description = "A part of the distribution is negative, or the parts do not add up to `toDistributeCents`."
    field = ("distribution",)


class AllocationInvalid(BillingError):
    code = "ALLOCATION_INVALID"
    description = (
        "There are too many allocations, two name the same invoice, they add up to more than the payment, or the"
        " payment is used up before it reaches all of them."
    )
    field = ("allocations",)


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
    description = f"There are already {MAX_TAX_RATES} tax rates, archived ones included."


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


class TestClockNotFound(BillingError):
    code = "TEST_CLOCK_NOT_FOUND"
    description = "There is no test clock with this id."
    field = ("test_clock_id",)


class TestClockAdvancing(BillingError):
    code = "TEST_CLOCK_ADVANCING"
    description = "The test clock is advancing. Its customers cannot be changed until it is READY."


class TestClockBackwards(BillingError):
    code = "TEST_CLOCK_BACKWARDS"
    description = "The new time of a test clock must be later than its current time."
    field = ("to",)


class CreditNotAllowed(BillingError):
    code = "CREDIT_NOT_ALLOWED"
    description = "The change would credit more than it charges, which a customer session may not do."


class ApiKeyNotFound(BillingError):
    code = "API_KEY_NOT_FOUND"
    description = (
        "There is no API key or customer session with this id, or revoking it requires an API key with scope ADMIN."
    )
    field = ("api_key_id",)


class ApiKeyRevoked(BillingError):
    code = "API_KEY_REVOKED"
    description = "The API key has already been revoked."
    field = ("api_key_id",)


class IdempotencyKeyReused(BillingError):
    code = "IDEMPOTENCY_KEY_REUSED"
    description = "The idempotency key was already used with a different input. Nothing was done."
    field = ("idempotency_key",)


BILLING_ERRORS = tuple(BillingError.__subclasses__())
"""All errors, in the order in which the API lists their codes."""
