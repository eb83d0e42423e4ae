"""Events of objects that are changed outside an account: customers, plans, drafts, metadata and test clocks."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState

from billing.enums import EventType
from billing.ids import new_id
from billing.new_records import NewEvent
from db.access.scope import actor_of
from db.models import Customer, Invoice, Payment, Plan, TestClock
from db.models.kinds import KIND_OF
from services.accounts.write import store_events

UNREPORTED_COLUMNS = frozenset({"version", "updated_at", "email_key", "sequence"})
"""Columns that change with each change, or that the API does not show."""


async def record(
    session: AsyncSession,
    type_: EventType,
    row: Customer | Plan | Invoice | Payment | TestClock,
    *,
    also: Iterable[str] = (),
    at: datetime,
    now: datetime,
) -> None:
    """Stores the changes of `row` together with the event for its current version.

    `at` is the time of the change on the customer's clock. Call it before anything else flushes the changes: it lists
    the changed columns and `also`, other changes. Values are never stored in events.
    """
    changes = [*changed_columns(row), *also] if row.version > 1 else []
    await session.flush()
    kind, object_id = KIND_OF[type(row)], row.id
    event = NewEvent(
        id=new_id(),
        customer_id=None if kind.owner is None else getattr(row, kind.owner),
        type=type_,
        object_type=kind.type,
        object_id=object_id,
        version=row.version,
        actor=actor_of(session),
        changes=sorted(changes),
        occurred_at=at,
        recorded_at=now,
    )
    await store_events(session, [event])


def changed_columns(row: Customer | Plan | Invoice | Payment | TestClock) -> list[str]:
    """Returns the names of columns of the API with changes that are not flushed yet."""
    state: InstanceState[Any] = inspect(row)
    return [
        attribute.key.removeprefix("custom_")
        for attribute in state.attrs
        if attribute.history.has_changes() and attribute.key not in UNREPORTED_COLUMNS
    ]
