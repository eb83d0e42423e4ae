"""Events of what is not part of an account: customers as such, plans, drafts, test clocks."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState

from billing.ids import CustomerId, new_id
from billing.records import NewEvent
from billing.words import EventType
from db.access.scope import actor_of
from db.models import Customer, Invoice, Plan, TestClock
from db.models.kinds import KIND_OF
from services.accounts.write import store_events

NO_NEWS = frozenset({"version", "updated_at", "email_key", "sequence"})
"""Columns that change with each change, or that the API does not show."""


async def record(
    session: AsyncSession,
    type_: EventType,
    row: Customer | Plan | Invoice | TestClock,
    *,
    also: Iterable[str] = (),
    at: datetime,
    now: datetime,
) -> None:
    """Stores what was changed of `row`, with the event of its present version; it happened at `at` in the customer's
    time. To be called before anything else flushes the changes.

    Names of changed columns are told, and of what has changed `also`; values never.
    """
    changes = [*changed_columns(row), *also] if row.version > 1 else []
    await session.flush()
    match row:
        case Customer():
            customer_id: CustomerId | None = row.id
        case Invoice():
            customer_id = row.customer_id
        case _:
            customer_id = None
    object_id: UUID = row.id
    event = NewEvent(
        id=new_id(),
        customer_id=customer_id,
        type=type_,
        object_type=KIND_OF[type(row)].type,
        object_id=object_id,
        version=row.version,
        actor=actor_of(session),
        changes=sorted(changes),
        occurred_at=at,
        recorded_at=now,
    )
    await store_events(session, [event])


def changed_columns(row: Customer | Plan | Invoice | TestClock) -> list[str]:
    """The names of the columns that were given another value and are not stored yet, if the API shows them."""
    state: InstanceState[Any] = inspect(row)
    return [
        attribute.key.removeprefix("custom_")
        for attribute in state.attrs
        if attribute.history.has_changes() and attribute.key not in NO_NEWS
    ]
