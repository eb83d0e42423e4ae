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

from billing.enums import FirstPeriod, LineKind, PeriodKind, Settlement, SubscriptionStatus
from billing.ids import ChangeId, CustomerId, InvoiceLineId, PlanId, SubscriptionId, TestClockId
from billing.limits import MAX_HOLD_REASON, MAX_LINE_DESCRIPTION
from billing.taxes import LineTax
from db.models.base import (
    NO_PENDING_ENTRIES,
    NO_TEST_CLOCK,
    Base,
    Versioned,
    check_amount,
    check_enum,
    check_length,
    is_set_in_real_time,
    json_object,
)

UNCOUNTED = "counted_status IS DISTINCT FROM status AND test_clock_id IS NULL"
"""Condition for subscriptions whose status servers of earlier releases have changed without an MRR movement."""


class Subscription(Versioned, Base):
    """A subscription of a customer to a plan.

    Periods are computed from `anchor_at`; `anchor_ordinal` is the ordinal of the period that starts there.
    `first_period` is the policy for the next period, if a billing anchor was set for it. `canceled_at` is the time of
    the cancellation request, `ended_at` the time it took effect. A cancellation at a given time is at `cancel_at`
    and settles the unused part of the period by `cancel_settlement`. The current plan and quantity are valid since
    `terms_at`. `pending_plan_id` and `pending_quantity` take effect with the next period. `test_clock_id` is a copy of
    the customer's. `mrr_cents` and `counted_status` are what its MRR movements add up to: null on test clocks, and if a
    server of an earlier release created it (see `services.repairs`).
    """

    __tablename__ = "subscriptions"

    id: Mapped[SubscriptionId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    plan_id: Mapped[PlanId] = mapped_column(ForeignKey("plans.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    status: Mapped[SubscriptionStatus]
    anchor_at: Mapped[datetime]
    anchor_ordinal: Mapped[int] = mapped_column(Integer)
    first_period: Mapped[FirstPeriod | None]
    started_at: Mapped[datetime | None]
    current_period_start: Mapped[datetime | None]
    current_period_end: Mapped[datetime | None]
    next_billing_at: Mapped[datetime | None]
    cancel_at_period_end: Mapped[bool]
    cancel_at: Mapped[datetime | None]
    cancel_settlement: Mapped[Settlement | None]
    canceled_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    trial_start: Mapped[datetime | None]
    trial_end: Mapped[datetime | None]
    terms_at: Mapped[datetime | None]
    pending_plan_id: Mapped[PlanId | None] = mapped_column(ForeignKey("plans.id"))
    pending_quantity: Mapped[int | None] = mapped_column(Integer)
    pending_since: Mapped[datetime | None]
    test_clock_id: Mapped[TestClockId | None] = mapped_column(ForeignKey("test_clocks.id"))
    mrr_cents: Mapped[int | None]
    counted_status: Mapped[SubscriptionStatus | None]
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata")

    __table_args__ = (
        check_enum("status", SubscriptionStatus),
        CheckConstraint("mrr_cents >= 0", name="mrr_cents"),
        check_enum("counted_status", SubscriptionStatus),
        CheckConstraint("quantity >= 1", name="quantity"),
        CheckConstraint("anchor_ordinal >= 0", name="anchor_ordinal"),
        check_enum("first_period", FirstPeriod),
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
        check_enum("cancel_settlement", Settlement),
        CheckConstraint(
            "(cancel_at IS NULL) = (cancel_settlement IS NULL) AND (cancel_at IS NULL OR canceled_at IS NOT NULL)",
            name="cancel_at",
        ),
        CheckConstraint("(trial_start IS NULL) = (trial_end IS NULL) AND trial_start < trial_end", name="trial"),
        CheckConstraint("status <> 'TRIALING' OR trial_end IS NOT NULL", name="trialing"),
        CheckConstraint("(terms_at IS NULL) = (started_at IS NULL)", name="terms_at"),
        CheckConstraint(
            "(pending_plan_id IS NULL) = (pending_quantity IS NULL)"
            " AND (pending_plan_id IS NULL) = (pending_since IS NULL)"
            " AND pending_quantity >= 1",
            name="pending_change",
        ),
        json_object("metadata"),
        Index(
            "uq_subscriptions_live",
            "customer_id",
            unique=True,
            postgresql_where=text("status <> 'CANCELED'"),
        ),
        Index(
            "ix_subscriptions_metadata",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_with=NO_PENDING_ENTRIES,
        ),
        Index("ix_subscriptions_customer_id", "customer_id", "created_at", "id"),
        Index("ix_subscriptions_plan_id", "plan_id", "created_at", "id"),
        Index("ix_subscriptions_created_at", "created_at", "id"),
        Index("ix_subscriptions_status", "status", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index("ix_subscriptions_plan_status", "plan_id", "status", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_subscriptions_current_period_end",
            "status",
            "current_period_end",
            "id",
            postgresql_include=["created_at", "plan_id"],
            postgresql_where=is_set_in_real_time("current_period_end"),
        ),
        Index(
            "ix_subscriptions_canceled_at",
            "status",
            "canceled_at",
            "id",
            postgresql_include=["created_at", "plan_id"],
            postgresql_where=is_set_in_real_time("canceled_at"),
        ),
        Index(
            "ix_subscriptions_trial_end",
            "status",
            "trial_end",
            "id",
            postgresql_include=["created_at", "plan_id"],
            postgresql_where=is_set_in_real_time("trial_end"),
        ),
        Index("ix_subscriptions_uncounted", "next_billing_at", "id", postgresql_where=text(UNCOUNTED)),
        Index(
            "ix_subscriptions_due",
            "next_billing_at",
            postgresql_where=text("next_billing_at IS NOT NULL AND test_clock_id IS NULL"),
        ),
        Index(
            "ix_subscriptions_test_clock_id",
            "test_clock_id",
            "next_billing_at",
            postgresql_where=text("test_clock_id IS NOT NULL"),
        ),
    )


class BillingPeriod(Base):
    """A billing period of a subscription.

    The foreign key from `(after_ordinal, starts_at)` to the previous period's `(ordinal, ends_at)` chains the periods:
    the database rejects gaps, overlaps, skipped and duplicate periods. `plan_id` and `quantity` are the terms at the
    start of the period. The price covers the period until `billed_until`, or all of it. It is prorated if
    `whole_seconds`, the length of a whole period, is set. `changed_at` is the time of the last change within the
    period, or of the change that ended it early.
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
    billed_until: Mapped[datetime | None]
    whole_seconds: Mapped[int | None] = mapped_column(Integer)
    changed_at: Mapped[datetime | None]

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
        CheckConstraint("billed_until BETWEEN starts_at AND ends_at", name="billed_until"),
        CheckConstraint("whole_seconds > 0", name="whole_seconds"),
        CheckConstraint("quantity >= 1", name="quantity"),
        check_enum("kind", PeriodKind),
        Index(
            "uq_billing_periods_trial",
            "customer_id",
            "plan_id",
            unique=True,
            postgresql_where=text("kind = 'TRIAL'"),
        ),
    )


class Trial(Base):
    """A customer's trial of a plan. A customer can have a trial of a plan in only one subscription."""

    __tablename__ = "trials"

    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    plan_id: Mapped[PlanId] = mapped_column(ForeignKey("plans.id"), primary_key=True)
    subscription_id: Mapped[SubscriptionId]
    started_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
    )


class BillingHold(Base):
    """The reason why a subscription that is due could not be billed, and the time of the next attempt."""

    __tablename__ = "billing_holds"

    subscription_id: Mapped[SubscriptionId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    reason: Mapped[str]
    attempts: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime]
    retry_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
        check_length("reason", MAX_HOLD_REASON),
        CheckConstraint("attempts >= 1", name="attempts"),
    )


class PendingLine(Base):
    """A line for the next invoice of its subscription. It keeps its id and `change_id` on the invoice.

    `period_seconds` is the length of the billed period, if the line charges for the rest of it after a change.
    """

    __tablename__ = "pending_lines"

    id: Mapped[InvoiceLineId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    subscription_id: Mapped[SubscriptionId]
    kind: Mapped[LineKind]
    description: Mapped[str]
    plan_id: Mapped[PlanId | None] = mapped_column(ForeignKey("plans.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    unit_amount_cents: Mapped[int]
    amount_cents: Mapped[int]
    period_ordinal: Mapped[int | None] = mapped_column(Integer)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    reverses_line_id: Mapped[InvoiceLineId | None]
    period_seconds: Mapped[int | None] = mapped_column(Integer)
    tax: Mapped[LineTax | None]
    created_at: Mapped[datetime]
    change_id: Mapped[ChangeId | None]

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
        check_enum("kind", LineKind),
        check_length("description", MAX_LINE_DESCRIPTION),
        CheckConstraint("quantity >= 1", name="quantity"),
        check_amount("unit_amount_cents", signed=True),
        check_amount("amount_cents", signed=True),
        CheckConstraint("period_start <= period_end", name="period"),
        Index("ix_pending_lines_subscription_id", "subscription_id", "id"),
        Index(
            "ix_pending_lines_reverses_line_id",
            "reverses_line_id",
            postgresql_where=text("reverses_line_id IS NOT NULL"),
        ),
    )
