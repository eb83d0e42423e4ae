"""Operations on coupons and discounts. Each raises `Refused`."""

from fractions import Fraction

from tests.walk.model.coupons import CODE, find_coupons, redeem_coupon
from tests.walk.model.shared import Coupon, refuse
from tests.walk.model.subscriptions import opened, opened_subscription
from tests.walk.model.world import Customer, Discount, Subscription, World

MOST_PERIODS = 1200


def create_coupon(world: World, coupon: Coupon) -> Coupon:
    percent, amount, periods = coupon.percent, coupon.amount, coupon.given_periods
    refuse(
        INVALID_INPUT=not CODE.fullmatch(coupon.code)
        or not coupon.name.strip()
        or (percent is None) == (amount is None)
        or (amount is None) != (coupon.currency is None)
        or (coupon.duration == "PERIODS") != (periods is not None)
        or (periods is not None and not 1 <= periods <= MOST_PERIODS)
        or (coupon.max_redemptions is not None and coupon.max_redemptions < 1)
        or (coupon.expires_at is not None and coupon.expires_at <= world.now),
        DISCOUNT_PERCENT_INVALID=percent is not None and not is_percentage(Fraction(percent)),
        AMOUNT_NOT_POSITIVE=amount is not None and amount <= 0,
        CURRENCY_UNKNOWN=coupon.currency == "XXX",
    )
    coupon.code = coupon.code.upper()
    refuse(COUPON_CODE_TAKEN=any(other.code == coupon.code for other in world.coupons))
    world.coupons.append(coupon)
    return coupon


def is_percentage(percent: Fraction) -> bool:
    return 0 < percent <= 100 and (percent * 10_000).denominator == 1


def archive_coupon(coupon: Coupon) -> Coupon:
    refuse(COUPON_ARCHIVED=coupon.archived)
    coupon.archived = True
    coupon.version += 1
    return coupon


def redeem(world: World, customer: Customer, subscription: Subscription | None, code: str) -> Discount:
    """Redeems a coupon for a subscription, or for all invoices of the customer."""
    at = opened_subscription(world, customer, subscription) if subscription else opened(world, customer)
    if subscription is None and customer.live:
        at = max(at, opened_subscription(world, customer, customer.live))
    [coupon] = find_coupons(world, [code])
    return redeem_coupon(world, customer, subscription, coupon, at)


def remove(world: World, customer: Customer, discount: Discount) -> None:
    at = opened(world, customer)
    refuse(DISCOUNT_REMOVED=discount.removed_at)
    discount.removed_at = at
    customer.note("DISCOUNT_REMOVED", discount, at)
