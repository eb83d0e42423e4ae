"""Lazy references to types. They allow types in different modules to refer to each other."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

if TYPE_CHECKING:
    from graph.schema.types.corrections import CreditNote
    from graph.schema.types.customers import Customer
    from graph.schema.types.discounts import Discount
    from graph.schema.types.invoices import Invoice, InvoiceLine
    from graph.schema.types.payments import Payment
    from graph.schema.types.plans import Plan
    from graph.schema.types.runs import TestClock
    from graph.schema.types.subscriptions import Subscription
    from graph.schema.types.taxes import Seller


LazyCustomer: TypeAlias = Annotated["Customer", strawberry.lazy("graph.schema.types.customers")]

LazyPlan: TypeAlias = Annotated["Plan", strawberry.lazy("graph.schema.types.plans")]

LazySubscription: TypeAlias = Annotated["Subscription", strawberry.lazy("graph.schema.types.subscriptions")]

LazyInvoice: TypeAlias = Annotated["Invoice", strawberry.lazy("graph.schema.types.invoices")]

LazyInvoiceLine: TypeAlias = Annotated["InvoiceLine", strawberry.lazy("graph.schema.types.invoices")]

LazyPayment: TypeAlias = Annotated["Payment", strawberry.lazy("graph.schema.types.payments")]

LazyCreditNote: TypeAlias = Annotated["CreditNote", strawberry.lazy("graph.schema.types.corrections")]

LazyDiscount: TypeAlias = Annotated["Discount", strawberry.lazy("graph.schema.types.discounts")]

LazySeller: TypeAlias = Annotated["Seller", strawberry.lazy("graph.schema.types.taxes")]

LazyTestClock: TypeAlias = Annotated["TestClock", strawberry.lazy("graph.schema.types.runs")]
