"""Idempotency keys: a mutation that is sent again with its key is not done again, and answers what it answered."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.changes import PendingChange
from billing.errors import IdempotencyKeyReused, InvalidInput
from billing.ids import CustomerId, InvoiceId, PaymentId, PlanId, SubscriptionId, TestClockId
from billing.limits import MAX_IDEMPOTENCY_KEY, PRUNED_AT_ONCE
from db.models import IdempotencyKey
from db.models.base import table_of
from db.models.kinds import KINDS

RETRY_WITHIN = timedelta(hours=24)
"""So long after a mutation it may be sent again with its key."""
KEY_KEPT_FOR = 2 * RETRY_WITHIN
"""So long a key is kept: clients' clocks are not the server's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The keys of what an operation has made or changed: what a retry with its key is answered from.

    `withdrawn_change` is the change of a subscription that waited for its next period, and was replaced or withdrawn.
    """

    customer_id: CustomerId | None = None
    plan_id: PlanId | None = None
    subscription_id: SubscriptionId | None = None
    invoice_id: InvoiceId | None = None
    payment_id: PaymentId | None = None
    test_clock_id: TestClockId | None = None
    withdrawn_change: PendingChange | None = None


ID_NAMES = tuple(kind.id_name for kind in KINDS)
assert {field.name for field in fields(Outcome)} - {*ID_NAMES} == {"withdrawn_change"}, "an outcome has each kind's key"


@dataclass(frozen=True, slots=True)
class Request:
    """A mutation that was sent with a key: who sent it, and what was asked for, as text."""

    api_key: str
    key: str
    content: str

    @property
    def content_hash(self) -> bytes:
        return hashlib.sha256(self.content.encode()).digest()


async def run_once(
    session: AsyncSession,
    request: Request,
    operation: Callable[[AsyncSession], Awaitable[Outcome]],
    *,
    now: datetime,
) -> Outcome:
    """The outcome of `operation`, or of the time it was done before with this key; the key is stored with its work.

    While another transaction uses the key, this waits for it to end. A refusal stores nothing, the key neither. Raises
    `IdempotencyKeyReused` when the key came with another request, `InvalidInput` for one that is empty or too long, and
    what `operation` raises.
    """
    if not 1 <= len(request.key) <= MAX_IDEMPOTENCY_KEY:
        raise InvalidInput(f"An idempotency key must have 1 to {MAX_IDEMPOTENCY_KEY} characters.", "idempotency_key")
    keys = table_of(IdempotencyKey)
    mine = (keys.c.api_key == request.api_key) & (keys.c.key == request.key)
    taken = await session.scalar(
        insert(keys)
        .values(api_key=request.api_key, key=request.key, request_hash=request.content_hash, created_at=now)
        .on_conflict_do_nothing(index_elements=[keys.c.api_key, keys.c.key])
        .returning(keys.c.key)
    )
    if taken is None:
        return await stored_outcome(session, request)
    outcome = await operation(session)
    await session.execute(
        update(keys).where(mine).values(result=outcome_keys(outcome), details=outcome_details(outcome))
    )
    return outcome


async def stored_outcome(session: AsyncSession, request: Request) -> Outcome:
    """What was stored with a key that is taken."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.api_key == request.api_key, IdempotencyKey.key == request.key
    )
    before = (await session.scalars(statement)).one()
    if before.request_hash != request.content_hash:
        raise IdempotencyKeyReused("This idempotency key came before with another input.")
    assert before.result is not None, "a key is stored with its result"
    made = {name: UUID(value) for name, value in before.result.items()}
    return Outcome(**made, withdrawn_change=withdrawn_change_of(before.details or {}))  # type: ignore[arg-type]


def outcome_keys(outcome: Outcome) -> dict[str, str]:
    return {name: str(key) for name in ID_NAMES if (key := getattr(outcome, name)) is not None}


def outcome_details(outcome: Outcome) -> dict[str, str] | None:
    """What an outcome has beside keys, as texts; None for nothing."""
    change = outcome.withdrawn_change
    if change is None:
        return None
    return {
        "plan_id": str(change.plan_id),
        "quantity": str(change.quantity),
        "requested_at": change.requested_at.isoformat(),
        "effective_at": change.effective_at.isoformat(),
    }


def withdrawn_change_of(details: Mapping[str, str]) -> PendingChange | None:
    if not details:
        return None
    return PendingChange(
        plan_id=PlanId(UUID(details["plan_id"])),
        quantity=int(details["quantity"]),
        requested_at=datetime.fromisoformat(details["requested_at"]),
        effective_at=datetime.fromisoformat(details["effective_at"]),
    )


def request_text(name: str, fields: object) -> str:
    """A mutation's name and input as one text: the same for the same request, however its fields were ordered."""
    return json.dumps([name, fields], sort_keys=True, default=str, separators=(",", ":"))


async def prune(session: AsyncSession, *, now: datetime) -> int:
    """Deletes keys that were kept long enough: at most `PRUNED_AT_ONCE`. Returns how many."""
    keys = table_of(IdempotencyKey)
    old = (
        select(keys.c.api_key, keys.c.key)
        .where(keys.c.created_at < now - KEY_KEPT_FOR)
        .limit(PRUNED_AT_ONCE)
        .subquery()
    )
    done = await session.execute(
        delete(keys).where(keys.c.api_key == old.c.api_key, keys.c.key == old.c.key).returning(keys.c.key)
    )
    return len(done.all())
