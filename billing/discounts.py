"""Coupons and discounts as plain values. Pure."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypeAlias

from billing.enums import LineKind, ObjectType
from billing.ids import CouponId, CustomerId, DiscountId, PlanId, SubscriptionId
from billing.records import VersionedState


@dataclass(slots=True)
class Coupon:
    """A coupon, as one customer can redeem it.

    It takes off `percent_off`, or `amount_off_cents` in `currency`, for `periods` billing periods (None for all). An
    empty `plan_ids` means no limit to plans. `redemptions_left` is None if redemptions are unlimited.
    """

    id: CouponId
    code: str
    name: str
    percent_off: Decimal | None
    amount_off_cents: int | None
    currency: str | None
    periods: int | None
    plan_ids: Sequence[PlanId]
    redemptions_left: int | None
    expires_at: datetime | None
    archived_at: datetime | None
    is_redeemed: bool
    """True if the customer has already redeemed it."""


@dataclass(slots=True)
class DiscountState(VersionedState):
    """A discount that a customer got by redeeming a coupon, for all its invoices or those of one subscription.

    The terms are copied from the coupon. The discount covers a billing period once it has lowered an invoice for it.
    If `periods` is set, `periods_used` counts the covered periods, plus each one-off invoice that was lowered. Void
    invoices do not count. `covered_ordinal` is the latest covered period, of `covered_subscription_id`.
    """

    object_type: ClassVar = ObjectType.DISCOUNT
    event_columns: ClassVar = ("periods_used", "removed_at")

    id: DiscountId
    customer_id: CustomerId
    subscription_id: SubscriptionId | None
    name: str
    percent_off: Decimal | None
    amount_off_cents: int | None
    currency: str | None
    periods: int | None
    plan_ids: Sequence[PlanId]
    periods_used: int
    covered_subscription_id: SubscriptionId | None
    covered_ordinal: int | None
    removed_at: datetime | None
    version: int
    updated_at: datetime

    @property
    def has_periods_left(self) -> bool:
        return self.periods is None or self.periods_used < self.periods

    @property
    def place_in_order(self) -> tuple[bool, bool, DiscountId]:
        """Key of the order in which discounts apply: limited to plans first, then percentages, then by redemption."""
        return not self.plan_ids, self.percent_off is None, self.id

    def covers(self, subscription_id: SubscriptionId | None, ordinal: int | None) -> bool:
        """Returns True if this is the latest period that the discount has covered."""
        return ordinal is not None and (subscription_id, ordinal) == (
            self.covered_subscription_id,
            self.covered_ordinal,
        )

    def is_for_invoice(self, subscription_id: SubscriptionId | None, currency: str) -> bool:
        """Returns True if the discount can lower invoices of this subscription (None: one-off) in this currency."""
        return (
            self.removed_at is None
            and self.subscription_id in (None, subscription_id)
            and self.currency in (None, currency)
        )

    def is_for_line(self, kind: LineKind, plan_id: PlanId | None) -> bool:
        """Returns True if the discount can lower lines of this kind and plan."""
        if kind is LineKind.ONE_OFF:
            return self.subscription_id is None and not self.plan_ids
        return not self.plan_ids or plan_id in self.plan_ids


@dataclass(slots=True)
class NewDiscount(DiscountState):
    """A discount to insert."""

    coupon_id: CouponId
    is_counted: bool
    """True if the redemption counts towards the coupon's maximum. Not a column."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AppliedDiscount:
    """The amount that a discount took off an invoice.

    `ordinals` are the subscription's periods that this invoice makes the discount cover: usually one; two if the
    invoice also charges for changes in the previous period. (None,) for a one-off invoice, which counts as one period.
    """

    discount_id: DiscountId
    name: str
    amount_cents: int
    ordinals: tuple[int | None, ...]


DiscountedPeriods: TypeAlias = Set[tuple[DiscountId, int | None]]
"""Pairs of a discount and the ordinal of a period that it covers on an invoice of one subscription."""
NO_PERIODS: DiscountedPeriods = frozenset()
