"""Records are bound to columns by name when their module is imported, so the order of columns does not matter."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import literal, select

from billing.ids import CustomerId
from billing.new_records import NewPeriod
from billing.records import BillTo, CustomerState, SubscriptionState
from db.access.records import bind, inserts, updates
from db.access.transactions import Sessions
from db.models import BillingPeriod, Customer, Subscription
from db.models.base import table_of
from tests.support import Api


@dataclass(slots=True)
class Dates:
    id: CustomerId
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class DatesInAnotherOrder:
    updated_at: datetime
    created_at: datetime
    id: CustomerId


@pytest.mark.parametrize("record", [Dates, DatesInAnotherOrder])
async def test_a_value_reaches_the_field_of_its_name_in_any_order(
    api: Api, sessions: Sessions, record: type[Any]
) -> None:
    customer_id = await api.a_customer()
    bound = bind(record, Customer)
    async with sessions.begin() as session:
        [row] = await session.execute(select(*bound.columns).where(Customer.id == customer_id))
        customer = (await session.scalars(select(Customer))).one()

    read = bound.make(*row)

    for name in ("id", "created_at", "updated_at"):
        assert getattr(read, name) == getattr(customer, name)


def test_a_nested_record_is_none_where_the_first_of_its_values_is_null() -> None:
    @dataclass
    class Outer:
        id: int
        inner: Dates | None
        version: int

    bound = bind(Outer, id=literal(1), inner=bind(Dates, Customer), version=literal(2))
    at = datetime(2026, 1, 1)  # noqa: DTZ001 - any value will do

    assert bound.make(1, None, None, None, 2) == Outer(1, None, 2)
    assert bound.make(1, "key", at, at, 2) == Outer(1, Dates("key", at, at), 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: bind(CustomerState, Customer), id="a field without a column"),
        pytest.param(lambda: bind(Dates, Customer, email=Customer.email), id="a name that is no field"),
        pytest.param(
            lambda: bind(make_dataclass("Keyed", [("id", str, field(kw_only=True))]), Customer),
            id="a keyword-only field",
        ),
        pytest.param(lambda: inserts(Subscription, SubscriptionState), id="a stored field without a column"),
        pytest.param(lambda: inserts(Customer, BillTo), id="a column that needs a value and gets none"),
        pytest.param(lambda: inserts(BillingPeriod, NewPeriod, without=("kinds",)), id="a left-out name that is none"),
        pytest.param(lambda: inserts(BillingPeriod, NewPeriod, without=("kind",)), id="a needed field left out"),
        pytest.param(lambda: updates(Customer, Dates, keys=("customer_id",)), id="a key that is no field"),
    ],
)
def test_what_does_not_fit_fails_when_it_is_bound(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_the_names_of_a_target_are_those_of_the_values() -> None:
    target = inserts(BillingPeriod, NewPeriod)
    period = NewPeriod(**{each.name: each.name for each in fields(NewPeriod)})  # type: ignore[arg-type]

    assert target.values(period) == target.names
    assert set(target.names) == set(table_of(BillingPeriod).c.keys())
