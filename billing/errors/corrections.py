"""Errors about payments, refunds and credit notes."""

from billing.errors.base import BillingError


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
