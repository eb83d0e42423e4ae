"""Invoices and their lines."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from billing.words import InvoiceKind, InvoiceStatus, LineKind
from db import models
from db.queries.lookups import (
    allocations_by_invoice,
    customers_by_id,
    invoices_by_id,
    lines_by_id,
    lines_by_invoice,
    payments_by_invoice,
    plans_by_id,
    replacements_by_invoice,
    subscriptions_by_id,
    test_clocks_by_id,
)
from db.queries.pages import Condition
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import Address, DateTimeRange, Node, any_of, describe, field, id_is, in_currency, within
from graph.schema.types.lazy import (
    LazyCustomer,
    LazyInvoice,
    LazyInvoiceLine,
    LazyPlan,
    LazySubscription,
    LazyTestClock,
)
from graph.schema.types.payments import Allocation, Payment

describe(
    InvoiceStatus,
    "Where an invoice stands.",
    DRAFT="It is being put together: no number yet, and it can still change, or be deleted.",
    OPEN="It is finalized and owed.",
    PAID="Nothing is owed on it any more. A total of 0 or less is PAID from the start.",
    VOID="It was taken back: it was never owed.",
    UNCOLLECTIBLE="It is owed, and nobody expects to see the money.",
)
describe(
    InvoiceKind,
    "What an invoice is for.",
    RECURRING="A period of a subscription.",
    PRORATION="A change of a subscription within a period, or its end.",
    ONE_OFF="Something outside any subscription.",
)
describe(
    LineKind,
    "What a line is for.",
    RECURRING="A whole period of a plan.",
    TRIAL="A trial period, which costs nothing.",
    PRORATION_CREDIT="What was billed for the rest of a period, given back.",
    PRORATION_CHARGE="The rest of a period on new terms.",
    ONE_OFF="Something outside any plan.",
)


@strawberry.type(description="Who an invoice is addressed to, as it stood when the invoice was finalized.")
class BillTo:
    name: str = field("The customer's name then.")
    email: str = field("The customer's e-mail address then.")
    address: Address | None = field("The customer's postal address then; null for none.")
    tax_id: str | None = field("The customer's tax number then; null for none.")


@strawberry.type(description="One position of an invoice.")
class InvoiceLine:
    id: strawberry.ID = field("The line's id: a UUID.")
    kind: LineKind = field("What the line is for.")
    description: str = field("What the line is for, in the words of the day it was billed.")
    quantity: int = field("How many units.")
    unit_amount_cents: Cents = field(
        "The price of one unit for a whole period, in minor units of the invoice's currency."
    )
    amount_cents: Cents = field(
        "What the line adds to the invoice, in minor units of the invoice's currency; negative for a credit."
    )
    period_ordinal: int | None = field(
        "Which of the subscription's periods the line belongs to, a trial included, counted from 0; null for what is "
        "outside any subscription."
    )
    period_start: datetime | None = field("When the span that the line is for begins; null for what has none.")
    period_end: datetime | None = field("When the span that the line is for ends (not in it); null for what has none.")

    plan: LazyPlan | None = edge(plans_by_id, "plan_id", "The plan that is billed; null for what is outside any plan.")
    invoice: LazyInvoice = edge(invoices_by_id, "invoice_id", "The invoice that the line is on.")
    reverses: LazyInvoiceLine | None = edge(
        lines_by_id,
        "reverses_line_id",
        "The line that this one gives back, in whole or in part; null for what is no credit.",
    )


@strawberry.type(
    description=(
        "What a customer owes, or is given back: for a period of a subscription, for a change within one, or for "
        "something else. From the moment it is finalized, which gives it its number, an invoice and its lines never "
        "change: only its status does, and what is due."
    )
)
class Invoice(Node):
    row: ClassVar = models.Invoice

    number: str | None = field(
        "The number on the invoice, such as `7K2M9QXW4T-0001`: unique, and without gap among the customer's invoices; "
        "null for a draft."
    )
    kind: InvoiceKind = field("What the invoice is for.")
    status: InvoiceStatus = field("Where the invoice stands.")
    currency: Currency = field("The currency of all amounts on the invoice.")
    subtotal_cents: Cents = field("The sum of the lines, in minor units of `currency`.")
    tax_cents: Cents = field("The tax on top, in minor units of `currency`.")
    amount_cents: Cents = field(
        "The total: subtotal and tax, in minor units of `currency`. Negative where more is given back than billed: "
        "that goes to the customer's unpaid invoices, and the rest to the balance."
    )
    amount_due_cents: Cents = field(
        "What is still to be paid of the total, in minor units of `currency`: the total without the allocations that "
        "count, and 0 for what is VOID. Never negative."
    )
    bill_to: BillTo | None = field("Who the invoice is addressed to; null for a draft.")
    period_start: datetime = field(
        "When the span that the invoice is for begins. A one-off invoice has an empty span, at its creation."
    )
    period_end: datetime = field("When the span that the invoice is for ends (not in it).")
    issued_at: datetime | None = field("When the invoice was finalized; null for a draft.")
    due_at: datetime | None = field(
        "When it is to be paid: so many days after it was issued as the invoice's own `netDays` say, or the "
        f"customer's, or the plan's, or {limits.NET_DAYS}. Null for a draft."
    )
    net_days: int | None = field(
        "Days from the issue to the due date that were asked for with this one-off invoice; null where the customer's, "
        f"the plan's or {limits.NET_DAYS} count."
    )
    paid_at: datetime | None = field("When it became PAID; null for what is not.")
    version: int = field("Goes up by one with each change of the invoice, from 1.")
    created_at: datetime = field("When the invoice was created.")
    updated_at: datetime = field("When the invoice was last changed.")

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "Who owes it.")
    subscription: LazySubscription | None = edge(
        subscriptions_by_id,
        "subscription_id",
        "The subscription that is billed; null for a one-off invoice, which is outside any.",
    )
    lines: list[InvoiceLine] = edge(
        lines_by_invoice, "id", f"What is billed, in order; at most {limits.MAX_LINES} lines."
    )
    allocations: list[Allocation] = edge(
        allocations_by_invoice,
        "id",
        "What was put against it, oldest first: of payments, of the balance, of credits. Released ones are there too.",
    )
    payments: list[Payment] = edge(
        payments_by_invoice,
        "id",
        "The payments that something was put against it of, oldest first: how much, its `allocations` say.",
    )
    replaces: LazyInvoice | None = edge(
        invoices_by_id, "replaces_id", "The voided invoice that this one was issued in place of; null for all others."
    )
    replaced_by: LazyInvoice | None = edge(
        replacements_by_invoice, "id", "The invoice that was issued in place of this voided one; null where none was."
    )
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The test clock in whose time it lives: the customer's. Null for one in the time of the world.",
    )


@strawberry.input(description="Which invoices. What is left out is no condition; an unknown id matches none.")
class InvoiceFilter:
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this customer.")
    subscription_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those of this subscription."
    )
    status: list[InvoiceStatus] | None = strawberry.field(
        default=None, description="Only those in one of these states."
    )
    kind: list[InvoiceKind] | None = strawberry.field(default=None, description="Only those of one of these kinds.")
    currency: Currency | None = strawberry.field(default=None, description="Only those in this currency.")
    issued_at: DateTimeRange | None = strawberry.field(default=None, description="Only those finalized in this span.")
    due_at: DateTimeRange | None = strawberry.field(default=None, description="Only those due in this span.")
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those in the time of this test clock."
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


@strawberry.enum(description="What invoices are ordered by.")
class InvoiceOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the invoice was created.")
    PERIOD_START = strawberry.enum_value("period_start", description="When the billed span begins.")
    DUE_AT = strawberry.enum_value(
        "due_at", description="When it is to be paid. A list in this order leaves drafts out, which have no such date."
    )
    AMOUNT = strawberry.enum_value("amount_cents", description="The total, without regard to the currency.")


@strawberry.input(description="An order of invoices.")
class InvoiceOrder:
    field: InvoiceOrderField = strawberry.field(default=InvoiceOrderField.CREATED_AT, description="What to order by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")
