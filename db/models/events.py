from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import DDL, BigInteger, CheckConstraint, Identity, Index, Integer, UniqueConstraint, event, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import EventType, ObjectType
from billing.ids import CustomerId
from billing.limits import MAX_ACTOR
from db.models.base import Base, check_enum, check_length
from db.models.types import TransactionId

Place: TypeAlias = tuple[int, int]
"""A place in the feed: a transaction id and a position."""

EVENT_XID = """
    CREATE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN pg_current_xact_id()
"""
"""Returns the id of the transaction that writes an event."""

EVENT_HORIZON = """
    CREATE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE
    RETURN pg_snapshot_xmin(pg_current_snapshot())
"""
"""Returns a transaction id below which all transactions have ended.

A new server starts to count transactions again. A restore therefore replaces both functions with ones that add an
offset: see `db.backup.restore`.
"""


class Event(Base):
    """A change of one object. `version` is the object's version after the change.

    `position` alone is not enough for a reader that polls: a transaction may take a lower position and commit later,
    and the reader would miss its events. So the feed is ordered by `(xid, position)` and contains only events of
    transactions below `event_horizon()`: no event can appear before one that was already read.
    """

    __tablename__ = "events"

    id: Mapped[UUID]
    customer_id: Mapped[CustomerId | None]
    type: Mapped[EventType]
    object_type: Mapped[ObjectType]
    object_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(Integer)
    actor: Mapped[str]
    changes: Mapped[list[str]]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    xid: Mapped[int] = mapped_column(TransactionId(), primary_key=True, server_default=text("event_xid()"))
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)

    __table_args__ = (
        UniqueConstraint("object_id", "version", name="uq_events_version"),
        check_enum("type", EventType),
        check_enum("object_type", ObjectType),
        CheckConstraint("version >= 1", name="version"),
        check_length("actor", MAX_ACTOR),
        Index("ix_events_customer_id", "customer_id", "xid", "position"),
        Index("ix_events_type", "type", "xid", "position"),
        Index("ix_events_recorded_at", "recorded_at", "position", postgresql_include=["xid"]),
    )


for function in (EVENT_XID, EVENT_HORIZON):
    event.listen(Base.metadata, "before_create", DDL(function))  # type: ignore[no-untyped-call]
