"""Credit notes with their lines, and reversals and refunds of payments."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from billing.enums import CreditNoteStatus
from db import models
from db.queries.conditions import Condition
from db.queries.lookups import (
    credit_note_lines_by_note,
    credit_notes_by_id,
    customers_by_id,
    invoices_by_id,
    lines_by_id,
    payments_by_id,
    refunds_by_credit_note,
    test_clocks_by_id,
)
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import BillTo, DateTimeRange, Node, any_of, describe, equals, field, id_is, within
from graph.schema.types.lazy import (
    LazyCreditNote,
    LazyCustomer,
    LazyInvoice,
    LazyInvoiceLine,
    LazyPayment,
    LazyTestClock,
)
from graph.schema.types.taxes import AppliedTax, line_net_field, line_taxes_field, read_taxes

describe(
    CreditNoteStatus,
    "The status of a credit note.",
    ISSUED="It was issued and has not been voided.",
    VOID="It was voided and counts as never issued.",
)


@strawberry.type(
    description="The reversal of a payment, in whole or in part, because it failed or because another customer made it."
)
class Reversal:
    id: strawberry.ID = field("The reversal's id: a UUID.")
    amount_cents: Cents = field("The amount, in minor units of the payment's currency. Always more than 0.")
    reason: str = field("The reason that was given.")
    created_at: datetime = field("When the reversal was recorded.")


@strawberry.type(description="A refund of a payment, in whole or in part: money that was sent back to the customer.")
class Refund:
    id: strawberry.ID = field("The refund's id: a UUID.")
    amount_cents: Cents = field("The amount, in minor units of the payment's currency. Always more than 0.")
    reference: str | None = field("Your reference for the refund, such as the bank's transfer id. Null if not set.")
    created_at: datetime = field("When the refund was recorded.")

    payment: LazyPayment = edge(payments_by_id, "payment_id", "The refunded payment.")
    credit_note: LazyCreditNote | None = edge(
        credit_notes_by_id,
        "credit_note_id",
        "The credit note that was refunded. Null if the money came from the customer's balance, and in customer"
        " sessions that may not see it.",
    )


@strawberry.type(description="A line of a credit note: an amount that is credited for a line of its invoice.")
class CreditNoteLine:
    id: strawberry.ID = field("The line's id: a UUID.")
    description: str = field("Description of the invoice line that is credited.")
    amount_cents: Cents = field(
        "The credited part of the invoice line's `amountCents`, in minor units of the credit note's currency."
    )
    discount_cents: Cents = field("The share of the invoice line's discount, in minor units.")
    net_cents: Cents = line_net_field()
    taxes: list[AppliedTax] = line_taxes_field()

    invoice_line: LazyInvoiceLine = edge(lines_by_id, "invoice_line_id", "The invoice line that is credited.")


@strawberry.type(
    description=(
        "A correction of a finalized invoice. First, it lowers the amount due on the invoice. Then it returns to the"
        " customer's balance what the balance and credits had paid on the invoice. The rest is refunded, added to the"
        " balance, or settled outside this server. The parts add up to `amountCents`. In a customer session, credit"
        " notes are visible only with the permission VIEW_CREDIT_NOTES."
    )
)
class CreditNote(Node):
    row: ClassVar = models.CreditNote

    number: str = field(
        "The number of the credit note, such as `7K2M9QXW4T-C0001`. Unique, and sequential without gaps per customer."
    )
    status: CreditNoteStatus = field("The status of the credit note.")
    currency: Currency = field("The currency of all amounts, which is that of the invoice.")
    tax_cents: Cents = field("The sum of the credited taxes, in minor units of `currency`.")
    rounding_cents: Cents = field(
        "The credited rounding of the invoice, in minor units of `currency`. 0 unless nothing is left to credit."
    )
    taxes: list[AppliedTax] = read_taxes("The credited taxes, each for a group of lines.")
    amount_cents: Cents = field(
        "The credited total with tax and rounding, in minor units of `currency`. Always more than 0."
    )
    applied_cents: Cents = field("The part that lowered the amount due on the invoice, in minor units.")
    restored_cents: Cents = field(
        "The part that was returned to the customer's balance because the balance or credits had paid it on the"
        " invoice, in minor units."
    )
    balance_cents: Cents = field("The distributed part that was added to the customer's balance, in minor units.")
    refund_cents: Cents = field("The part to refund, in minor units. See `recordRefund`.")
    refunded_cents: Cents = field("The part of `refundCents` that has been refunded so far, in minor units.")
    outside_cents: Cents = field("The part that is settled outside this server, in minor units.")
    reason: str = field("The reason that was given.")
    memo: str | None = field("Text shown on the credit note. Null if not set.")
    bill_to: BillTo = field("The customer's billing details when the credit note was issued.")
    issued_at: datetime = field("When the credit note was issued.")
    voided_at: datetime | None = field("When the credit note was voided. Null if it is not VOID.")
    version: int = field("Version of the credit note. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the credit note was created.")
    updated_at: datetime = field("When the credit note was last changed.")

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "The customer that is credited.")
    invoice: LazyInvoice = edge(invoices_by_id, "invoice_id", "The invoice that is corrected.")
    lines: list[CreditNoteLine] = edge(
        credit_note_lines_by_note, "id", f"The lines of the credit note, in order. At most {limits.MAX_LINES}."
    )
    refunds: list[Refund] = edge(refunds_by_credit_note, "id", "The refunds of this credit note, oldest first.")
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The customer's test clock. Null if the customer is in real time.",
    )


@strawberry.input(description="Filter for credit notes. Omitted fields do not filter; an unknown id matches none.")
class CreditNoteFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only credit notes of this customer."
    )
    invoice_id: strawberry.ID | None = strawberry.field(default=None, description="Only credit notes of this invoice.")
    status: list[CreditNoteStatus] | None = strawberry.field(
        default=None, description="Only credit notes with one of these statuses."
    )
    number: str | None = strawberry.field(
        default=None, description="Only the credit note with exactly this number. Case matters."
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only credit notes created in this range."
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only credit notes of customers on this test clock."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *id_is("customer_id", self.customer_id),
            *id_is("invoice_id", self.invoice_id),
            *any_of("status", self.status),
            *equals("number", self.number),
            *within("created_at", self.created_at),
            *id_is("test_clock_id", self.test_clock_id),
        )


@strawberry.enum(description="The field to sort credit notes by.")
class CreditNoteOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the credit note was created.")
    AMOUNT = strawberry.enum_value("amount_cents", description="The total in minor units, regardless of currency.")


@strawberry.input(description="Sort order of credit notes.")
class CreditNoteOrder:
    field: CreditNoteOrderField = strawberry.field(
        default=CreditNoteOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")


@strawberry.type(description="A line of a previewed credit note.")
class CreditNotePreviewLine:
    description: str = field("Description of the invoice line that would be credited.")
    amount_cents: Cents = field("The part of the invoice line's `amountCents` that would be credited, in minor units.")
    discount_cents: Cents = field("The share of the invoice line's discount, in minor units.")
    net_cents: Cents = line_net_field()
    taxes: list[AppliedTax] = line_taxes_field()

    invoice_line: LazyInvoiceLine = edge(lines_by_id, "invoice_line_id", "The invoice line that would be credited.")


@strawberry.type(
    description="A credit note exactly as it would be issued now. It is not stored and has no id or number."
)
class CreditNotePreview:
    currency: Currency = field("The currency of all amounts.")
    tax_cents: Cents = field("The sum of the taxes that would be credited, in minor units.")
    rounding_cents: Cents = field("The rounding of the invoice that would be credited, in minor units.")
    taxes: list[AppliedTax] = read_taxes("The taxes that would be credited, each for a group of lines.")
    amount_cents: Cents = field("The total that would be credited with tax and rounding, in minor units.")
    applied_cents: Cents = field("The part that would lower the amount due on the invoice, in minor units.")
    restored_cents: Cents = field(
        "The part that would be returned to the customer's balance because the balance or credits had paid it on the"
        " invoice, in minor units."
    )
    balance_cents: Cents = field("The distributed part that would be added to the customer's balance, in minor units.")
    refund_cents: Cents = field("The part that you would then have to refund, in minor units. See `recordRefund`.")
    outside_cents: Cents = field("The part that would be settled outside this server, in minor units.")
    lines: list[CreditNotePreviewLine] = field(f"The lines, in order. At most {limits.MAX_LINES}.")
