"""Rows read for change: locked until the transaction ends, customer before subscription before invoice."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Customer, Plan, Subscription
from db.values import CustomerId, PlanId, SubscriptionId


async def locked_customer(session: AsyncSession, customer_id: CustomerId) -> Customer | None:
    return await session.scalar(
        select(Customer)
        .where(Customer.id == customer_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def locked_plan(session: AsyncSession, plan_id: PlanId) -> Plan | None:
    return await session.scalar(
        select(Plan).where(Plan.id == plan_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    )


async def locked_subscription(
    session: AsyncSession, subscription_id: SubscriptionId
) -> tuple[Customer, Subscription] | None:
    """The subscription and its customer, both locked."""
    customer_id = await session.scalar(select(Subscription.customer_id).where(Subscription.id == subscription_id))
    if customer_id is None:
        return None
    customer = await locked_customer(session, customer_id)
    subscription = await session.scalar(
        select(Subscription)
        .where(Subscription.id == subscription_id, Subscription.customer_id == customer_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    assert customer is not None, "a subscription's customer is never deleted"
    assert subscription is not None, "a subscription is never deleted"
    return customer, subscription
