"""Lookups of rows by key. Each sends one statement for many keys, and returns the results in the order of the keys.

A lookup is called with the `Reads` of a request and the keys. `only` limits it to some columns.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from sqlalchemy import ColumnElement, and_, any_, bindparam, func, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from billing.enums import SubscriptionStatus
from db.access.reads import Reads, RowQuery
from db.access.statements import cached
from db.models import (
    Allocation,
    Base,
    BillingHold,
    Coupon,
    CreditNote,
    CreditNoteLine,
    Customer,
    Discount,
    Event,
    Invoice,
    InvoiceLine,
    Payment,
    PendingLine,
    Plan,
    Refund,
    Reversal,
    Seller,
    Subscription,
    TaxRate,
    TestClock,
    WebhookDelivery,
    WebhookEndpoint,
)
from db.models.kinds import KINDS, Kind
from db.models.types import TransactionId
from db.queries.columns import Columns, selected, with_referred
from db.queries.pages import PARENT, PageRequest, is_on_parent, key_table, pages_by


@dataclass(frozen=True, slots=True)
class Lookup:
    """A lookup of rows of `model` by their column `key`. Reads all columns if `columns` is None."""

    model: type[Base]
    key: str
    columns: Columns = None

    def __str__(self) -> str:
        return f"{self.model.__tablename__} by {self.key}"

    def only(self, columns: Columns) -> Self:
        """Returns the same lookup, limited to these columns."""
        return replace(self, columns=columns)


@dataclass(frozen=True, slots=True)
class OneBy(Lookup):
    """Lookup of the row with each key, or None. With `live`, only subscriptions that are not canceled.

    The key must be unique among these rows.
    """

    live: bool = False

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[Any]:
        rows = await reads.rows(one_query(self.model, self.key, self.columns, self.live), keys=keys)
        found = {row[self.key]: row for row in rows}
        return [found.get(str(key)) for key in keys]


@dataclass(frozen=True, slots=True)
class CustomersByEmailKey(Lookup):
    """Lookup of the customer with each e-mail address, or None.

    Several customers may have the same address. Prefers those in real time to those on test clocks, then those that
    are not archived, then those that were archived last.
    """

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[Any]:
        rows = await reads.rows(email_query(self.columns), keys=keys)
        found = {row[PARENT]: row for row in rows}
        return [found.get(position) for position in range(1, len(keys) + 1)]


@dataclass(frozen=True, slots=True)
class ManyBy(Lookup):
    """Lookup of all rows with each key, ordered by the columns `order_by`."""

    order_by: tuple[str, ...] = ("id",)

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[list[Any]]:
        found: defaultdict[Any, list[Any]] = defaultdict(list)
        for row in await reads.rows(many_query(self.model, self.key, self.columns, self.order_by), keys=keys):
            found[row[self.key]].append(row)
        return [found[str(key)] for key in keys]


@dataclass(frozen=True, slots=True)
class LatestBy(Lookup):
    """Lookup of the newest row with each key, or None."""

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[Any]:
        newest = PageRequest(limit=1, descending=True)
        pages = await pages_by(reads, self.model, self.key, keys, newest, self.columns)
        return [page.rows[0] if page.rows else None for page in pages]


@dataclass(frozen=True, slots=True)
class PaymentsByInvoice(Lookup):
    """Lookup of the payments that were applied to each invoice, oldest first, without duplicates."""

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[list[Any]]:
        found: defaultdict[Any, dict[Any, Any]] = defaultdict(dict)
        for row in await reads.rows(payments_query(self.columns), keys=keys):
            found[row[PARENT]][row["id"]] = row
        return [list(found[str(key)].values()) for key in keys]


def has_one_of_the_keys(column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return column == any_(bindparam("keys", type_=ARRAY(column.type)))


@cached
def one_query(model: type[Base], key: str, columns: Columns, live: bool) -> RowQuery:
    column = getattr(model, key)
    statement = select(*selected(model, columns, key)).where(has_one_of_the_keys(column))
    if live:
        statement = statement.where(Subscription.status != SubscriptionStatus.CANCELED)
    return RowQuery(with_referred(statement, model, columns, partial(getattr, model)), model)


@cached
def email_query(columns: Columns) -> RowQuery:
    """Reads one customer for each key. A backward scan of `ix_customers_email_key` finds it first: nulls sort last."""
    keys = key_table(Customer.email_key.type)
    ranked = (Customer.test_clock_id, Customer.archived_at, Customer.id)
    best = (
        select(*selected(Customer, columns, "id"))
        .where(is_on_parent(Customer, "email_key"))
        .order_by(Customer.email_key.desc(), *(column.desc() for column in ranked))
        .limit(1)
        .lateral("best")
    )
    statement = select(keys.c.position.label(PARENT), *best.c).select_from(keys.join(best, true()))
    return RowQuery(with_referred(statement, Customer, columns, best.c.__getitem__), Customer)


@cached
def many_query(model: type[Base], key: str, columns: Columns, order_by: tuple[str, ...]) -> RowQuery:
    column = getattr(model, key)
    order = [getattr(model, name) for name in order_by]
    statement = select(*selected(model, columns, key)).where(has_one_of_the_keys(column)).order_by(*order)
    return RowQuery(with_referred(statement, model, columns, partial(getattr, model)), model)


@cached
def payments_query(columns: Columns) -> RowQuery:
    statement = (
        select(Allocation.invoice_id.label(PARENT), *selected(Payment, columns, "id"))
        .join(Payment, and_(Payment.id == Allocation.payment_id, Payment.customer_id == Allocation.customer_id))
        .where(has_one_of_the_keys(Allocation.invoice_id))
        .order_by(Payment.created_at, Payment.id)
    )
    return RowQuery(with_referred(statement, Payment, columns, partial(getattr, Payment)), Payment)


by_id = {kind.model: OneBy(kind.model, "id") for kind in KINDS}
"""The lookup by id for each kind of objects."""
customers_by_id = by_id[Customer]
customers_by_email_key = CustomersByEmailKey(Customer, "email_key")
customers_by_external_id = OneBy(Customer, "external_id")
plans_by_id = by_id[Plan]
plans_by_code = OneBy(Plan, "code")
subscriptions_by_id = by_id[Subscription]
live_subscriptions_by_customer = OneBy(Subscription, "customer_id", live=True)
invoices_by_id = by_id[Invoice]
invoices_by_number = OneBy(Invoice, "number")

coupons_by_code = OneBy(Coupon, "code")
latest_invoices_by_subscription = LatestBy(Invoice, "subscription_id")
replacements_by_invoice = OneBy(Invoice, "replaces_id")
lines_by_invoice = ManyBy(InvoiceLine, "invoice_id", order_by=("invoice_id", "position"))
lines_by_id = OneBy(InvoiceLine, "id")
pending_lines_by_subscription = ManyBy(PendingLine, "subscription_id")
billing_holds_by_subscription = OneBy(BillingHold, "subscription_id")
payments_by_id = by_id[Payment]
latest_payments_by_reference = LatestBy(Payment, "reference")
payments_by_invoice = PaymentsByInvoice(Payment, "id")
allocations_by_invoice = ManyBy(Allocation, "invoice_id", order_by=("created_at", "id"))
allocations_by_payment = ManyBy(Allocation, "payment_id", order_by=("created_at", "id"))
reversals_by_payment = ManyBy(Reversal, "payment_id", order_by=("created_at", "id"))
refunds_by_payment = ManyBy(Refund, "payment_id", order_by=("created_at", "id"))
refunds_by_credit_note = ManyBy(Refund, "credit_note_id", order_by=("created_at", "id"))
credit_notes_by_id = by_id[CreditNote]
credit_note_lines_by_note = ManyBy(CreditNoteLine, "credit_note_id", order_by=("credit_note_id", "position"))
sellers_by_id = by_id[Seller]
tax_rates_by_id = by_id[TaxRate]
coupons_by_id = by_id[Coupon]
discounts_by_id = by_id[Discount]
test_clocks_by_id = by_id[TestClock]
webhook_endpoints_by_id = by_id[WebhookEndpoint]
webhook_deliveries_by_id = OneBy(WebhookDelivery, "id")


@cached
def nodes_query() -> RowQuery:
    return RowQuery(
        union_all(
            *(
                select(literal(position).label(PARENT), id_of(kind).label("id")).where(has_one_of_the_keys(id_of(kind)))
                for position, kind in enumerate(KINDS)
            )
        ),
        Customer,
    )


def id_of(kind: Kind) -> InstrumentedAttribute[Any]:
    column: InstrumentedAttribute[Any] = kind.model.id  # type: ignore[attr-defined]
    return column


async def kinds_by_id(reads: Reads, ids: Sequence[Any]) -> list[Kind | None]:
    """Returns the kind of the object with each id, or None. Searches the tables of all kinds with one statement."""
    kinds = {row["id"]: KINDS[row[PARENT]] for row in await reads.rows(nodes_query(), keys=ids)}
    return [kinds.get(key) for key in ids]


HORIZON = "_horizon"


@cached
def horizon_query() -> RowQuery:
    return RowQuery(select(func.event_horizon(type_=TransactionId()).label(HORIZON)), Event)


async def event_horizons(reads: Reads, keys: Sequence[Any]) -> list[int]:
    """Returns, for each key, the same transaction id: events of all transactions below it are visible, and no others.

    An event that becomes visible later has this transaction id or a higher one.
    """
    [row] = await reads.rows(horizon_query())
    return [row[HORIZON]] * len(keys)
