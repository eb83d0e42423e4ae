"""Invoices and their lines."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from billing.enums import InvoiceKind, InvoiceStatus, LineKind, TaxBehavior
from db import models
from db.queries.conditions import Condition
from db.queries.lookups import (
    allocations_by_invoice,
    customers_by_id,
    invoices_by_id,
    lines_by_id,
    lines_by_invoice,
    payments_by_invoice,
    plans_by_id,
    replacements_by_invoice,
    sellers_by_id,
    subscriptions_by_id,
    test_clocks_by_id,
)
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import (
    BillTo,
    DateTimeRange,
    MetadataEntry,
    Node,
    any_of,
    describe,
    field,
    id_is,
    in_currency,
    metadata_field,
    within,
)
from graph.schema.types.corrections import CreditNote, CreditNoteFilter, CreditNoteOrder
from graph.schema.types.discounts import AppliedDiscount, applied_discounts_field
from graph.schema.types.lazy import (
    LazyCustomer,
    LazyInvoice,
    LazyInvoiceLine,
    LazyPlan,
    LazySeller,
    LazySubscription,
    LazyTestClock,
)
from graph.schema.types.payments import Allocation, Payment
from graph.schema.types.taxes import AppliedTax, behavior_field, line_net_field, line_taxes_field, read_taxes
from services.creditable import creditable_by_invoice, creditable_by_line

describe(
    InvoiceStatus,
    "The status of an invoice.",
    DRAFT="It has no number yet and can still be changed or deleted.",
    OPEN="It is finalized and owed.",
    PAID="Nothing is owed on it. An invoice with a total of 0 or less is PAID as soon as it is finalized.",
    VOID="It was voided and counts as never owed.",
    UNCOLLECTIBLE="It is still owed, but is not expected to be paid.",
)
describe(
    InvoiceKind,
    "The kind of an invoice.",
    RECURRING="A period of a subscription.",
    PRORATION="A change of a subscription within a period, or the end of the subscription.",
    ONE_OFF="A one-off charge outside any subscription.",
)
describe(
    LineKind,
    "The kind of an invoice line.",
    RECURRING="The full price of a period of a plan.",
    TRIAL="A trial period, which costs nothing.",
    PRORATION_CREDIT="A credit for the unused part of a period.",
    PRORATION_CHARGE=(
        "The prorated price of a part of a period: the remaining part on new terms, or a period that is shorter than a"
        " whole one. 0 if that period is free."
    ),
    ONE_OFF="A one-off charge outside any plan.",
)


@strawberry.type(description="A line of an invoice.")
class InvoiceLine:
    id: strawberry.ID = field("The line's id: a UUID.")
    kind: LineKind = field("The kind of the line.")
    description: str = field("Description of the line, as of the time it was billed.")
    quantity: int = field("Number of units.")
    unit_amount_cents: Cents = field("Price of one unit for a whole period, in minor units of the invoice's currency.")
    amount_cents: Cents = field(
        "Amount of the line before discounts, in minor units of the invoice's currency. Includes tax if `taxBehavior`"
        " is INCLUSIVE. Negative for a credit."
    )
    discount_cents: Cents = field("The sum of all discounts on the line, in minor units. 0 or more; 0 for a credit.")
    net_cents: Cents = line_net_field()
    tax_behavior: TaxBehavior = behavior_field("The tax treatment of `amountCents`.")
    taxes: list[AppliedTax] = line_taxes_field()
    period_ordinal: int | None = field(
        "The number of the subscription's period that the line belongs to, counted from 0 and including a trial."
        " Null if the line belongs to no subscription."
    )
    period_start: datetime | None = field("Start of the time range that the line covers. Null if it covers none.")
    period_end: datetime | None = field(
        "End of the time range that the line covers, exclusive. Null if it covers none."
    )

    plan: LazyPlan | None = edge(plans_by_id, "plan_id", "The plan that is billed. Null if the line is for no plan.")
    invoice: LazyInvoice = edge(invoices_by_id, "invoice_id", "The invoice that the line is on.")
    reverses: LazyInvoiceLine | None = edge(
        lines_by_id,
        "reverses_line_id",
        "The line that this one credits, in whole or in part. Null if it is not a credit.",
    )
    creditable_cents: Cents = edge(
        creditable_by_line,
        "id",
        "The amount that can still be credited for this line with `createCreditNote`, in minor units of the invoice's"
        " currency: its amount, less credit notes and proration credits. 0 for a credit, and on DRAFT and VOID"
        " invoices.",
    )


@strawberry.type(
    description=(
        "A statement of what a customer owes or is credited, for a period of a subscription, for a change within"
        " a period, or for a one-off item. Finalizing an invoice gives it a number. After that, the invoice and"
        " its lines never change, except for its status, the amount due and its metadata."
    )
)
class Invoice(Node):
    row: ClassVar = models.Invoice

    number: str | None = field(
        "The invoice number, such as `7K2M9QXW4T-0001`. Unique, and sequential without gaps per customer. Null"
        " for a draft."
    )
    kind: InvoiceKind = field("The kind of the invoice.")
    status: InvoiceStatus = field("The status of the invoice.")
    currency: Currency = field("The currency of all amounts on the invoice.")
    subtotal_cents: Cents = field("The sum of the `netCents` of the lines, in minor units of `currency`.")
    discount_cents: Cents = field(
        "The sum of the discounts of the lines, in minor units of `currency`. The subtotal is after discounts."
    )
    discounts: list[AppliedDiscount] = applied_discounts_field(
        "The discounts that lowered the invoice, in the order applied. Their amounts add up to `discountCents`. Those"
        " of a draft are as of its last change, and are decided again when it is finalized."
    )
    tax_cents: Cents = field("The sum of the taxes, in minor units of `currency`.")
    rounding_cents: Cents = field(
        "The amount, in minor units of `currency`, that rounds the total to the seller's increment. 0 without one."
    )
    taxes: list[AppliedTax] = read_taxes(
        "The taxes, each for a group of lines: those with the same category and percentage of VAT, or the same rate of"
        " a sales tax. Tax is rounded once for each group, half away from zero."
    )
    tax_date: datetime | None = field(
        "The date that determines which tax rates apply: `issuedAt`, or the tax date of the invoice that this one"
        " replaces. Null for a draft, and for invoices issued before this server supported taxes."
    )
    amount_cents: Cents = field(
        "The total: subtotal plus tax plus rounding, in minor units of `currency`. Negative if the credits exceed the"
        " charges: the excess is applied to the customer's unpaid invoices, and the remainder is added to the balance."
    )
    amount_due_cents: Cents = field(
        "The amount still to be paid, in minor units of `currency`: the total minus all allocations that are not"
        " released. 0 for a VOID invoice. Never negative."
    )
    bill_to: BillTo | None = field("The billing details on the invoice. Null for a draft.")
    period_start: datetime = field(
        "Start of the time range that the invoice covers. For a one-off invoice, start and end are both its"
        " creation time."
    )
    period_end: datetime = field("End of the time range that the invoice covers, exclusive.")
    issued_at: datetime | None = field("When the invoice was finalized. Null for a draft.")
    due_at: datetime | None = field(
        "The due date: `issuedAt` plus the `netDays` of the invoice, else of the customer, else of the plan,"
        f" else {limits.NET_DAYS} days. Null for a draft."
    )
    net_days: int | None = field(
        "Payment terms set on this one-off invoice, in days from issue to due date. If null, the customer's"
        f" value applies, else {limits.NET_DAYS}."
    )
    po_number: str | None = field(
        "The customer's purchase order number. If a draft has none, the customer's `poNumber` is copied when it is"
        " finalized. Null if not set."
    )
    memo: str | None = field(
        "Text shown on the invoice. If a draft has none, the customer's `invoiceMemo` is copied when it is finalized."
        " Null if not set."
    )
    paid_at: datetime | None = field("When the invoice became PAID. Null if it is not PAID.")
    version: int = field("Version of the invoice. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the invoice was created.")
    updated_at: datetime = field("When the invoice was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "The customer that is billed.")
    subscription: LazySubscription | None = edge(
        subscriptions_by_id,
        "subscription_id",
        "The subscription that is billed. Null for a one-off invoice.",
    )
    seller: LazySeller | None = edge(
        sellers_by_id,
        "seller_id",
        "The version of the seller's profile when the invoice was finalized. Null for a draft, and if there was none.",
    )
    lines: list[InvoiceLine] = edge(
        lines_by_invoice, "id", f"The lines of the invoice, in order. At most {limits.MAX_LINES}."
    )
    allocations: list[Allocation] = edge(
        allocations_by_invoice,
        "id",
        "Allocations to this invoice from payments, the balance and credits, oldest first. Includes released"
        " allocations.",
    )
    payments: list[Payment] = edge(
        payments_by_invoice,
        "id",
        "Payments applied to this invoice, oldest first. See `allocations` for the amounts. Includes reversed ones.",
    )
    creditable_cents: Cents = edge(
        creditable_by_invoice,
        "id",
        "The amount that can still be credited with `createCreditNote`, in minor units of `currency`: with tax and"
        " rounding, and at most the total less earlier credit notes. 0 for DRAFT and VOID invoices.",
    )
    credit_notes: Connection[CreditNote] = connection(
        models.CreditNote,
        parent="invoice_id",
        filter_by=CreditNoteFilter,
        order_by=CreditNoteOrder,
        description="The credit notes of this invoice, including void ones.",
    )
    replaces: LazyInvoice | None = edge(
        invoices_by_id, "replaces_id", "The voided invoice that this one replaces. Null if it replaces none."
    )
    replaced_by: LazyInvoice | None = edge(
        replacements_by_invoice, "id", "The invoice that replaces this voided one. Null if there is none."
    )
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The customer's test clock. Null if the customer is in real time.",
    )


@strawberry.input(description="Filter for invoices. Omitted fields do not filter; an unknown id matches none.")
class InvoiceFilter:
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Only invoices of this customer.")
    subscription_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only invoices of this subscription."
    )
    status: list[InvoiceStatus] | None = strawberry.field(
        default=None, description="Only invoices with one of these statuses."
    )
    kind: list[InvoiceKind] | None = strawberry.field(default=None, description="Only invoices of these kinds.")
    currency: Currency | None = strawberry.field(default=None, description="Only invoices in this currency.")
    issued_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only invoices finalized in this range."
    )
    due_at: DateTimeRange | None = strawberry.field(default=None, description="Only invoices due in this range.")
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only invoices of customers on this test clock."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *id_is("customer_id", self.customer_id),
            *id_is("subscription_id", self.subscription_id),
            *any_of("status", self.status),
            *any_of("kind", self.kind),
            *in_currency(self.currency),
            *within("issued_at", self.issued_at),
            *within("due_at", self.due_at),
            *id_is("test_clock_id", self.test_clock_id),
        )


@strawberry.enum(description="The field to sort invoices by.")
class InvoiceOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the invoice was created.")
    PERIOD_START = strawberry.enum_value("period_start", description="Start of the time range that the invoice covers.")
    DUE_AT = strawberry.enum_value(
        "due_at", description="The due date. A list in this order omits drafts, which have no due date."
    )
    AMOUNT = strawberry.enum_value("amount_cents", description="The total in minor units, regardless of currency.")


@strawberry.input(description="Sort order of invoices.")
class InvoiceOrder:
    field: InvoiceOrderField = strawberry.field(
        default=InvoiceOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
