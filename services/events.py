"""Events of objects that are changed outside an account: customers, plans, drafts and test clocks."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState

from billing.ids import new_id
from billing.records import NewEvent
from billing.words import EventType
from db.access.scope import actor_of
from db.models import Customer, Invoice, Plan, TestClock
from db.models.kinds import KIND_OF
from services.accounts.write import store_events

UNREPORTED_COLUMNS = frozenset({"version", "updated_at", "email_key"})
"""Columns that an event's `changes` do not list."""


async def record(
    session: AsyncSession,
    type_: EventType,
    row: Customer | Plan | Invoice | TestClock,
    *,
    changes: Iterable[str] = (),
    at: datetime,
    now: datetime,
) -> None:
    """Stores the event for the change that gave `row` its current version.

    `at` is the time of the change on the customer's clock. `changes` are column names; values are never stored in
    events.
    """
    kind, object_id = KIND_OF[type(row)], cast("UUID", row.id)
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


def changed_columns(row: Customer | Plan) -> list[str]:
    """Returns the names of columns with changes that are not flushed yet."""
    state: InstanceState[Customer | Plan] = inspect(row)
    return [
        attribute.key.removeprefix("custom_")
        for attribute in state.attrs
        if attribute.history.has_changes() and attribute.key not in UNREPORTED_COLUMNS
    ]
