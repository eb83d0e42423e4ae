"""Payments, their allocations to invoices, and the ledger of a customer's balance."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing.enums import AllocationKind, LedgerEntryKind, PaymentMethod
from db import models
from db.queries.conditions import Condition
from db.queries.lookups import (
    allocations_by_payment,
    credit_notes_by_id,
    customers_by_id,
    invoices_by_id,
    payments_by_id,
    refunds_by_payment,
    reversals_by_payment,
    test_clocks_by_id,
)
from graph.execution import READS
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import (
    DateTimeRange,
    MetadataEntry,
    Node,
    any_of,
    describe,
    equals,
    field,
    id_is,
    metadata_field,
    within,
)
from graph.schema.types.corrections import Refund, Reversal
from graph.schema.types.lazy import (
    LazyCreditNote,
    LazyCustomer,
    LazyInvoice,
    LazyPayment,
    LazyTestClock,
)

describe(
    PaymentMethod,
    "Method of a payment.",
    BANK_TRANSFER="A bank transfer by the customer.",
    CARD="A card payment.",
    DIRECT_DEBIT="A direct debit from the customer's bank account.",
    CASH="Cash.",
    CHECK="A check.",
    OTHER="Another method.",
)
describe(
    AllocationKind,
    "The source of an allocation.",
    PAYMENT="From a payment.",
    BALANCE="From the customer's balance.",
    CREDIT="From another invoice with a negative total.",
    CREDIT_NOTE="From a credit note of the invoice.",
)
describe(
    LedgerEntryKind,
    "Why a customer's balance changed.",
    OVERPAYMENT="The part of a payment that was not applied to invoices was added.",
    INVOICE_CREDIT="The part of an invoice's negative total that was not applied to other invoices was added.",
    APPLIED="The amount that was applied to an invoice was subtracted.",
    GIVEN_BACK=(
        "Amounts that had paid an invoice were added back: those from the balance and credits because the invoice was"
        " voided, or those from the balance because the reversal of a payment needed them."
    ),
    CREDIT_NOTE="A credit note was issued. Its `restoredCents` and `balanceCents` were added.",
    CREDIT_NOTE_VOIDED="A credit note was voided. What it had added was subtracted.",
    REVERSAL="A payment was reversed. The part of it that had been added to the balance was subtracted.",
    REFUND="Money was sent back from the balance. The amount was subtracted.",
    ADJUSTMENT="You raised or lowered the balance, for example as goodwill.",
)


@strawberry.type(
    description=(
        "An amount applied to an invoice, from a payment, the customer's balance, the credit of another invoice, or a"
        " credit note."
    )
)
class Allocation:
    id: strawberry.ID = field("The allocation's id: a UUID.")
    kind: AllocationKind = field("The source of the amount.")
    amount_cents: Cents = field("The amount, in minor units of the invoice's currency. Always more than 0.")
    created_at: datetime = field("When it was applied to the invoice.")
    released_at: datetime | None = field(
        "When the allocation was released, because the invoice or its credit note was voided, or a payment was"
        " reversed. Null if it still counts. If only a part was released, another allocation has the rest."
    )

    invoice: LazyInvoice = edge(invoices_by_id, "invoice_id", "The invoice to which it is applied.")
    payment: LazyPayment | None = edge(
        payments_by_id, "payment_id", "The payment that it comes from. Null for other kinds."
    )
    source_invoice: LazyInvoice | None = edge(
        invoices_by_id, "source_invoice_id", "The invoice whose credit it comes from. Null for other kinds."
    )
    credit_note: LazyCreditNote | None = edge(
        credit_notes_by_id,
        "credit_note_id",
        "The credit note that it comes from. Null for other kinds, and in customer sessions that may not see it.",
    )


@strawberry.type(
    description=(
        "A payment from a customer, received outside this server. It can be reversed if it failed, and refunded if you"
        " send money back."
    )
)
class Payment(Node):
    row: ClassVar = models.Payment

    amount_cents: Cents = field("The amount received, in minor units of `currency`. Always more than 0.")
    overpayment_cents: Cents = field(
        "The part that was not applied to invoices but added to the customer's balance, in minor units of `currency`."
    )
    currency: Currency = field("The currency, which is the customer's currency.")
    method: PaymentMethod = field("The payment method.")
    refunded_cents: Cents = field("The part that has been refunded so far, in minor units of `currency`.")
    reversed_cents: Cents = field("The part that has been reversed so far, in minor units of `currency`.")
    reversed_at: datetime | None = field("When the payment was last reversed, in whole or in part. Null if never.")
    reference: str | None = field("Your reference for the payment, such as the bank's transfer id. Null if not set.")
    received_at: datetime = field("When the money was received.")
    version: int = field("Version of the payment. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the payment was recorded.")

    @strawberry.field(description="When the payment was last changed.", metadata={READS: {"updated_at", "created_at"}})
    def updated_at(self) -> datetime:
        row: models.Payment = self  # type: ignore[assignment]
        return row.updated_at or row.created_at

    metadata: list[MetadataEntry] = metadata_field()

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "The customer who paid.")
    allocations: list[Allocation] = edge(
        allocations_by_payment,
        "id",
        "The allocations of this payment to invoices, in the order in which they were made. Includes released ones.",
    )
    reversals: list[Reversal] = edge(reversals_by_payment, "id", "The reversals of this payment, oldest first.")
    refunds: list[Refund] = edge(refunds_by_payment, "id", "The refunds of this payment, oldest first.")
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The customer's test clock. Null if the customer is in real time.",
    )


@strawberry.input(description="Filter for payments. Omitted fields do not filter; an unknown id matches none.")
class PaymentFilter:
    method: list[PaymentMethod] | None = strawberry.field(
        default=None, description="Only payments with one of these methods."
    )
    received_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only payments received in this range."
    )
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Only payments of this customer.")
    reference: str | None = strawberry.field(
        default=None, description="Only payments with exactly this reference. Case matters."
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only payments recorded in this range."
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only payments of customers on this test clock."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *id_is("customer_id", self.customer_id),
            *equals("reference", self.reference),
            *any_of("method", self.method),
            *within("received_at", self.received_at),
            *within("created_at", self.created_at),
            *id_is("test_clock_id", self.test_clock_id),
        )


@strawberry.enum(description="The field to sort payments by.")
class PaymentOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the payment was recorded.")
    RECEIVED_AT = strawberry.enum_value("received_at", description="When the money was received.")
    AMOUNT = strawberry.enum_value("amount_cents", description="Amount received.")


@strawberry.input(description="Sort order of payments.")
class PaymentOrder:
    field: PaymentOrderField = strawberry.field(
        default=PaymentOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")


@strawberry.type(
    description=(
        "A change of a customer's balance. The ledger is append-only, and the amounts of all entries add up to"
        " the balance."
    )
)
class LedgerEntry:
    id: strawberry.ID = field("The entry's id: a UUID.")
    sequence: int = field("The sequence number of the entry: 1, 2, 3 and so on per customer, without gaps.")
    kind: LedgerEntryKind = field("Why the balance changed.")
    amount_cents: Cents = field(
        "The change in minor units of `currency`: positive if the balance increased, negative if it decreased. Never 0."
    )
    balance_after_cents: Cents = field("The balance after the change, in minor units of `currency`. Never negative.")
    currency: Currency = field("The currency, which is the customer's currency.")
    reason: str | None = field("The reason that was given for an adjustment. Null for other kinds.")
    created_at: datetime = field("When the balance changed.")

    invoice: LazyInvoice | None = edge(
        invoices_by_id,
        "invoice_id",
        "The invoice that the balance was applied to, or that added to it. Null for kinds without an invoice.",
    )
    payment: LazyPayment | None = edge(
        payments_by_id,
        "payment_id",
        "The payment whose excess was added, or that was reversed or refunded. Null for kinds without a payment.",
    )
    credit_note: LazyCreditNote | None = edge(
        credit_notes_by_id,
        "credit_note_id",
        "The credit note that was issued or voided. Null for other kinds, and in customer sessions that may not see"
        " it.",
    )


@strawberry.input(description="Filter for ledger entries. Omitted fields do not filter.")
class LedgerEntryFilter:
    kind: list[LedgerEntryKind] | None = strawberry.field(default=None, description="Only entries of these kinds.")
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only entries created in this range.")

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("kind", self.kind), *within("created_at", self.created_at))


@strawberry.enum(description="The field to sort ledger entries by.")
class LedgerEntryOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the balance changed.")


@strawberry.input(description="Sort order of ledger entries.")
class LedgerEntryOrder:
    field: LedgerEntryOrderField = strawberry.field(
        default=LedgerEntryOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
