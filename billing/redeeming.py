"""Redeeming coupons and removing discounts. Pure: changes an `Account`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from billing.account import Account, require_currency, require_not_archived
from billing.discounts import Coupon, DiscountState, NewDiscount
from billing.enums import EventType
from billing.errors import (
    BillingError,
    CouponAlreadyRedeemed,
    CouponArchived,
    CouponExhausted,
    CouponExpired,
    CouponNotForPlan,
    DiscountRemoved,
    TooManyDiscounts,
)
from billing.ids import DiscountId
from billing.limits import MAX_DISCOUNTS


def redeem(account: Account, coupon: Coupon, at: datetime, *, for_subscription: bool) -> NewDiscount:
    """Adds a discount to the account: for its subscription, or for all invoices of the customer.

    Redemptions on a test clock do not count towards the maximum, and are possible when it is reached.

    Raises `CustomerArchived`, `CouponArchived`, `CouponExpired`, `CouponExhausted`, `CouponAlreadyRedeemed`,
    `CurrencyMismatch`, `CouponNotForPlan`, `TooManyDiscounts`.
    """
    customer, subscription = account.customer, account.subscription if for_subscription else None
    require_not_archived(customer.archived_at)
    if coupon.archived_at is not None:
        raise CouponArchived("This coupon is archived and can no longer be redeemed.")
    if coupon.expires_at is not None and coupon.expires_at <= at:
        raise CouponExpired(f"This coupon expired at {coupon.expires_at:%FT%TZ}.")
    if coupon.redemptions_left == 0 and customer.test_clock_id is None:
        raise CouponExhausted("This coupon has reached its maximum number of redemptions.")
    if coupon.is_redeemed or coupon.id in {new.coupon_id for new in account.new_discounts}:
        raise CouponAlreadyRedeemed("This customer has already redeemed this coupon.")
    if coupon.currency is not None:
        require_currency(account, coupon.currency, "code")
    if subscription is not None and coupon.plan_ids:
        plans = {subscription.plan_id, subscription.pending_plan_id}
        if plans.isdisjoint(coupon.plan_ids):
            raise CouponNotForPlan("This coupon does not apply to the subscription's plan.")
    if len(account.discounts) >= MAX_DISCOUNTS:
        raise TooManyDiscounts(f"This customer already has {MAX_DISCOUNTS} discounts. Remove used-up ones first.")
    discount = NewDiscount(
        id=DiscountId(account.make_id()),
        customer_id=customer.id,
        subscription_id=None if subscription is None else subscription.id,
        name=coupon.name,
        percent_off=coupon.percent_off,
        amount_off_cents=coupon.amount_off_cents,
        currency=coupon.currency,
        periods=coupon.periods,
        plan_ids=coupon.plan_ids,
        periods_used=0,
        covered_subscription_id=None,
        covered_ordinal=None,
        removed_at=None,
        version=0,
        updated_at=at,
        coupon_id=coupon.id,
        is_counted=coupon.redemptions_left is not None and customer.test_clock_id is None,
        created_at=at,
    )
    account.discounts.append(discount)
    account.new_discounts.append(discount)
    account.record_change(EventType.DISCOUNT_CREATED, discount, at)
    return discount


@contextmanager
def naming_code(place: int) -> Iterator[None]:
    """Makes an error inside the block name the code at this place of `couponCodes` as the input at fault."""
    try:
        yield
    except BillingError as refusal:
        refusal.field = ("coupon_codes", str(place))
        raise


def remove_discount(account: Account, discount: DiscountState, at: datetime) -> None:
    """Removes a discount, so that it lowers no further invoices. Raises `DiscountRemoved`."""
    if discount.removed_at is not None:
        raise DiscountRemoved("This discount has already been removed.")
    discount.removed_at = at
    account.record_change(EventType.DISCOUNT_REMOVED, discount, at)
