from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import RunTrigger, TestClockStatus
from billing.ids import TestClockId
from billing.limits import MAX_IDEMPOTENCY_KEY, MAX_NAME
from db.models.base import Base, Versioned, check_enum, check_length


class TestClock(Versioned, Base):
    """A clock that stands still until it is advanced, and that replaces real time for the customers created on it."""

    __tablename__ = "test_clocks"
    __test__ = False  # pytest would collect it as a test class

    id: Mapped[TestClockId] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    status: Mapped[TestClockStatus]
    frozen_at: Mapped[datetime]
    target_at: Mapped[datetime | None]

    __table_args__ = (
        check_length("name", MAX_NAME),
        check_enum("status", TestClockStatus),
        CheckConstraint("(status = 'ADVANCING') = (target_at IS NOT NULL) AND target_at > frozen_at", name="target_at"),
        Index("ix_test_clocks_created_at", "created_at", "id"),
        Index("ix_test_clocks_status", "status", "created_at", "id"),
        Index("ix_test_clocks_advancing", "id", postgresql_where=text("status = 'ADVANCING'")),
    )


class BillingRun(Base):
    """A billing run that was requested, or that found something to do."""

    __tablename__ = "billing_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    trigger: Mapped[RunTrigger]
    as_of: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    renewed: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    invoices: Mapped[int] = mapped_column(Integer)
    past_due: Mapped[int] = mapped_column(Integer)
    milliseconds: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        check_enum("trigger", RunTrigger),
        CheckConstraint("least(renewed, failed, invoices, past_due) >= 0", name="counts"),
        CheckConstraint("(finished_at IS NULL) = (milliseconds IS NULL)", name="finished_at"),
        Index("ix_billing_runs_created_at", "created_at", "id"),
        Index("ix_billing_runs_trigger", "trigger", "created_at", "id"),
    )


class IdempotencyKey(Base):
    """The result of a mutation that was sent with this idempotency key, from which retries are answered."""

    __tablename__ = "idempotency_keys"

    api_key: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    result: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    details: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime]

    __table_args__ = (
        check_length("key", MAX_IDEMPOTENCY_KEY),
        CheckConstraint("octet_length(request_hash) = 32", name="request_hash"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )
