"""Events of objects that are changed outside an account: customers, plans, drafts, metadata, taxes and test clocks."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState

from billing.enums import EventType
from billing.ids import new_id
from billing.new_records import NewEvent
from db.access.scope import actor_of
from db.models import Coupon, Customer, Invoice, Payment, Plan, Seller, TaxRate, TestClock, WebhookEndpoint
from db.models.kinds import KIND_OF
from services.accounts.write import store_events

UNREPORTED_COLUMNS = frozenset(
    {"version", "updated_at", "email_key", "sequence", "tax_profile", "tax", "secret", "previous_secret"}
)
"""Columns that change with each change, or that the API does not show, or shows as several fields."""

Recorded: TypeAlias = Customer | Plan | Invoice | Payment | Seller | TaxRate | Coupon | TestClock | WebhookEndpoint


async def record(
    session: AsyncSession,
    type_: EventType,
    row: Recorded,
    *,
    also: Iterable[str] = (),
    at: datetime,
    now: datetime,
) -> None:
    """Stores the changes of `row` together with the event for its current version.

    `at` is the time of the change on the customer's clock. Call it before anything else flushes the changes: it lists
    the changed columns and `also`, other changes. Values are never stored in events.
    """
    version = 1 if isinstance(row, Seller) else row.version
    changes = [*changed_columns(row), *also] if version > 1 else []
    await session.flush()
    kind, object_id = KIND_OF[type(row)], row.id
    event = NewEvent(
        id=new_id(),
        customer_id=None if kind.owner is None else getattr(row, kind.owner),
        type=type_,
        object_type=kind.type,
        object_id=object_id,
        version=version,
        actor=actor_of(session),
        changes=sorted(changes),
        occurred_at=at,
        recorded_at=now,
    )
    await store_events(session, [event])


def changed_columns(row: Recorded) -> list[str]:
    """Returns the names of columns of the API with changes that are not flushed yet."""
    state: InstanceState[Any] = inspect(row)
    return [
        attribute.key.removeprefix("custom_")
        for attribute in state.attrs
        if attribute.history.has_changes() and attribute.key not in UNREPORTED_COLUMNS
    ]
