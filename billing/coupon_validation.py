"""Validation of input about coupons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.enums import CouponDuration
from billing.errors import AmountNotPositive, AmountTooLarge, DiscountPercentInvalid, InvalidInput
from billing.ids import PlanId
from billing.limits import (
    MAX_CENTS,
    MAX_COUPON_CODE,
    MAX_COUPON_PERIODS,
    MAX_COUPON_PLANS,
    MAX_NAME,
    MAX_PERCENT,
    MAX_REDEMPTIONS,
    PERCENT_DECIMALS,
)
from billing.money import TOO_LARGE
from billing.validation import is_percentage, required_text, valid_code, valid_currency


@dataclass(frozen=True, slots=True)
class CouponRequest:
    """A requested coupon. It takes off `percent_off`, or `amount_off_cents` in `currency`."""

    code: str
    name: str
    percent_off: Decimal | None = None
    amount_off_cents: int | None = None
    currency: str | None = None
    duration: CouponDuration = CouponDuration.FOREVER
    periods: int | None = None
    plan_ids: Sequence[PlanId] = ()
    max_redemptions: int | None = None
    expires_at: datetime | None = None


def valid_coupon(request: CouponRequest, now: datetime) -> CouponRequest:
    """Returns the coupon with its code in upper case.

    Raises `InvalidInput`, `DiscountPercentInvalid`, `AmountNotPositive`, `AmountTooLarge`, `CurrencyUnknown`.
    """
    require_amount_or_percentage(request)
    if (request.duration is CouponDuration.PERIODS) != (request.periods is not None):
        raise InvalidInput("Give `periods` if `duration` is PERIODS, and omit it otherwise.", "periods")
    if request.periods is not None and not 1 <= request.periods <= MAX_COUPON_PERIODS:
        raise InvalidInput(f"`periods` must be 1 to {MAX_COUPON_PERIODS}.", "periods")
    if len(request.plan_ids) > MAX_COUPON_PLANS:
        raise InvalidInput(f"A coupon can be limited to at most {MAX_COUPON_PLANS} plans.", "plan_ids")
    if request.max_redemptions is not None and not 1 <= request.max_redemptions <= MAX_REDEMPTIONS:
        raise InvalidInput(f"`maxRedemptions` must be 1 to {MAX_REDEMPTIONS}.", "max_redemptions")
    if request.expires_at is not None and request.expires_at <= now:
        raise InvalidInput(f"`expiresAt` must be in the future: it is {now:%FT%TZ}.", "expires_at")
    return replace(
        request,
        code=valid_coupon_code(request.code),
        name=required_text(request.name, "name", MAX_NAME),
        plan_ids=tuple(dict.fromkeys(request.plan_ids)),
    )


def require_amount_or_percentage(request: CouponRequest) -> None:
    percent, amount = request.percent_off, request.amount_off_cents
    if (percent is None) == (amount is None):
        raise InvalidInput("Give either `percentOff`, or `amountOffCents` and `currency`.", "percent_off")
    if (amount is None) != (request.currency is None):
        raise InvalidInput("Give `currency` with `amountOffCents`, and omit it with `percentOff`.", "currency")
    if percent is not None and not (is_percentage(percent) and percent > 0):
        raise DiscountPercentInvalid(
            f"`percentOff` must be more than 0, at most {MAX_PERCENT}, with at most {PERCENT_DECIMALS} decimals."
        )
    if amount is not None and amount <= 0:
        raise AmountNotPositive("`amountOffCents` must be more than 0.", "amount_off_cents")
    if amount is not None and amount > MAX_CENTS:
        raise AmountTooLarge(TOO_LARGE, "amount_off_cents")
    if request.currency is not None:
        valid_currency(request.currency)


def valid_coupon_code(text: str) -> str:
    """Returns the code of a coupon in upper case. Raises `InvalidInput`."""
    return valid_code(text, MAX_COUPON_CODE).upper()


def coupon_code_or_none(text: str) -> str | None:
    """Returns the code of a coupon in upper case, or None if it is not valid."""
    try:
        return valid_coupon_code(text)
    except InvalidInput:
        return None
