"""Errors about invoices."""

from billing.errors.base import BillingError


class TooManyLines(BillingError):
    code = "TOO_MANY_LINES"
    description = "The invoice would have too many lines."


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
