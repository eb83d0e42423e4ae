"""The tables. Rows have no relationships: every edge is a batched read of `db.queries`; nothing loads by accident."""

from db.models.base import Base
from db.models.customers import Customer
from db.models.invoices import Invoice, InvoiceLine
from db.models.plans import Plan
from db.models.subscriptions import BillingPeriod, Subscription

__all__ = ["Base", "BillingPeriod", "Customer", "Invoice", "InvoiceLine", "Plan", "Subscription"]
