"""Coupons and discounts: creating, archiving, redeeming and removing them."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing import discounts as records
from billing.account import Account
from billing.coupon_validation import CouponRequest, valid_coupon, valid_coupon_code
from billing.enums import EventType
from billing.errors import (
    CouponArchived,
    CouponCodeTaken,
    CouponExhausted,
    CouponNotFound,
    DiscountNotFound,
    InvalidInput,
)
from billing.ids import CouponId, CustomerId, DiscountId, SubscriptionId, new_id
from billing.limits import MAX_DISCOUNTS
from billing.redeeming import naming_code, redeem, remove_discount
from db.driver.errors import violated_constraint
from db.models import Coupon, Discount
from db.models.base import mark_changed
from db.queries.discounts import count_redemption, coupons_by_code, discounts_by_id
from services.accounts.open import bill_due_periods, open_customer, open_subscription
from services.accounts.write import store
from services.events import record
from services.idempotency import Outcome
from services.plans import require_plans


async def create_coupon(session: AsyncSession, request: CouponRequest, *, now: datetime) -> Outcome:
    """Creates a coupon.

    Raises `InvalidInput`, `DiscountPercentInvalid`, `AmountNotPositive`, `AmountTooLarge`, `CurrencyUnknown`,
    `PlanNotFound`, `CouponCodeTaken`.
    """
    request = valid_coupon(request, now)
    await require_plans(session, request.plan_ids)
    coupon = Coupon(
        id=CouponId(new_id()),
        code=request.code,
        name=request.name,
        percent_off=request.percent_off,
        amount_off_cents=request.amount_off_cents,
        currency=request.currency,
        duration=request.duration,
        periods=request.periods,
        plan_ids=list(request.plan_ids),
        max_redemptions=request.max_redemptions,
        redeemed=0,
        expires_at=request.expires_at,
        archived_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(coupon)
    try:
        await record(session, EventType.COUPON_CREATED, coupon, at=now, now=now)
    except IntegrityError as error:
        if violated_constraint(error) == "uq_coupons_code":
            raise CouponCodeTaken(f"Another coupon has the code {request.code}.") from None
        raise
    return Outcome(coupon_id=coupon.id)


async def archive_coupon(session: AsyncSession, *, coupon_id: CouponId, now: datetime) -> Outcome:
    """Archives a coupon, so that it can no longer be redeemed. Existing discounts continue.

    Raises `CouponNotFound`, `CouponArchived`.
    """
    coupon = await session.scalar(select(Coupon).where(Coupon.id == coupon_id).with_for_update())
    if coupon is None:
        raise CouponNotFound("There is no coupon with this id.", "id")
    if coupon.archived_at is not None:
        raise CouponArchived("This coupon is already archived.", "id")
    coupon.archived_at = now
    mark_changed(coupon, now)
    await record(session, EventType.COUPON_ARCHIVED, coupon, at=now, now=now)
    return Outcome(coupon_id=coupon.id)


async def redeem_coupon(
    session: AsyncSession,
    *,
    code: str,
    customer_id: CustomerId | None = None,
    subscription_id: SubscriptionId | None = None,
    now: datetime,
) -> Outcome:
    """Redeems a coupon for a subscription, or for all invoices of a customer. Give exactly one of the two ids.

    Raises `InvalidInput`, `CouponNotFound`, `CustomerNotFound`, `SubscriptionNotFound`, `SubscriptionCanceled`,
    `AmountTooLarge`, `TestClockAdvancing`, and the errors of `redeem`.
    """
    if subscription_id is not None and customer_id is None:
        account, at = await open_subscription(session, subscription_id, now=now)
    elif customer_id is not None and subscription_id is None:
        account, at = await open_customer(session, customer_id, now=now)
        if account.subscription is not None and not account.held:
            # As for a subscription: periods that were due before are billed without the discount.
            bill_due_periods(account, at)
    else:
        raise InvalidInput("Give either `customerId` or `subscriptionId`.", "customer_id")
    coupon = await find_coupon(session, account, code)
    discount = redeem(account, coupon, at, for_subscription=subscription_id is not None)
    await store_redemptions(session, account)
    return Outcome(customer_id=account.customer.id, discount_id=discount.id)


async def find_coupon(session: AsyncSession, account: Account, code: str) -> records.Coupon:
    """Returns the coupon with this code, as the account's customer can redeem it.

    Raises `InvalidInput`, `CouponNotFound`.
    """
    stored_code = valid_coupon_code(code)
    found = await coupons_by_code(session, account.customer.id, [stored_code])
    return require_found(found, stored_code)


async def find_coupons(session: AsyncSession, account: Account, codes: Sequence[str]) -> list[records.Coupon]:
    """Returns the coupons with these codes, in the same order, for a new subscription.

    Raises `InvalidInput`, `CouponNotFound`.
    """
    if not codes:
        return []
    if len(codes) > MAX_DISCOUNTS:
        raise InvalidInput(f"`couponCodes` can have at most {MAX_DISCOUNTS} codes.", "coupon_codes")
    stored_codes = []
    for place, code in enumerate(codes):
        with naming_code(place):
            stored_codes.append(valid_coupon_code(code))
    known = await coupons_by_code(session, account.customer.id, stored_codes)
    found = []
    for place, code in enumerate(stored_codes):
        with naming_code(place):
            found.append(require_found(known, code))
    return found


def require_found(coupons: Mapping[str, records.Coupon], code: str) -> records.Coupon:
    """Returns the coupon with this code. Raises `CouponNotFound`."""
    if code not in coupons:
        raise CouponNotFound("There is no coupon with this code.")
    return coupons[code]


async def store_redemptions(session: AsyncSession, account: Account) -> None:
    """Stores the account, and counts its new discounts towards the limits of their coupons.

    Redemptions on a test clock do not count. Raises `CouponExhausted`.
    """
    counted = [(place, new) for place, new in enumerate(account.new_discounts) if new.is_counted]
    # Sorted: concurrent transactions lock the coupons in the same order, so they cannot deadlock.
    for place, discount in sorted(counted, key=lambda each: each[1].coupon_id):
        with naming_code(place) if account.is_new else nullcontext():
            if not await count_redemption(session, discount.coupon_id):
                raise CouponExhausted("This coupon has reached its maximum number of redemptions.")
    await store(session, [account])


async def remove_customer_discount(session: AsyncSession, *, discount_id: DiscountId, now: datetime) -> Outcome:
    """Removes a discount, so that it lowers no further invoices.

    Raises `DiscountNotFound`, `DiscountRemoved`, `AmountTooLarge`, `TestClockAdvancing`.
    """
    owner = await session.scalar(select(Discount.customer_id).where(Discount.id == discount_id))
    if owner is None:
        raise DiscountNotFound("There is no discount with this id.")
    account, at = await open_customer(session, owner, now=now)
    [discount] = await discounts_by_id(session, [discount_id])
    remove_discount(account, discount, at)
    await store(session, [account])
    return Outcome(customer_id=owner, discount_id=discount_id)
