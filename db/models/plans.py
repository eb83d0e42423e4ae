from datetime import datetime

from sqlalchemy import CHAR, CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.ids import PlanId
from billing.words import PlanInterval
from db.models.base import (
    BY_CODE_POINT,
    Base,
    Versioned,
    amount,
    currency_code,
    days_to_pay,
    json_object,
    one_of,
    text_up_to,
)


class Plan(Versioned, Base):
    """What can be subscribed to: a price, in minor units of its currency, for each interval. The three never change."""

    __tablename__ = "plans"

    id: Mapped[PlanId] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(BY_CODE_POINT)
    name: Mapped[str] = mapped_column(BY_CODE_POINT)
    description: Mapped[str | None]
    amount_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(CHAR(3))
    interval: Mapped[PlanInterval]
    interval_count: Mapped[int] = mapped_column(Integer)
    trial_days: Mapped[int] = mapped_column(Integer, server_default="0")
    net_days: Mapped[int | None] = mapped_column(Integer)
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata")
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("code"),
        text_up_to("code", 64),
        text_up_to("name", 255),
        text_up_to("description", 2000),
        amount("amount_cents", signed=False),
        currency_code(),
        one_of("interval", PlanInterval),
        CheckConstraint("interval_count BETWEEN 1 AND 3660", name="interval_count"),
        CheckConstraint("trial_days BETWEEN 0 AND 730", name="trial_days"),
        days_to_pay(),
        json_object("metadata"),
        Index("ix_plans_created_at", "created_at", "id"),
        Index("ix_plans_name", "name", "id"),
        Index("ix_plans_code", "code", "id"),
        Index("ix_plans_currency", "currency", "created_at", "id"),
        Index("ix_plans_interval", "interval", "created_at", "id"),
        Index("ix_plans_open", "created_at", "id", postgresql_where=text("archived_at IS NULL")),
        Index("ix_plans_archived", "created_at", "id", postgresql_where=text("archived_at IS NOT NULL")),
    )
