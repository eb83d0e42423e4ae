"""Reads of coupons and discounts."""

from collections.abc import Sequence

from sqlalchemy import any_, bindparam, case, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from billing import discounts as records
from billing.discounts import AppliedDiscount, DiscountedPeriods, DiscountState
from billing.enums import CouponDuration, InvoiceStatus
from billing.ids import CouponId, CustomerId, DiscountId, InvoiceId, SubscriptionId
from db.access.records import Bound, bind
from db.access.statements import Statement, cached, send
from db.models import Coupon, Discount, Invoice
from db.models.base import table_of
from db.queries.arrays import among

# Tables instead of models: a change by a customer session is discounted by coupons that it does not see.
coupons, discounts = table_of(Coupon), table_of(Discount)

DISCOUNT = bind(DiscountState, Discount)


async def discounts_by_customer(session: AsyncSession, customer_ids: Sequence[CustomerId]) -> list[DiscountState]:
    """Returns the discounts of the customers and of all their subscriptions, except removed ones."""
    return DISCOUNT.read(await send(session, select_discounts(), customer_ids=customer_ids))


@cached
def select_discounts() -> Statement:
    customers = bindparam("customer_ids", type_=ARRAY(Discount.customer_id.type))
    return Statement(
        select(*DISCOUNT.columns).where(Discount.customer_id == any_(customers), Discount.removed_at.is_(None))
    )


async def discounts_by_id(session: AsyncSession, discount_ids: Sequence[DiscountId]) -> list[DiscountState]:
    """Returns discounts, removed ones included, in no particular order."""
    return DISCOUNT.read(await session.execute(select(*DISCOUNT.columns).where(among(Discount.id, discount_ids))))


async def coupon_for(session: AsyncSession, customer_id: CustomerId, code: str) -> records.Coupon | None:
    """Returns the coupon with this code, for a customer who redeems it, or None if there is none."""
    bound = bind_coupon(customer_id)
    rows = (await session.execute(select(*bound.columns).where(coupons.c.code == code))).all()
    return bound.make(*rows[0]) if rows else None


def bind_coupon(customer_id: CustomerId) -> Bound[records.Coupon]:
    redeemed = select(discounts.c.id).where(
        discounts.c.coupon_id == coupons.c.id, discounts.c.customer_id == customer_id
    )
    names = ("id", "code", "name", "percent_off", "amount_off_cents", "currency", "plan_ids", "expires_at")
    return bind(
        records.Coupon,
        **{name: coupons.c[name] for name in names},
        archived_at=coupons.c.archived_at,
        periods=case((coupons.c.duration == CouponDuration.ONCE, 1), else_=coupons.c.periods),
        redemptions_left=coupons.c.max_redemptions - coupons.c.redeemed,
        is_redeemed=redeemed.exists(),
    )


async def count_redemption(session: AsyncSession, coupon_id: CouponId) -> bool:
    """Counts a redemption of a coupon that limits their number. Returns False if there are none left.

    Locks the coupon until the transaction ends.
    """
    counted = await session.execute(
        update(coupons)
        .where(coupons.c.id == coupon_id, coupons.c.redeemed < coupons.c.max_redemptions)
        .values(redeemed=coupons.c.redeemed + 1)
        .returning(coupons.c.id)
    )
    return counted.first() is not None


async def discounts_of_invoice(session: AsyncSession, invoice_id: InvoiceId) -> Sequence[AppliedDiscount]:
    return await session.scalar(select(Invoice.discounts).where(Invoice.id == invoice_id)) or ()


async def discounted_periods(
    session: AsyncSession, subscription_id: SubscriptionId | None, *, elsewhere_than: InvoiceId
) -> DiscountedPeriods:
    """Returns the periods of a subscription that other invoices discount, without void ones."""
    if subscription_id is None:
        return frozenset()
    found = await session.scalars(
        select(Invoice.discounts).where(
            Invoice.subscription_id == subscription_id,
            Invoice.id != elsewhere_than,
            Invoice.status != InvoiceStatus.VOID,
            Invoice.discounts.is_not(None),
        )
    )
    return {
        (each.discount_id, ordinal) for applied in found if applied for each in applied for ordinal in each.ordinals
    }
