"""Idempotency keys: a mutation that is retried with its key is not executed again and returns the stored result."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.changes import PendingChange
from billing.errors import IdempotencyKeyReused, InvalidInput
from billing.ids import (
    CouponId,
    CreditNoteId,
    CustomerId,
    DiscountId,
    InvoiceId,
    PaymentId,
    PlanId,
    SellerId,
    SubscriptionId,
    TaxRateId,
    TestClockId,
    WebhookEndpointId,
)
from billing.limits import MAX_IDEMPOTENCY_KEY, PRUNED_AT_ONCE
from db.models import IdempotencyKey
from db.models.base import table_of
from db.models.kinds import KINDS

RETRY_WITHIN = timedelta(hours=24)
"""Time within which a mutation may be retried with its idempotency key."""
KEYS_KEPT_FOR = 2 * RETRY_WITHIN
"""Time for which idempotency keys are kept: the clocks of clients may differ from the server's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ids of the objects that an operation created or changed. A retry is answered from them.

    `withdrawn_change` is the pending change that the operation replaced or withdrew.
    """

    customer_id: CustomerId | None = None
    plan_id: PlanId | None = None
    subscription_id: SubscriptionId | None = None
    invoice_id: InvoiceId | None = None
    payment_id: PaymentId | None = None
    credit_note_id: CreditNoteId | None = None
    seller_id: SellerId | None = None
    tax_rate_id: TaxRateId | None = None
    coupon_id: CouponId | None = None
    discount_id: DiscountId | None = None
    test_clock_id: TestClockId | None = None
    webhook_endpoint_id: WebhookEndpointId | None = None
    withdrawn_change: PendingChange | None = None


ID_NAMES = tuple(kind.id_name for kind in KINDS)
assert {field.name for field in fields(Outcome)} - {*ID_NAMES} == {"withdrawn_change"}, (
    "an outcome has one id field for each kind of object"
)


class Retryable(Protocol):
    """An input with an idempotency key."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def idempotency_key(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A mutation with an idempotency key.

    `api_key` identifies the caller; `content` is the input as text, from `request_text`.
    """

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
    """Returns the outcome of `operation`, or the stored outcome if it was executed before with this key.

    Stores the key in the same transaction. Waits while another transaction uses the key. If the operation is rejected,
    nothing is stored, including the key. Raises `IdempotencyKeyReused` if the key was used for a different request,
    `InvalidInput` if it is empty or too long, and the errors of `operation`.
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
    """Returns the outcome that was stored with the key. Raises `IdempotencyKeyReused`."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.api_key == request.api_key, IdempotencyKey.key == request.key
    )
    before = (await session.scalars(statement)).one()
    if before.request_hash != request.content_hash:
        raise IdempotencyKeyReused("This idempotency key was already used with a different input.")
    assert before.result is not None, "a key is stored with its result"
    made = {name: UUID(value) for name, value in before.result.items()}
    return Outcome(**made, withdrawn_change=withdrawn_change_of(before.details or {}))  # type: ignore[arg-type]


def outcome_keys(outcome: Outcome) -> dict[str, str]:
    return {name: str(key) for name in ID_NAMES if (key := getattr(outcome, name)) is not None}


def outcome_details(outcome: Outcome) -> dict[str, str] | None:
    """Returns the part of an outcome that is not ids, as strings, or None if there is none."""
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


def request_text(input: Retryable) -> str:
    """Returns a mutation's input as text. Equal requests give equal texts, whatever the order of their fields.

    Leaves out the idempotency key, and fields with default values, so that another server version with more fields
    produces the same text.
    """
    asked = {name: value for name, value in given_fields(input).items() if name != "idempotency_key"}
    return json.dumps(
        [type(input).__name__, asked], sort_keys=True, default=given_fields_or_text, separators=(",", ":")
    )


def given_fields(input: object) -> dict[str, object]:
    """Returns the fields of an input whose values differ from their defaults."""
    assert is_dataclass(input), input
    values = ((field, getattr(input, field.name)) for field in fields(input))
    return {field.name: value for field, value in values if value != default_of(field)}


def given_fields_or_text(value: object) -> object:
    """Encodes a value that JSON does not support: a nested input as its given fields, anything else as text."""
    return given_fields(value) if is_dataclass(value) else str(value)


def default_of(field: Field[object]) -> object:
    """Returns the default value of a field, or `MISSING` if it has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


async def prune(session: AsyncSession, *, now: datetime) -> int:
    """Deletes keys older than `KEYS_KEPT_FOR`, at most `PRUNED_AT_ONCE`. Returns the number of deleted keys."""
    keys = table_of(IdempotencyKey)
    old = (
        select(keys.c.api_key, keys.c.key)
        .where(keys.c.created_at < now - KEYS_KEPT_FOR)
        .limit(PRUNED_AT_ONCE)
        .subquery()
    )
    done = await session.execute(
        delete(keys).where(keys.c.api_key == old.c.api_key, keys.c.key == old.c.key).returning(keys.c.key)
    )
    return len(done.all())
