"""The plans, taxes and coupon of the demo data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing import discounts as records
from billing.enums import (
    CouponDuration,
    EventType,
    ObjectType,
    PlanInterval,
    TaxCategory,
    TaxKind,
)
from billing.ids import CouponId, NewId, PlanId, SellerId, TaxRateId
from billing.new_records import NewEvent
from billing.records import Address
from billing.taxes import Tax, TaxId, TaxRegistration, TaxRules
from db.models import Coupon, Plan, Seller, TaxRate
from services.accounts.write import store_events

OLDEST_DAYS = 540
"""Maximum age of a demo customer, in days."""

WELCOME_PERCENT, WELCOME_PERIODS = 20, 3
"""Terms of the coupon."""

PLANS = (
    ("free", "Free", 0, "EUR", PlanInterval.DAY, 30),
    ("starter-monthly", "Starter", 900, "EUR", PlanInterval.MONTH, 1),
    ("pro-30-days", "Pro", 2900, "EUR", PlanInterval.DAY, 30),
    ("pro-yearly", "Pro, yearly", 29000, "EUR", PlanInterval.YEAR, 1),
    ("team-monthly", "Team", 7900, "USD", PlanInterval.MONTH, 1),
    ("weekly-digest", "Weekly digest", 250, "USD", PlanInterval.WEEK, 1),
    ("tokyo-monthly", "東京プラン", 1200, "JPY", PlanInterval.MONTH, 1),
    ("enterprise-quarterly", "Enterprise", 149_900, "USD", PlanInterval.MONTH, 3),
)


@dataclass(frozen=True, slots=True)
class DemoTerms:
    """The terms of the demo customers: plans and, except in plain data, taxes and a coupon that some redeem."""

    plans: list[Plan]
    tax_rules: TaxRules | None = None
    coupon: Coupon | None = None


def demo_plans(as_of: datetime, make_id: NewId) -> list[Plan]:
    created_at = as_of - timedelta(days=OLDEST_DAYS + 1)
    return [
        Plan(
            id=PlanId(make_id()),
            code=code,
            name=name,
            description=None,
            amount_cents=amount_cents,
            currency=currency,
            interval=interval,
            interval_count=interval_count,
            trial_days=0,
            net_days=None,
            custom_metadata={},
            archived_at=None,
            version=1,
            created_at=created_at,
            updated_at=created_at,
        )
        for code, name, amount_cents, currency, interval, interval_count in PLANS
    ]


async def has_terms(session: AsyncSession) -> bool:
    """Returns True if there is a seller or a coupon."""
    return bool(await session.scalar(select(or_(exists().select_from(Seller), exists().select_from(Coupon)))))


async def store_terms(
    session: AsyncSession, plans: list[Plan], as_of: datetime, make_id: NewId, *, plain: bool
) -> DemoTerms:
    """Stores the plans and, unless `plain`, a seller in Germany with one tax rate, and a coupon."""
    if plain:
        await store_rows(session, plans, ObjectType.PLAN, EventType.PLAN_CREATED, make_id)
        return DemoTerms(plans)
    created_at = as_of - timedelta(days=OLDEST_DAYS + 1)
    versioned = {"version": 1, "created_at": created_at, "updated_at": created_at}
    rate = TaxRate(
        id=TaxRateId(make_id()),
        name="VAT",
        kind=TaxKind.VAT,
        category=TaxCategory.S,
        percent=Decimal(19),
        reason=None,
        archived_at=None,
        **versioned,
    )
    registration = TaxRegistration("DE", created_at, (rate.id,))
    seller = Seller(
        id=SellerId(make_id()),
        revision=1,
        legal_name="Demo GmbH",
        address=Address(line1="Unter den Linden 1", postal_code="10117", city="Berlin", country="DE"),
        home_country="DE",
        tax_ids=(TaxId("DE", "DE136695976"),),
        time_zone="Europe/Berlin",
        email="billing@demo.example.com",
        phone=None,
        bank_account=None,
        registrations=(registration,),
        cash_rounding={},
        created_at=created_at,
    )
    coupon = Coupon(
        id=CouponId(make_id()),
        code="WELCOME",
        name=f"Welcome: {WELCOME_PERCENT}% off for {WELCOME_PERIODS} periods",
        percent_off=Decimal(WELCOME_PERCENT),
        amount_off_cents=None,
        currency=None,
        duration=CouponDuration.PERIODS,
        periods=WELCOME_PERIODS,
        plan_ids=[],
        max_redemptions=None,
        redeemed=0,
        expires_at=None,
        archived_at=None,
        **versioned,
    )
    await store_rows(session, plans, ObjectType.PLAN, EventType.PLAN_CREATED, make_id)
    await store_rows(session, [rate], ObjectType.TAX_RATE, EventType.TAX_RATE_CREATED, make_id)
    await store_rows(session, [seller], ObjectType.SELLER, EventType.SELLER_UPDATED, make_id)
    await store_rows(session, [coupon], ObjectType.COUPON, EventType.COUPON_CREATED, make_id)
    tax = Tax(rate.name, rate.kind, rate.category, rate.percent, rate_id=rate.id)
    rules = TaxRules(seller.id, seller.home_country, seller.registrations, {}, {rate.id: tax})
    return DemoTerms(plans, rules, coupon)


async def store_rows(
    session: AsyncSession,
    rows: Sequence[Plan | TaxRate | Seller | Coupon],
    object_type: ObjectType,
    type_: EventType,
    make_id: NewId,
) -> None:
    """Stores rows that belong to no customer, each with its first event."""
    session.add_all(rows)
    await session.flush()
    await store_events(session, [created(row.id, object_type, type_, row.created_at, make_id) for row in rows])


def created(
    object_id: UUID, object_type: ObjectType, type_: EventType, created_at: datetime, make_id: NewId
) -> NewEvent:
    """Returns the first event of an object that belongs to no customer."""
    return NewEvent(
        id=make_id(),
        customer_id=None,
        type=type_,
        object_type=object_type,
        object_id=object_id,
        version=1,
        actor="demo",
        changes=[],
        occurred_at=created_at,
        recorded_at=created_at,
    )


def redeemed(coupon: Coupon) -> records.Coupon:
    """Returns the coupon as a record that a demo customer can redeem."""
    return records.Coupon(
        id=coupon.id,
        code=coupon.code,
        name=coupon.name,
        percent_off=coupon.percent_off,
        amount_off_cents=coupon.amount_off_cents,
        currency=coupon.currency,
        periods=coupon.periods,
        plan_ids=coupon.plan_ids,
        redemptions_left=None,
        expires_at=None,
        archived_at=None,
        is_redeemed=False,
    )
