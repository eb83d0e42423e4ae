"""The tables. Models declare no relationships: `db.queries` reads related rows in batches, and nothing loads lazily."""

from db.models.access import ApiKey, RateBucket
from db.models.base import Base
from db.models.corrections import CreditNote, CreditNoteLine, Refund, Reversal
from db.models.customers import Customer
from db.models.discounts import Coupon, Discount
from db.models.events import Event
from db.models.figures import DailyFigures, FiguresWatermark, MrrMovement
from db.models.invoices import Invoice, InvoiceLine
from db.models.payments import Allocation, LedgerEntry, Payment
from db.models.plans import Plan
from db.models.runs import BillingRun, IdempotencyKey, TestClock
from db.models.subscriptions import BillingHold, BillingPeriod, PendingLine, Subscription, Trial
from db.models.taxes import Seller, TaxRate
from db.models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookProgress

__all__ = [
    "Allocation",
    "ApiKey",
    "Base",
    "BillingHold",
    "BillingPeriod",
    "BillingRun",
    "Coupon",
    "CreditNote",
    "CreditNoteLine",
    "Customer",
    "DailyFigures",
    "Discount",
    "Event",
    "FiguresWatermark",
    "IdempotencyKey",
    "Invoice",
    "InvoiceLine",
    "LedgerEntry",
    "MrrMovement",
    "Payment",
    "PendingLine",
    "Plan",
    "RateBucket",
    "Refund",
    "Reversal",
    "Seller",
    "Subscription",
    "TaxRate",
    "TestClock",
    "Trial",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookProgress",
]
