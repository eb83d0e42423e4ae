"""The kinds of objects that a client knows by id: one row each. Lookups, events, scopes and checks derive from them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, select

from billing.ids import CustomerId
from billing.words import ObjectType
from db.models.base import Base, table_of
from db.models.customers import Customer
from db.models.invoices import Invoice
from db.models.payments import Payment
from db.models.plans import Plan
from db.models.runs import TestClock
from db.models.subscriptions import Subscription

Visible: TypeAlias = Callable[[Any, CustomerId], ColumnElement[bool]]
"""The condition on rows of a table, or of an alias of it, that one customer may see."""


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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects. `visible` is None if every customer may see all of them."""

    model: type[Base]
    type: ObjectType
    visible: Visible | None = is_the_customers

    @property
    def name(self) -> str:
        """The type in the API, such as `Invoice`."""
        return self.model.__name__

    @property
    def id_name(self) -> str:
        """The name of its key in other rows and in outcomes, such as `invoice_id`."""
        return f"{self.type.lower()}_id"

    @property
    def table(self) -> str:
        return table_of(self.model).name

    @property
    def version_sql(self) -> str:
        """Its version in SQL: an object that never changes stays at 1."""
        return "version" if "version" in table_of(self.model).c else "1"


KINDS = (
    Kind(Customer, ObjectType.CUSTOMER, is_the_customer),
    Kind(Plan, ObjectType.PLAN, None),
    Kind(Subscription, ObjectType.SUBSCRIPTION),
    Kind(Invoice, ObjectType.INVOICE),
    Kind(Payment, ObjectType.PAYMENT),
    Kind(TestClock, ObjectType.TEST_CLOCK, is_the_customers_clock),
)
assert [kind.type for kind in KINDS] == list(ObjectType), "each type of object has one kind"
KIND_OF = {kind.model: kind for kind in KINDS}
