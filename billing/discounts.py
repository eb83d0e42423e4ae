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
    """A coupon, as read for a customer who redeems it.

    It takes off `percent_off` or `amount_off_cents` in `currency`, for `periods` billing periods (None for all). It is
    limited to `plan_ids`, if there are any. `redemptions_left` is None if they are not limited.
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
    """True if the customer has redeemed it before."""


@dataclass(slots=True)
class DiscountState(VersionedState):
    """A coupon that a customer redeemed, for all of its invoices or for those of one subscription.

    The terms are copies of the coupon's. A discount covers a billing period once it lowers an invoice of it. If
    `periods` is not None, `periods_used` counts these periods, and one-off invoices, except void ones.
    `covered_ordinal` is the last covered period, of the subscription `covered_subscription_id`.
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

    def covers(self, subscription_id: SubscriptionId | None, ordinal: int | None) -> bool:
        """Returns True if this is the last period that the discount covers."""
        return ordinal is not None and (subscription_id, ordinal) == (
            self.covered_subscription_id,
            self.covered_ordinal,
        )

    def is_for_invoice(self, subscription_id: SubscriptionId | None, currency: str) -> bool:
        """Returns True if it may lower invoices of this subscription (None for one-off invoices) and currency."""
        return (
            self.removed_at is None
            and self.subscription_id in (None, subscription_id)
            and self.currency in (None, currency)
        )

    def is_for_line(self, kind: LineKind, plan_id: PlanId | None) -> bool:
        """Returns True if it may lower lines of this kind and plan."""
        if kind is LineKind.ONE_OFF:
            return self.subscription_id is None and not self.plan_ids
        return not self.plan_ids or plan_id in self.plan_ids


@dataclass(slots=True)
class NewDiscount(DiscountState):
    """A discount to insert."""

    coupon_id: CouponId
    is_counted: bool
    """True if it counts towards the coupon's maximum number of redemptions. Not a column."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AppliedDiscount:
    """The amount that a discount took off an invoice.

    `ordinals` are the periods of the subscription that it covers with this invoice: usually one, and two if the invoice
    also charges for changes of the period before. It is (None,) for a one-off invoice, which counts like a period.
    """

    discount_id: DiscountId
    name: str
    amount_cents: int
    ordinals: tuple[int | None, ...]


DiscountedPeriods: TypeAlias = Set[tuple[DiscountId, int | None]]
"""Discounts, each with the ordinal of a period that it covers on an invoice of one subscription."""
NOWHERE: DiscountedPeriods = frozenset()
