"""Redemptions of coupons, for new and existing subscriptions and for customers. Each raises `Refused`."""

import re
from collections.abc import Sequence
from datetime import datetime

from tests.walk.model.shared import Coupon, refuse
from tests.walk.model.world import Customer, Discount, Subscription, World

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_DISCOUNTS = 20


def find_coupons(world: World, codes: Sequence[str]) -> list[Coupon]:
    """Returns the coupons with these codes, in upper or lower case."""
    refuse(INVALID_INPUT=len(codes) > MOST_DISCOUNTS)
    found = []
    for code in codes:
        refuse(INVALID_INPUT=not CODE.fullmatch(code))
        fitting = [coupon for coupon in world.coupons if coupon.code == code.upper()]
        refuse(COUPON_NOT_FOUND=not fitting)
        found += fitting
    return found


def redeem_coupon(
    world: World, customer: Customer, subscription: Subscription | None, coupon: Coupon, at: datetime
) -> Discount:
    """Adds a discount. Redemptions of customers on test clocks do not count, and are not limited in number."""
    refuse(CUSTOMER_ARCHIVED=customer.archived)
    refuse(COUPON_ARCHIVED=coupon.archived)
    refuse(COUPON_EXPIRED=coupon.expires_at and coupon.expires_at <= at)
    refuse(
        COUPON_EXHAUSTED=customer.clock is None
        and coupon.max_redemptions is not None
        and redemptions(world, coupon) >= coupon.max_redemptions,
        COUPON_ALREADY_REDEEMED=any(other.coupon is coupon for other in customer.discounts),
    )
    refuse(CURRENCY_MISMATCH=coupon.currency and customer.currency not in (None, coupon.currency))
    if subscription is not None and coupon.plans:
        plans = [subscription.plan, *([subscription.pending[0]] if subscription.pending else [])]
        refuse(COUPON_NOT_FOR_PLAN=not any(plan in coupon.plans for plan in plans))
    counted = [
        other
        for other in customer.discounts
        if other.removed_at is None and (other.subscription is None or other.subscription is customer.live)
    ]
    refuse(TOO_MANY_DISCOUNTS=len(counted) >= MOST_DISCOUNTS)
    discount = Discount(coupon, subscription, len(customer.discounts))
    customer.discounts.append(discount)
    customer.note("DISCOUNT_CREATED", discount, at)
    return discount


def redemptions(world: World, coupon: Coupon) -> int:
    """Returns the number of redemptions that count."""
    return sum(
        discount.coupon is coupon
        for customer in world.customers
        if customer.clock is None
        for discount in customer.discounts
    )
