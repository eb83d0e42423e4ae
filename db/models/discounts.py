from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import CouponDuration
from billing.ids import CouponId, CustomerId, DiscountId, PlanId, SubscriptionId
from billing.limits import MAX_COUPON_CODE, MAX_COUPON_PERIODS, MAX_NAME, MAX_PERCENT, MAX_REDEMPTIONS
from db.models.base import Base, Versioned, check_amount, check_enum, check_length
from db.models.types import Percentage

PERCENT_OR_AMOUNT = (
    "(percent_off IS NULL) <> (amount_off_cents IS NULL) AND (amount_off_cents IS NULL) = (currency IS NULL)"
    f" AND coalesce(percent_off > 0 AND percent_off <= {MAX_PERCENT}, true) AND coalesce(amount_off_cents > 0, true)"
)
"""Condition for either a percentage, or an amount and its currency."""


class Coupon(Versioned, Base):
    """An offer that customers redeem with a code. Only `redeemed` and `archived_at` change.

    It takes off a percentage or an amount. An empty `plan_ids` means no limit to plans. `redeemed` counts redemptions
    by customers in real time if `max_redemptions` is set. Otherwise it is 0.
    """

    __tablename__ = "coupons"

    id: Mapped[CouponId] = mapped_column(primary_key=True)
    code: Mapped[str]
    name: Mapped[str]
    percent_off: Mapped[Decimal | None] = mapped_column(Percentage())
    amount_off_cents: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(CHAR(3))
    duration: Mapped[CouponDuration]
    periods: Mapped[int | None] = mapped_column(Integer)
    plan_ids: Mapped[list[PlanId]] = mapped_column(ARRAY(Uuid()))
    max_redemptions: Mapped[int | None] = mapped_column(Integer)
    redeemed: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("code"),
        check_length("code", MAX_COUPON_CODE),
        CheckConstraint("code = upper(code)", name="upper_case"),
        check_length("name", MAX_NAME),
        CheckConstraint(PERCENT_OR_AMOUNT, name="off"),
        check_amount("amount_off_cents", signed=False),
        check_enum("duration", CouponDuration),
        CheckConstraint("(duration = 'PERIODS') = (periods IS NOT NULL)", name="duration_periods"),
        CheckConstraint(f"periods BETWEEN 1 AND {MAX_COUPON_PERIODS}", name="periods"),
        CheckConstraint(f"max_redemptions BETWEEN 1 AND {MAX_REDEMPTIONS}", name="max_redemptions"),
        CheckConstraint("redeemed BETWEEN 0 AND coalesce(max_redemptions, 0)", name="redeemed"),
        Index("ix_coupons_created_at", "created_at", "id"),
        Index("ix_coupons_open", "created_at", "id", postgresql_where=text("archived_at IS NULL")),
        Index("ix_coupons_archived", "created_at", "id", postgresql_where=text("archived_at IS NOT NULL")),
    )


class Discount(Versioned, Base):
    """A discount that a customer got by redeeming a coupon, for all its invoices or for those of `subscription_id`.

    The terms are copied from the coupon. A null `periods` means all periods. Otherwise `periods_used` counts the
    billing periods that the discount covers, plus each one-off invoice that it lowered. Void invoices do not count.
    `covered_ordinal` is the latest covered period, of the subscription `covered_subscription_id`.
    """

    __tablename__ = "discounts"

    id: Mapped[DiscountId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    subscription_id: Mapped[SubscriptionId | None]
    coupon_id: Mapped[CouponId] = mapped_column(ForeignKey("coupons.id"))
    name: Mapped[str]
    percent_off: Mapped[Decimal | None] = mapped_column(Percentage())
    amount_off_cents: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(CHAR(3))
    periods: Mapped[int | None] = mapped_column(Integer)
    plan_ids: Mapped[list[PlanId]] = mapped_column(ARRAY(Uuid()))
    periods_used: Mapped[int] = mapped_column(Integer)
    covered_subscription_id: Mapped[SubscriptionId | None]
    covered_ordinal: Mapped[int | None] = mapped_column(Integer)
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
        UniqueConstraint("coupon_id", "customer_id"),
        check_length("name", MAX_NAME),
        CheckConstraint(PERCENT_OR_AMOUNT, name="off"),
        CheckConstraint("periods >= 1", name="periods"),
        CheckConstraint("periods_used >= 0", name="periods_used"),
        CheckConstraint(
            "(covered_subscription_id IS NULL) = (covered_ordinal IS NULL)"
            " AND coalesce(covered_subscription_id = subscription_id, true)",
            name="covered",
        ),
        Index("ix_discounts_customer_id", "customer_id", "created_at", "id"),
        Index(
            "ix_discounts_subscription_id",
            "subscription_id",
            "created_at",
            "id",
            postgresql_where=text("subscription_id IS NOT NULL"),
        ),
        Index("ix_discounts_in_force", "customer_id", postgresql_where=text("removed_at IS NULL")),
        Index("ix_discounts_coupon_id", "coupon_id", "created_at", "id"),
        Index("ix_discounts_removed", "coupon_id", "created_at", "id", postgresql_where=text("removed_at IS NOT NULL")),
    )
