from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Versioned, json_object, one_of
from db.values import CustomerId, PeriodKind, PlanId, SubscriptionId, SubscriptionStatus


class Subscription(Versioned, Base):
    """A customer on a plan.

    `anchor_at` is the instant that periods are counted from, `anchor_ordinal` the ordinal of the period that starts
    there. `canceled_at` is when the cancellation was asked for, `ended_at` when it took effect.
    """

    __tablename__ = "subscriptions"

    id: Mapped[SubscriptionId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    plan_id: Mapped[PlanId] = mapped_column(ForeignKey("plans.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    status: Mapped[SubscriptionStatus]
    anchor_at: Mapped[datetime]
    anchor_ordinal: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime | None]
    current_period_start: Mapped[datetime | None]
    current_period_end: Mapped[datetime | None]
    next_billing_at: Mapped[datetime | None]
    cancel_at_period_end: Mapped[bool]
    canceled_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata")

    __table_args__ = (
        one_of("status", SubscriptionStatus),
        CheckConstraint("quantity >= 1", name="quantity"),
        CheckConstraint("anchor_ordinal >= 0", name="anchor_ordinal"),
        CheckConstraint(
            "(current_period_start IS NULL) = (current_period_end IS NULL)"
            " AND (current_period_start IS NULL) = (started_at IS NULL)"
            " AND current_period_start < current_period_end",
            name="current_period",
        ),
        CheckConstraint("status NOT IN ('TRIALING', 'ACTIVE', 'PAST_DUE') OR started_at IS NOT NULL", name="started"),
        CheckConstraint("status <> 'PENDING' OR started_at IS NULL", name="pending"),
        CheckConstraint(
            "(status = 'CANCELED') = (ended_at IS NOT NULL)"
            " AND (status = 'CANCELED') = (next_billing_at IS NULL)"
            " AND (status <> 'CANCELED' OR canceled_at IS NOT NULL)"
            " AND ended_at >= started_at",
            name="canceled",
        ),
        CheckConstraint("NOT cancel_at_period_end OR canceled_at IS NOT NULL", name="cancel_at_period_end"),
        json_object("metadata"),
        Index(
            "uq_subscriptions_live",
            "customer_id",
            unique=True,
            postgresql_where=text("status <> 'CANCELED'"),
        ),
        Index("ix_subscriptions_customer_id", "customer_id", "created_at", "id"),
        Index("ix_subscriptions_plan_id", "plan_id", "created_at", "id"),
        Index("ix_subscriptions_created_at", "created_at", "id"),
        Index("ix_subscriptions_due", "next_billing_at", postgresql_where=text("next_billing_at IS NOT NULL")),
    )


class BillingPeriod(Base):
    """One link of a subscription's timeline.

    The foreign key from `(after_ordinal, starts_at)` to the previous period's `(ordinal, ends_at)` makes the timeline
    a chain: a gap, an overlap, a skipped or a double period cannot be stored. `plan_id` and `quantity` are the terms
    at the period's start.
    """

    __tablename__ = "billing_periods"

    subscription_id: Mapped[SubscriptionId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    after_ordinal: Mapped[int | None] = mapped_column(Integer)
    kind: Mapped[PeriodKind]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    plan_id: Mapped[PlanId] = mapped_column(ForeignKey("plans.id"))
    quantity: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
        UniqueConstraint("subscription_id", "customer_id", "ordinal", "ends_at", name="uq_billing_periods_end"),
        ForeignKeyConstraint(
            ["subscription_id", "customer_id", "after_ordinal", "starts_at"],
            [
                "billing_periods.subscription_id",
                "billing_periods.customer_id",
                "billing_periods.ordinal",
                "billing_periods.ends_at",
            ],
            name="fk_billing_periods_chain",
        ),
        CheckConstraint(
            "(ordinal = 0 AND after_ordinal IS NULL)"
            " OR (ordinal > 0 AND after_ordinal IS NOT NULL AND after_ordinal = ordinal - 1)",
            name="chain",
        ),
        CheckConstraint("ends_at >= starts_at", name="span"),
        CheckConstraint("quantity >= 1", name="quantity"),
        one_of("kind", PeriodKind),
        Index(
            "uq_billing_periods_trial",
            "customer_id",
            "plan_id",
            unique=True,
            postgresql_where=text("kind = 'TRIAL'"),
        ),
    )
