"""Reads of MRR movements, for the next movement of a customer."""

from collections.abc import Sequence

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import CustomerId
from billing.movements import MovementState
from db.access.records import bind
from db.access.statements import Statement, cached, send
from db.models import MrrMovement

MOVEMENT = bind(MovementState, MrrMovement)


async def latest_movements(
    session: AsyncSession, customer_ids: Sequence[CustomerId]
) -> dict[CustomerId, MovementState]:
    """Returns the latest movement of each customer that has one."""
    found = MOVEMENT.read(await send(session, select_latest(), customer_ids=customer_ids))
    return {movement.customer_id: movement for movement in found}


@cached
def select_latest() -> Statement:
    customers = bindparam("customer_ids", type_=ARRAY(MrrMovement.customer_id.type))
    return Statement(
        select(*MOVEMENT.columns)
        .ext(distinct_on(MrrMovement.customer_id))
        .where(MrrMovement.customer_id == any_(customers))
        .order_by(MrrMovement.customer_id, MrrMovement.sequence.desc())
    )
