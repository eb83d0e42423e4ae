"""Customers."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from db import models
from db.queries.lookups import live_subscriptions_by_customer
from db.queries.pages import Condition
from graph.connections import Connection, OrderDirection, connection
from graph.edges import edge
from graph.scalars import Currency
from graph.types.common import (
    Address,
    DateTimeRange,
    LazyInvoice,
    LazySubscription,
    MetadataEntry,
    Node,
    equals,
    field,
    is_set,
    metadata_field,
    within,
)
from graph.types.invoices import InvoiceFilter, InvoiceOrder
from graph.types.subscriptions import SubscriptionFilter, SubscriptionOrder


@strawberry.type(description="Who is billed: a person or a company. Customers are archived, never deleted.")
class Customer(Node):
    row: ClassVar = models.Customer

    name: str = field("The name on invoices.")
    email: str = field("The e-mail address, unique among all customers without regard to upper and lower case.")
    external_id: str | None = field("The id that the caller's own system has for this customer, unique.")
    address: Address | None = field("The postal address on invoices.")
    tax_id: str | None = field("The tax number on invoices, such as a VAT id.")
    currency: Currency | None = field(
        "The currency that this customer is billed in: the first subscription fixes it for good."
    )
    archived_at: datetime | None = field("When the customer was taken out of use; null for one in use.")
    version: int = field("Goes up by one with each change of the customer, from 1.")
    created_at: datetime = field("When the customer was created.")
    updated_at: datetime = field("When the customer was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    subscription: LazySubscription | None = edge(
        live_subscriptions_by_customer, "id", "The live subscription: the one that is not CANCELED."
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
        description="All invoices, of all subscriptions.",
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

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *is_set("archived_at", self.archived),
            *equals("currency", self.currency),
            *within("created_at", self.created_at),
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
