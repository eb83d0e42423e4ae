"""Payments, what they pay, and the ledger of a customer's balance."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing.words import AllocationKind, LedgerEntryKind, PaymentMethod
from db import models
from db.queries.lookups import allocations_by_payment, customers_by_id, invoices_by_id, payments_by_id
from db.queries.pages import Condition
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import DateTimeRange, Node, any_of, describe, field, within
from graph.schema.types.lazy import LazyCustomer, LazyInvoice, LazyPayment

describe(
    PaymentMethod,
    "How money came.",
    BANK_TRANSFER="The customer sent it from a bank account.",
    CARD="It was charged to a card.",
    DIRECT_DEBIT="It was collected from a bank account.",
    CASH="It was handed over.",
    CHECK="By check.",
    OTHER="In another way.",
)
describe(
    AllocationKind,
    "Where money that was put against an invoice came from.",
    PAYMENT="From a payment.",
    BALANCE="From the customer's balance.",
    CREDIT="From another invoice, on which more was given back than billed.",
)
describe(
    LedgerEntryKind,
    "Why a customer's balance changed.",
    OVERPAYMENT="A payment was more than the invoices took; the rest was added.",
    INVOICE_CREDIT="More was given back on an invoice than billed, and no unpaid invoice took it; the rest was added.",
    APPLIED="An invoice was paid from the balance; what it took was subtracted.",
    GIVEN_BACK="An invoice was voided; what balance and credits had paid of it was added again.",
)


@strawberry.type(
    description=(
        "A part of an invoice's total that is paid: by a payment, from the customer's balance, or by the credit of "
        "another invoice."
    )
)
class Allocation:
    id: strawberry.ID = field("The allocation's id: a UUID.")
    kind: AllocationKind = field("Where the money came from.")
    amount_cents: Cents = field("How much, in minor units of the invoice's currency; more than 0.")
    created_at: datetime = field("When it was put against the invoice.")
    released_at: datetime | None = field(
        "When it was taken off again because the invoice was voided; null for what counts. A payment's never is."
    )

    invoice: LazyInvoice = edge(invoices_by_id, "invoice_id", "The invoice that it pays.")
    payment: LazyPayment | None = edge(
        payments_by_id, "payment_id", "The payment that it is a part of; null for the other kinds."
    )
    source_invoice: LazyInvoice | None = edge(
        invoices_by_id, "source_invoice_id", "The invoice whose credit it is a part of; null for the other kinds."
    )


@strawberry.type(
    description=(
        "Money that was received from a customer, outside this server. It never changes. Its allocations and "
        "`overpaymentCents` add up to it."
    )
)
class Payment(Node):
    row: ClassVar = models.Payment

    amount_cents: Cents = field("How much was received, in minor units of `currency`; more than 0.")
    overpayment_cents: Cents = field(
        "What of it no invoice took, in minor units of `currency`: it was added to the customer's balance."
    )
    currency: Currency = field("The currency: the one that the customer is billed in.")
    method: PaymentMethod = field("How the money came.")
    reference: str | None = field(
        "What identifies it where it came from, such as a bank's id of the transfer; null for none."
    )
    received_at: datetime = field("When the money was received.")
    created_at: datetime = field("When the payment was recorded.")

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "Who paid.")
    allocations: list[Allocation] = edge(
        allocations_by_payment, "id", "What of it went to which invoice, in the order that it was put there."
    )


@strawberry.input(description="Which payments. What is left out is no condition.")
class PaymentFilter:
    method: list[PaymentMethod] | None = strawberry.field(
        default=None, description="Only those that came in one of these ways."
    )
    received_at: DateTimeRange | None = strawberry.field(default=None, description="Only those received in this span.")

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("method", self.method), *within("received_at", self.received_at))


@strawberry.enum(description="What payments are ordered by.")
class PaymentOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the payment was recorded.")
    RECEIVED_AT = strawberry.enum_value("received_at", description="When the money was received.")
    AMOUNT = strawberry.enum_value("amount_cents", description="How much was received.")


@strawberry.input(description="An order of payments.")
class PaymentOrder:
    field: PaymentOrderField = strawberry.field(default=PaymentOrderField.CREATED_AT, description="What to order by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")


@strawberry.type(
    description=(
        "A change of a customer's balance. Entries are only ever added; the amounts of all of them add up to the "
        "balance."
    )
)
class LedgerEntry:
    id: strawberry.ID = field("The entry's id: a UUID.")
    sequence: int = field("The running number among the customer's entries: 1, 2, 3 and so on, without gap.")
    kind: LedgerEntryKind = field("Why the balance changed.")
    amount_cents: Cents = field(
        "By how much, in minor units of `currency`: positive where we owe the customer more than before, negative "
        "where less. Never 0."
    )
    balance_after_cents: Cents = field("The balance after the change, in minor units of `currency`; never negative.")
    currency: Currency = field("The currency: the one that the customer is billed in.")
    created_at: datetime = field("When the balance changed.")

    invoice: LazyInvoice | None = edge(
        invoices_by_id,
        "invoice_id",
        "The invoice that took from the balance, or gave to it; null for what a payment gave.",
    )
    payment: LazyPayment | None = edge(
        payments_by_id, "payment_id", "The payment that was too much; null for what has to do with an invoice."
    )


@strawberry.input(description="Which entries of a ledger. What is left out is no condition.")
class LedgerEntryFilter:
    kind: list[LedgerEntryKind] | None = strawberry.field(default=None, description="Only those of one of these kinds.")
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only those made in this span.")

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("kind", self.kind), *within("created_at", self.created_at))


@strawberry.enum(description="What the entries of a ledger are ordered by.")
class LedgerEntryOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the balance changed.")


@strawberry.input(description="An order of the entries of a ledger.")
class LedgerEntryOrder:
    field: LedgerEntryOrderField = strawberry.field(
        default=LedgerEntryOrderField.CREATED_AT, description="What to order by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")
