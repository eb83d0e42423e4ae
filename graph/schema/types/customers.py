"""Customers."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from db import models
from db.queries.lookups import live_subscriptions_by_customer, test_clocks_by_id
from db.queries.pages import Condition
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import (
    Address,
    DateTimeRange,
    MetadataEntry,
    Node,
    field,
    id_is,
    in_currency,
    is_set,
    metadata_field,
    within,
)
from graph.schema.types.events import Event, feed_by
from graph.schema.types.invoices import InvoiceFilter, InvoiceOrder
from graph.schema.types.lazy import LazyInvoice, LazySubscription, LazyTestClock
from graph.schema.types.payments import (
    LedgerEntry,
    LedgerEntryFilter,
    LedgerEntryOrder,
    Payment,
    PaymentFilter,
    PaymentOrder,
)
from graph.schema.types.subscriptions import SubscriptionFilter, SubscriptionOrder


@strawberry.type(description="Who is billed: a person or a company. Customers are archived, never deleted.")
class Customer(Node):
    row: ClassVar = models.Customer

    name: str = field("The name on invoices.")
    email: str = field("The e-mail address, unique among all customers without regard to upper and lower case.")
    external_id: str | None = field("The id that the caller's own system has for this customer, unique; null for none.")
    address: Address | None = field("The postal address on invoices; null for none.")
    tax_id: str | None = field("The tax number on invoices, such as a VAT id; null for none.")
    currency: Currency | None = field(
        "The currency that this customer is billed in: the first subscription, invoice or payment fixes it for good. "
        "Null before that."
    )
    balance_cents: Cents = field(
        "What we owe the customer, in minor units of `currency`: overpayments and credits that no invoice took. The "
        "next invoice is paid from it first. Never negative; what the customer owes is on the invoices."
    )
    net_days: int | None = field(
        "Days from the issue of this customer's invoices to their due date. Null: those of the plan, or "
        f"{limits.NET_DAYS}."
    )
    archived_at: datetime | None = field("When the customer was taken out of use; null for one in use.")
    version: int = field("Goes up by one with each change of the customer, from 1.")
    created_at: datetime = field("When the customer was created.")
    updated_at: datetime = field("When the customer was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    subscription: LazySubscription | None = edge(
        live_subscriptions_by_customer, "id", "The live subscription: the one that is not CANCELED. Null for none."
    )
    subscriptions: Connection[LazySubscription] = connection(
        models.Subscription,
        parent="customer_id",
        filter_by=SubscriptionFilter,
        order_by=SubscriptionOrder,
        description="All subscriptions, past ones too.",
    )
    invoices: Connection[LazyInvoice] = connection(
        models.Invoice,
        parent="customer_id",
        filter_by=InvoiceFilter,
        order_by=InvoiceOrder,
        description="All invoices, of all subscriptions and of none.",
    )
    payments: Connection[Payment] = connection(
        models.Payment,
        parent="customer_id",
        filter_by=PaymentFilter,
        order_by=PaymentOrder,
        description="All payments.",
    )
    ledger: Connection[LedgerEntry] = connection(
        models.LedgerEntry,
        parent="customer_id",
        filter_by=LedgerEntryFilter,
        order_by=LedgerEntryOrder,
        description="How `balanceCents` came about: each change of it.",
    )
    events: Connection[Event] = feed_by(
        "customer_id",
        "What happened to the customer and to what is the customer's, oldest first: the part of the feed `events` that "
        "is about them.",
    )
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The test clock that the customer was created on, in whose time all that is the customer's lives; null for "
        "one in the time of the world.",
    )


@strawberry.input(description="Which customers. What is left out is no condition.")
class CustomerFilter:
    archived: bool | None = strawberry.field(
        default=None, description="True: only archived customers; false: only those in use."
    )
    currency: Currency | None = strawberry.field(
        default=None, description="Only customers that are billed in this currency."
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only customers created in this span."
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only customers in the time of this test clock; an unknown id matches none."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *is_set("archived_at", self.archived),
            *in_currency(self.currency),
            *within("created_at", self.created_at),
            *id_is("test_clock_id", self.test_clock_id),
        )


@strawberry.enum(description="What customers are ordered by. Texts go by code point.")
class CustomerOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the customer was created.")
    NAME = strawberry.enum_value("name", description="The name.")
    EMAIL = strawberry.enum_value("email", description="The e-mail address.")


@strawberry.input(description="An order of customers.")
class CustomerOrder:
    field: CustomerOrderField = strawberry.field(default=CustomerOrderField.CREATED_AT, description="What to order by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")
