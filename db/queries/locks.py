"""Rows locked until the transaction ends: the customer first, and everything that belongs to it under that lock."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import CustomerId, PlanId, SubscriptionId
from db.access.queues import in_turn
from db.access.statements import Statement, kept, send
from db.models import BillingHold, Customer, Plan, Subscription


async def locked_customer(session: AsyncSession, customer_id: CustomerId) -> Customer | None:
    async with in_turn(session, customer_id) as waits:
        return await session.scalar(
            select(Customer)
            .where(Customer.id == customer_id)
            .with_for_update(key_share=True, nowait=not waits)
            .execution_options(populate_existing=True)
        )


async def lock_customer(session: AsyncSession, customer_id: CustomerId) -> None:
    """Locks a customer without reading it."""
    async with in_turn(session, customer_id) as waits:
        await send(session, customer_lock(waits=waits), customer_id=customer_id)


@kept
def customer_lock(*, waits: bool) -> Statement:
    wanted = bindparam("customer_id", type_=Customer.id.type)
    return Statement(select(Customer.id).where(Customer.id == wanted).with_for_update(key_share=True, nowait=not waits))


async def locked_plan(session: AsyncSession, plan_id: PlanId) -> Plan | None:
    return await session.scalar(
        select(Plan).where(Plan.id == plan_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    )


async def claim_subscriptions(
    session: AsyncSession, *conditions: ColumnElement[bool], limit: int
) -> Sequence[SubscriptionId]:
    """Locks the subscriptions that meet the conditions, and their customers; those that are due first come first. What
    others have locked is left out.

    Both tables are locked: a row that is not locked is not looked at again after the wait for the other, and would be
    claimed twice. What is read beside them is older than they are: read it afterwards.
    """
    statement = (
        select(Subscription.id)
        .join(Customer, Customer.id == Subscription.customer_id)
        .outerjoin(
            BillingHold,
            (BillingHold.subscription_id == Subscription.id) & (BillingHold.customer_id == Subscription.customer_id),
        )
        .where(*conditions)
        .order_by(Subscription.next_billing_at, Subscription.id)
        .limit(limit)
        .with_for_update(key_share=True, of=(Customer, Subscription), skip_locked=True)
    )
    return (await session.scalars(statement)).all()
