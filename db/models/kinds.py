"""Registry of the kinds of objects that clients refer to by id. Lookups, events, scopes and checks derive from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_, any_, func, literal, or_, select

from billing.enums import CustomerPermission, EventType, InvoiceStatus, ObjectType
from billing.ids import ApiKeyId, CustomerId
from db.models.access import ApiKey
from db.models.base import Base, table_of
from db.models.corrections import CreditNote, CreditNoteLine, Refund, Reversal
from db.models.customers import Customer
from db.models.discounts import Coupon, Discount
from db.models.events import Event
from db.models.figures import MrrMovement
from db.models.invoices import Invoice, InvoiceLine
from db.models.payments import Allocation, LedgerEntry, Payment
from db.models.plans import Plan
from db.models.runs import TestClock
from db.models.subscriptions import BillingHold, BillingPeriod, PendingLine, Subscription, Trial
from db.models.taxes import Seller, TaxRate
from db.models.webhooks import WebhookEndpoint

Visible: TypeAlias = Callable[[Any, CustomerId], ColumnElement[bool]]
"""Returns the condition for the rows of a table, or of an alias of it, that one customer may see."""
VisibleInSession: TypeAlias = Callable[[Any, CustomerId, ApiKeyId], ColumnElement[bool]]
"""Returns the same condition, if it also depends on the customer session, that is, on its API key."""


def is_the_customer(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = rows.id == customer_id
    return condition


def is_the_customers(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = rows.customer_id == customer_id
    return condition


def is_the_customers_clock(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    customers = table_of(Customer)
    own = select(customers.c.test_clock_id).where(customers.c.id == customer_id).scalar_subquery()
    condition: ColumnElement[bool] = rows.id == own
    return condition


def is_issued_to_the_customer(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    """Returns the condition for the customer's invoices without drafts, which only the merchant sees."""
    return and_(is_the_customers(rows, customer_id), rows.status != InvoiceStatus.DRAFT)


def is_seller_of_the_customers_invoices(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    invoices = table_of(Invoice)
    issued = select(invoices.c.seller_id).where(
        is_issued_to_the_customer(invoices.c, customer_id), invoices.c.seller_id.is_not(None)
    )
    condition: ColumnElement[bool] = rows.id.in_(issued)
    return condition


def is_redeemed_by_the_customer(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    """Returns the condition for coupons that the customer has redeemed. The codes of other coupons are secret."""
    discounts = table_of(Discount)
    redeemed = select(discounts.c.coupon_id).where(discounts.c.customer_id == customer_id)
    condition: ColumnElement[bool] = rows.id.in_(redeemed)
    return condition


def is_hidden(rows: Any, customer_id: CustomerId) -> ColumnElement[bool]:
    """Returns the condition for objects that no customer may see: none of them has the id of a customer.

    It names the customer because SQLAlchemy requires that of all these conditions.
    """
    condition: ColumnElement[bool] = rows.id == customer_id
    return condition


def is_the_customers_plan(rows: Any, customer_id: CustomerId, key_id: ApiKeyId) -> ColumnElement[bool]:
    """Returns the condition for the plans of the customer's subscriptions and invoices, and of the session."""
    keys, subscriptions, periods = table_of(ApiKey), table_of(Subscription), table_of(BillingPeriod)
    pending, invoices, lines = table_of(PendingLine), table_of(Invoice), table_of(InvoiceLine)
    mine = subscriptions.c.customer_id == customer_id
    issued = and_(invoices.c.customer_id == customer_id, invoices.c.status != InvoiceStatus.DRAFT)
    of_one = [
        select(subscriptions.c.plan_id).where(mine),
        select(subscriptions.c.pending_plan_id).where(mine, subscriptions.c.pending_plan_id.is_not(None)),
        select(periods.c.plan_id).join(subscriptions, subscriptions.c.id == periods.c.subscription_id).where(mine),
        select(pending.c.plan_id)
        .join(subscriptions, subscriptions.c.id == pending.c.subscription_id)
        .where(mine, pending.c.plan_id.is_not(None)),
        select(lines.c.plan_id)
        .join(invoices, invoices.c.id == lines.c.invoice_id)
        .where(issued, lines.c.plan_id.is_not(None)),
    ]
    offered = select(func.unnest(keys.c.plan_ids)).where(keys.c.id == key_id)
    return or_(rows.id.in_(offered), *(rows.id.in_(plans) for plans in of_one))


def may_see_credit_notes(key_id: ApiKeyId) -> ColumnElement[bool]:
    """Returns the condition for customer sessions with the permission VIEW_CREDIT_NOTES."""
    keys = table_of(ApiKey)
    permitted = literal(CustomerPermission.VIEW_CREDIT_NOTES.value) == any_(keys.c.permissions)
    return select(keys.c.id).where(keys.c.id == key_id, permitted).exists()


def is_the_customers_credit_note(rows: Any, customer_id: CustomerId, key_id: ApiKeyId) -> ColumnElement[bool]:
    """Returns the condition for the customer's credit notes, or parts of them, if the session may see them."""
    return and_(is_the_customers(rows, customer_id), may_see_credit_notes(key_id))


HIDDEN_EVENTS = (
    *(EventType.INVOICE_CREATED, EventType.INVOICE_UPDATED, EventType.INVOICE_DELETED),
    EventType.PAYMENT_UPDATED,
)
"""Events of drafts, and events that only report changed metadata: customer sessions see neither drafts nor metadata."""


def is_the_customers_event(rows: Any, customer_id: CustomerId, key_id: ApiKeyId) -> ColumnElement[bool]:
    """Returns the condition for the customer's events, without `HIDDEN_EVENTS`, those of drafts, and those of credit
    notes if the session may not see them.
    """
    invoices = table_of(Invoice)
    issued = select(invoices.c.id).where(
        invoices.c.customer_id == customer_id, invoices.c.status != InvoiceStatus.DRAFT
    )
    known = or_(rows.object_type != ObjectType.INVOICE, rows.object_id.in_(issued))
    shown = (rows.type != type_ for type_ in HIDDEN_EVENTS)
    noted = or_(rows.object_type != ObjectType.CREDIT_NOTE, may_see_credit_notes(key_id))
    return and_(is_the_customers(rows, customer_id), *shown, known, noted)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects.

    `visible` selects the objects that a customer may see. It is None if that depends on the session: see
    `VISIBLE_IN_SESSION`. Objects that are `for_admins` need an API key with the scope ADMIN.
    """

    model: type[Base]
    type: ObjectType
    visible: Visible | None
    for_admins: bool = False

    @property
    def name(self) -> str:
        """The name of the GraphQL type, for example `Invoice`."""
        return self.model.__name__

    @property
    def id_name(self) -> str:
        """The name of its id in other rows and in outcomes, for example `invoice_id`."""
        return f"{self.type.lower()}_id"

    @property
    def owner(self) -> str | None:
        """The column with the id of the customer that the object belongs to.

        None for objects that belong to no customer.
        """
        name = "id" if self.model is Customer else "customer_id"
        return name if name in table_of(self.model).c else None

    @property
    def table(self) -> str:
        return table_of(self.model).name

    @property
    def version_sql(self) -> str:
        """The SQL expression for its version. Always 1 for objects that never change."""
        return "version" if "version" in table_of(self.model).c else "1"


KINDS = (
    Kind(Customer, ObjectType.CUSTOMER, is_the_customer),
    Kind(Plan, ObjectType.PLAN, None),
    Kind(Subscription, ObjectType.SUBSCRIPTION, is_the_customers),
    Kind(Invoice, ObjectType.INVOICE, is_issued_to_the_customer),
    Kind(Payment, ObjectType.PAYMENT, is_the_customers),
    Kind(CreditNote, ObjectType.CREDIT_NOTE, None),
    Kind(Seller, ObjectType.SELLER, is_seller_of_the_customers_invoices),
    Kind(TaxRate, ObjectType.TAX_RATE, is_hidden),
    Kind(Coupon, ObjectType.COUPON, is_redeemed_by_the_customer),
    Kind(Discount, ObjectType.DISCOUNT, is_the_customers),
    Kind(TestClock, ObjectType.TEST_CLOCK, is_the_customers_clock),
    Kind(WebhookEndpoint, ObjectType.WEBHOOK_ENDPOINT, is_hidden, for_admins=True),
)
assert [kind.type for kind in KINDS] == list(ObjectType), "each type of object has one kind"
KIND_OF = {kind.model: kind for kind in KINDS}

VISIBLE: dict[type[Base], Visible] = {
    **{kind.model: kind.visible for kind in KINDS if kind.visible is not None},
    **dict.fromkeys(
        (
            *(Allocation, BillingHold, BillingPeriod, InvoiceLine, LedgerEntry, MrrMovement, PendingLine, Refund),
            *(Reversal, Trial),
        ),
        is_the_customers,
    ),
}
"""Rows that a customer session may see, by table."""

VISIBLE_IN_SESSION: dict[type[Base], VisibleInSession] = {
    Plan: is_the_customers_plan,
    CreditNote: is_the_customers_credit_note,
    CreditNoteLine: is_the_customers_credit_note,
    Event: is_the_customers_event,
}
"""Rows that a customer session may see, by table, if that depends on the session. It sees no rows of other tables."""
