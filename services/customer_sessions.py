"""Customer sessions: short-lived keys for a customer's browser."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import require_not_archived
from billing.enums import ApiKeyScope, CustomerPermission
from billing.errors import CustomerNotFound, InvalidInput
from billing.ids import CustomerId, PlanId
from billing.limits import MAX_SESSION_PLANS, MAX_SESSION_SECONDS, MIN_SESSION_SECONDS, PRUNED_AT_ONCE
from db.models import ApiKey
from db.models.base import table_of
from db.queries.locks import locked_customer
from services.api_keys import SESSION_PREFIX, Issued, issue
from services.plans import require_plans

KEPT_SESSIONS = timedelta(days=1)
"""Time for which expired sessions are kept."""


async def create_customer_session(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    seconds: int,
    permissions: Collection[CustomerPermission],
    plan_ids: Collection[PlanId] = (),
    created_by: UUID | None = None,
    now: datetime,
) -> Issued:
    """Creates a key for a customer's browser that expires after `seconds`.

    With the permission CHANGE_SUBSCRIPTION, it may change to the plans in `plan_ids` and change the quantity. Raises
    `CustomerNotFound`, `CustomerArchived`, `PlanNotFound`, `InvalidInput`.
    """
    if not MIN_SESSION_SECONDS <= seconds <= MAX_SESSION_SECONDS:
        raise InvalidInput(
            f"A session must last {MIN_SESSION_SECONDS} to {MAX_SESSION_SECONDS} seconds.", "ttl_seconds"
        )
    # The lock makes sure that archiving the customer at the same time also ends this session.
    customer = await locked_customer(session, customer_id)
    if customer is None:
        raise CustomerNotFound("There is no customer with this id.")
    require_not_archived(customer.archived_at)
    if len(plan_ids) > MAX_SESSION_PLANS:
        raise InvalidInput(f"A session may name at most {MAX_SESSION_PLANS} plans.", "plan_ids")
    await require_plans(session, plan_ids)
    return await issue(
        session,
        SESSION_PREFIX,
        ApiKey(
            name="customer session",
            scope=ApiKeyScope.CUSTOMER,
            customer_id=customer_id,
            permissions=sorted(set(permissions)),
            plan_ids=list(plan_ids),
            created_by=created_by,
            created_at=now,
            expires_at=now + timedelta(seconds=seconds),
        ),
    )


async def end_customer_sessions(session: AsyncSession, customer_id: CustomerId, *, now: datetime) -> None:
    """Revokes all sessions of a customer."""
    keys = table_of(ApiKey)
    mine = (keys.c.customer_id == customer_id) & keys.c.revoked_at.is_(None)
    await session.execute(update(keys).where(mine).values(revoked_at=now))


async def prune_sessions(session: AsyncSession, *, now: datetime) -> None:
    """Deletes sessions that expired more than `KEPT_SESSIONS` ago, at most `PRUNED_AT_ONCE`."""
    keys = table_of(ApiKey)
    ended = select(keys.c.id).where(keys.c.expires_at < now - KEPT_SESSIONS).limit(PRUNED_AT_ONCE)
    await session.execute(delete(keys).where(keys.c.id.in_(ended)))
