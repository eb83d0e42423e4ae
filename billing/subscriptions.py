"""Subscriptions: a customer on a plan, from the first invoice to the cancellation."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers import bill_to, existing_customer
from billing.errors import (
    AmountTooLarge,
    CancellationAlreadyScheduled,
    CancellationDue,
    CancellationNotScheduled,
    CurrencyMismatch,
    CustomerAlreadySubscribed,
    CustomerArchived,
    PlanArchived,
    PlanNotFound,
    QuantityOutOfRange,
    SubscriptionCanceled,
    SubscriptionNotFound,
)
from billing.ids import new_id
from billing.money import AmountOverflow
from billing.plans import billing_interval
from billing.renewals import Renewal, SubscriptionState, Terms, plan_renewal
from billing.texts import valid_metadata
from billing.writer import store_renewals
from db.models import Customer, Invoice, Plan, Subscription
from db.models.base import changed
from db.queries.locks import locked_subscription
from db.values import CustomerId, PlanId, SubscriptionId, SubscriptionStatus

MAX_QUANTITY = 1_000_000_000


async def create_subscription(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    plan_id: PlanId,
    quantity: int = 1,
    metadata: Mapping[str, str] | None = None,
    now: datetime,
) -> tuple[Subscription, Invoice]:
    """Puts a customer on a plan from `now` on, and bills the first period.

    Raises `CustomerNotFound`, `CustomerArchived`, `CustomerAlreadySubscribed`, `PlanNotFound`, `PlanArchived`,
    `CurrencyMismatch`, `QuantityOutOfRange`, `AmountTooLarge`, `InvalidInput`.
    """
    if not 1 <= quantity <= MAX_QUANTITY:
        raise QuantityOutOfRange(f"Quantity must be 1 to {MAX_QUANTITY}.")
    custom_metadata = valid_metadata(metadata)
    customer = await existing_customer(session, customer_id)
    if customer.archived_at is not None:
        raise CustomerArchived("This customer is archived.")
    plan = await session.get(Plan, plan_id)
    if plan is None:
        raise PlanNotFound("There is no plan with this id.")
    if plan.archived_at is not None:
        raise PlanArchived("This plan is archived: it takes no new subscriptions.")
    if customer.currency not in (None, plan.currency):
        raise CurrencyMismatch(f"This customer is billed in {customer.currency}, the plan in {plan.currency}.")

    try:
        renewal = plan_renewal(new_subscription(customer, plan, quantity, now), as_of=now)
    except AmountOverflow:
        raise AmountTooLarge("Price × quantity is more than 2^53 − 1 minor units.", "quantity") from None

    subscription = await insert_live_subscription(session, renewal, custom_metadata, now)
    if subscription is None:
        raise CustomerAlreadySubscribed("This customer already has a live subscription.")
    if customer.currency is None:
        customer.currency = plan.currency
        changed(customer, now)
        await session.flush()
    [invoice] = await store_renewals(session, [renewal])
    return subscription, Invoice(**invoice)


def new_subscription(customer: Customer, plan: Plan, quantity: int, now: datetime) -> SubscriptionState:
    """The state of a subscription that starts `now` and of which nothing is billed yet."""
    return SubscriptionState(
        subscription_id=SubscriptionId(new_id()),
        customer_id=customer.id,
        terms=terms_of(plan, quantity),
        anchor_at=now,
        anchor_ordinal=0,
        next_ordinal=0,
        next_start=now,
        bill_to=bill_to(customer),
        invoice_prefix=customer.invoice_prefix,
        last_invoice_number=customer.last_invoice_number,
    )


def terms_of(plan: Plan, quantity: int) -> Terms:
    """What `quantity` units of a plan cost for each of its intervals."""
    return Terms(
        plan_id=plan.id,
        plan_name=plan.name,
        unit_amount_cents=plan.amount_cents,
        currency=plan.currency,
        interval=billing_interval(plan.interval, plan.interval_count),
        quantity=quantity,
    )


async def insert_live_subscription(
    session: AsyncSession, renewal: Renewal, metadata: dict[str, str], now: datetime
) -> Subscription | None:
    """Stores the subscription; None when its customer has a live one."""
    state, period = renewal.state, renewal.current_period
    return await session.scalar(
        insert(Subscription)
        .values(
            id=state.subscription_id,
            customer_id=state.customer_id,
            plan_id=state.terms.plan_id,
            quantity=state.terms.quantity,
            status=SubscriptionStatus.ACTIVE,
            anchor_at=state.anchor_at,
            anchor_ordinal=state.anchor_ordinal,
            started_at=state.anchor_at,
            current_period_start=period.start,
            current_period_end=period.end,
            next_billing_at=period.end,
            cancel_at_period_end=False,
            custom_metadata=metadata,
            version=1,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(
            index_elements=[Subscription.customer_id],
            index_where=text("status <> 'CANCELED'"),
        )
        .returning(Subscription)
    )


async def cancel_subscription(
    session: AsyncSession, *, subscription_id: SubscriptionId, at_period_end: bool = True, now: datetime
) -> Subscription:
    """Cancels a subscription, at once or at the end of its current period; nothing is given back.

    A cancellation at once also overtakes one that waits for the period's end. Open invoices stay owed. Raises
    `SubscriptionNotFound`, `SubscriptionCanceled`, `CancellationAlreadyScheduled`.
    """
    subscription = await live_subscription(session, subscription_id)
    if at_period_end and subscription.cancel_at_period_end:
        raise CancellationAlreadyScheduled("This subscription is canceled at its period's end already.")

    subscription.cancel_at_period_end = at_period_end
    subscription.canceled_at = now
    if not at_period_end:
        subscription.status = SubscriptionStatus.CANCELED
        subscription.ended_at = now
        subscription.next_billing_at = None
    changed(subscription, now)
    await session.flush()
    return subscription


async def undo_subscription_cancellation(
    session: AsyncSession, *, subscription_id: SubscriptionId, now: datetime
) -> Subscription:
    """Takes back a cancellation that waits for the period's end.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `CancellationNotScheduled`, and `CancellationDue` once the
    period is over.
    """
    subscription = await live_subscription(session, subscription_id)
    if not subscription.cancel_at_period_end:
        raise CancellationNotScheduled("This subscription is not going to be canceled.")
    assert subscription.current_period_end is not None, "what waits for its period's end has a period"
    if subscription.current_period_end <= now:
        raise CancellationDue("The period is over: the cancellation can no longer be undone.")

    subscription.cancel_at_period_end = False
    subscription.canceled_at = None
    changed(subscription, now)
    await session.flush()
    return subscription


async def live_subscription(session: AsyncSession, subscription_id: SubscriptionId) -> Subscription:
    """The subscription, locked after its customer. Raises `SubscriptionNotFound`, `SubscriptionCanceled`."""
    found = await locked_subscription(session, subscription_id)
    if found is None:
        raise SubscriptionNotFound("There is no subscription with this id.")
    _, subscription = found
    if subscription.status is SubscriptionStatus.CANCELED:
        raise SubscriptionCanceled("This subscription has ended: CANCELED is final.")
    return subscription
