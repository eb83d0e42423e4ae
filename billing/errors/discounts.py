"""Errors about coupons and discounts."""

from billing.errors.base import BillingError


class CouponNotFound(BillingError):
    code = "COUPON_NOT_FOUND"
    description = "There is no coupon with this id or code."
    field = ("code",)


class CouponCodeTaken(BillingError):
    code = "COUPON_CODE_TAKEN"
    description = "Another coupon has this code, ignoring case. Archived coupons keep their codes."
    field = ("code",)


class DiscountPercentInvalid(BillingError):
    code = "DISCOUNT_PERCENT_INVALID"
    description = "The percentage is out of range or has too many decimals."
    field = ("percent_off",)


class CouponArchived(BillingError):
    code = "COUPON_ARCHIVED"
    description = "The coupon is archived."
    field = ("code",)


class CouponExpired(BillingError):
    code = "COUPON_EXPIRED"
    description = "The coupon has expired. For customers on a test clock, the clock's time is used."
    field = ("code",)


class CouponExhausted(BillingError):
    code = "COUPON_EXHAUSTED"
    description = "The coupon has reached its maximum number of redemptions."
    field = ("code",)


class CouponAlreadyRedeemed(BillingError):
    code = "COUPON_ALREADY_REDEEMED"
    description = "The customer has already redeemed this coupon. Each customer can redeem a coupon only once."
    field = ("code",)


class CouponNotForPlan(BillingError):
    code = "COUPON_NOT_FOR_PLAN"
    description = "The coupon is limited to plans, and neither the subscription's plan nor its pending plan is one."
    field = ("code",)


class TooManyDiscounts(BillingError):
    code = "TOO_MANY_DISCOUNTS"
    description = "The customer has too many discounts. Remove used-up ones first."
    field = ("code",)


class DiscountNotFound(BillingError):
    code = "DISCOUNT_NOT_FOUND"
    description = "There is no discount with this id."
    field = ("id",)


class DiscountRemoved(BillingError):
    code = "DISCOUNT_REMOVED"
    description = "The discount has already been removed."
    field = ("id",)
