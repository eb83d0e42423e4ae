"""Reads of coupons and discounts."""

from collections.abc import Sequence

from sqlalchemy import Uuid, any_, bindparam, case, or_, select, update
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

# Tables instead of models: a customer session must be able to redeem coupons that it cannot see.
coupons, discounts = table_of(Coupon), table_of(Discount)

DISCOUNT = bind(DiscountState, Discount)


async def discounts_in_force(
    session: AsyncSession, customer_ids: Sequence[CustomerId], subscription_ids: Sequence[SubscriptionId]
) -> list[DiscountState]:
    """Returns the discounts of the customers and of these subscriptions. Removed ones are left out."""
    found = await send(session, select_discounts(), customer_ids=customer_ids, subscription_ids=subscription_ids)
    return DISCOUNT.read(found)


@cached
def select_discounts() -> Statement:
    customers = bindparam("customer_ids", type_=ARRAY(Discount.customer_id.type))
    subscriptions = bindparam("subscription_ids", type_=ARRAY(Uuid()))
    return Statement(
        select(*DISCOUNT.columns).where(
            Discount.customer_id == any_(customers),
            Discount.removed_at.is_(None),
            or_(Discount.subscription_id.is_(None), Discount.subscription_id == any_(subscriptions)),
        )
    )


async def discounts_by_id(session: AsyncSession, discount_ids: Sequence[DiscountId]) -> list[DiscountState]:
    """Returns discounts, removed ones included, in no particular order."""
    return DISCOUNT.read(await session.execute(select(*DISCOUNT.columns).where(among(Discount.id, discount_ids))))


async def coupons_by_code(
    session: AsyncSession, customer_id: CustomerId, codes: Sequence[str]
) -> dict[str, records.Coupon]:
    """Returns the coupons with these codes, by code, as the customer can redeem them. Unknown codes are missing."""
    bound = bind_coupon(customer_id)
    found = await session.execute(select(*bound.columns).where(coupons.c.code.in_(codes)))
    return {coupon.code: coupon for coupon in bound.read(found)}


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
    """Counts a redemption of a coupon with `max_redemptions`. Returns False if the maximum is reached.

    Locks the coupon until the end of the transaction.
    """
    counted = await session.execute(
        update(coupons)
        .where(coupons.c.id == coupon_id, coupons.c.redeemed < coupons.c.max_redemptions)
        .values(redeemed=coupons.c.redeemed + 1)
        .returning(coupons.c.id)
    )
    return counted.first() is not None


async def discounts_of_invoice(session: AsyncSession, invoice_id: InvoiceId) -> Sequence[AppliedDiscount]:
    """Returns the discounts of an invoice, in the order applied."""
    return await session.scalar(select(Invoice.discounts).where(Invoice.id == invoice_id)) or ()


async def discounted_periods(
    session: AsyncSession,
    subscription_id: SubscriptionId | None,
    applied: Sequence[AppliedDiscount],
    *,
    elsewhere_than: InvoiceId,
) -> DiscountedPeriods:
    """Returns the periods that other invoices of the subscription discount. Void invoices are left out.

    Reads nothing if none are `applied`, the discounts that the caller asks for.
    """
    if subscription_id is None or not applied:
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
