from datetime import datetime

from sqlalchemy import CHAR, CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import PlanInterval
from billing.ids import PlanId
from billing.limits import MAX_INTERVAL_COUNT, MAX_NAME, MAX_PLAN_CODE, MAX_PLAN_DESCRIPTION, MAX_TRIAL_DAYS
from billing.taxes import LineTax
from db.models.base import (
    BY_CODE_POINT,
    Base,
    Versioned,
    check_amount,
    check_enum,
    check_length,
    currency_code,
    days_to_pay,
    json_object,
)


class Plan(Versioned, Base):
    """A product that customers subscribe to, with a price per interval. Price, currency and interval never change.

    `tax` has the tax behavior of the price, and rates for lines of this plan, if any. Null for the defaults.
    """

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
    tax: Mapped[LineTax | None]
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata")
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("code"),
        check_length("code", MAX_PLAN_CODE),
        check_length("name", MAX_NAME),
        check_length("description", MAX_PLAN_DESCRIPTION),
        check_amount("amount_cents", signed=False),
        currency_code(),
        check_enum("interval", PlanInterval),
        CheckConstraint(f"interval_count BETWEEN 1 AND {max(MAX_INTERVAL_COUNT.values())}", name="interval_count"),
        CheckConstraint(f"trial_days BETWEEN 0 AND {MAX_TRIAL_DAYS}", name="trial_days"),
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
