"""Webhook endpoints: creating, updating, enabling, disabling and deleting them, their secrets, and replays."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType, WebhookDeliveryStatus, WebhookDisabledReason, WebhookEndpointStatus
from billing.errors import (
    InvalidInput,
    TooManyWebhookEndpoints,
    WebhookDeliveryNotFound,
    WebhookEndpointDisabled,
    WebhookEndpointEnabled,
    WebhookEndpointNotFound,
    WebhookReplayRunning,
)
from billing.ids import WebhookDeliveryId, WebhookEndpointId, new_id
from billing.limits import MAX_NAME, MAX_REPLAYED_DELIVERIES, MAX_WEBHOOK_ENDPOINTS
from billing.validation import UNCHANGED, Unchanged, optional_text
from billing.webhooks import OLD_SECRET_FOR, TEST_TYPE, WEBHOOK_SECRET_BYTES, message_to_test, secret_text
from db.models import WebhookDelivery, WebhookEndpoint, WebhookProgress
from db.models.base import mark_changed
from db.models.events import Place
from db.models.types import TransactionId
from db.queries.webhooks import REPLAY_BY_ID, SKIP, START_AGAIN
from services.events import record
from services.idempotency import Outcome


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint with a new secret, in the form in which receivers configure it."""

    endpoint_id: WebhookEndpointId
    secret: str


async def create_webhook_endpoint(
    session: AsyncSession,
    *,
    url: str,
    description: str | None = None,
    event_types: Sequence[EventType] = (),
    test_clocks: bool = False,
    now: datetime,
) -> Issued:
    """Creates an endpoint for the events from now on. `url` is valid.

    Raises `InvalidInput`, `TooManyWebhookEndpoints`.
    """
    await session.execute(text("LOCK TABLE webhook_endpoints IN SHARE ROW EXCLUSIVE MODE"))
    if (await session.scalar(select(func.count()).select_from(WebhookEndpoint)) or 0) >= MAX_WEBHOOK_ENDPOINTS:
        raise TooManyWebhookEndpoints(f"There may be at most {MAX_WEBHOOK_ENDPOINTS} webhook endpoints.")
    endpoint = WebhookEndpoint(
        id=WebhookEndpointId(new_id()),
        url=url,
        description=optional_text(description, "description", MAX_NAME),
        event_types=valid_event_types(event_types),
        test_clocks=test_clocks,
        status=WebhookEndpointStatus.ENABLED,
        disabled_reason=None,
        disabled_at=None,
        secret=secrets.token_bytes(WEBHOOK_SECRET_BYTES),
        previous_secret=None,
        previous_secret_expires_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(endpoint)
    xid, position = await end_of_feed(session)
    session.add(WebhookProgress(endpoint_id=endpoint.id, xid=xid, position=position, failures=0))
    await record(session, EventType.WEBHOOK_ENDPOINT_CREATED, endpoint, at=now, now=now)
    return Issued(endpoint.id, secret_text(endpoint.secret))


async def update_webhook_endpoint(
    session: AsyncSession,
    *,
    endpoint_id: WebhookEndpointId,
    url: str | Unchanged = UNCHANGED,
    description: str | None | Unchanged = UNCHANGED,
    event_types: Sequence[EventType] | Unchanged = UNCHANGED,
    test_clocks: bool | Unchanged = UNCHANGED,
    now: datetime,
) -> Outcome:
    """Updates an endpoint. `url` is valid. Raises `WebhookEndpointNotFound`, `InvalidInput`."""
    # No delivery is created meanwhile, so each has the old filter or the new one.
    await locked_progress(session, endpoint_id)
    endpoint = await locked(session, endpoint_id)
    if not isinstance(url, Unchanged):
        endpoint.url = url
    if not isinstance(description, Unchanged):
        endpoint.description = optional_text(description, "description", MAX_NAME)
    if not isinstance(event_types, Unchanged):
        endpoint.event_types = valid_event_types(event_types)
    if not isinstance(test_clocks, Unchanged):
        endpoint.test_clocks = test_clocks
    if session.is_modified(endpoint):
        mark_changed(endpoint, now)
        await record(session, EventType.WEBHOOK_ENDPOINT_UPDATED, endpoint, at=now, now=now)
    return Outcome(webhook_endpoint_id=endpoint_id)


def valid_event_types(types: Sequence[EventType]) -> list[str]:
    """Returns the types sorted, each once. Raises `InvalidInput` for a type that is never sent."""
    if any(is_about_endpoints(type_) for type_ in types):
        raise InvalidInput("Events about webhook endpoints are not sent to webhook endpoints.", "event_types")
    return sorted({type_.value for type_ in types})


def is_about_endpoints(type_: EventType) -> bool:
    """Returns True for events about endpoints. A failing endpoint would cause messages about failures, and so on."""
    return type_.startswith("WEBHOOK_ENDPOINT_")


async def rotate_webhook_secret(session: AsyncSession, *, endpoint_id: WebhookEndpointId, now: datetime) -> Issued:
    """Gives an endpoint a new secret. Messages are signed with the old one too, for `OLD_SECRET_FOR`.

    Raises `WebhookEndpointNotFound`.
    """
    endpoint = await locked(session, endpoint_id)
    endpoint.previous_secret, endpoint.secret = endpoint.secret, secrets.token_bytes(WEBHOOK_SECRET_BYTES)
    endpoint.previous_secret_expires_at = now + OLD_SECRET_FOR
    mark_changed(endpoint, now)
    await record(session, EventType.WEBHOOK_ENDPOINT_SECRET_ROTATED, endpoint, at=now, now=now)
    return Issued(endpoint_id, secret_text(endpoint.secret))


async def enable_webhook_endpoint(
    session: AsyncSession, *, endpoint_id: WebhookEndpointId, after: Place | None = None, now: datetime
) -> Outcome:
    """Enables an endpoint. It gets what it missed, or only the events after the place `after` of the feed.

    Its pending deliveries start again with a first attempt. Raises `WebhookEndpointNotFound`,
    `WebhookEndpointEnabled`, and `InvalidInput` if `after` is beyond the end of the feed.
    """
    progress = await locked_progress(session, endpoint_id)
    endpoint = await locked(session, endpoint_id)
    if endpoint.status is WebhookEndpointStatus.ENABLED:
        raise WebhookEndpointEnabled("This webhook endpoint is already enabled.")
    progress.failures, progress.paused_until = 0, None
    if after is not None:
        if after > await end_of_feed(session):
            raise InvalidInput("`after` is a cursor of another database.", "after")
        progress.xid, progress.position = after
        progress.replay_xid = progress.replay_position = None
        progress.replay_until_xid = progress.replay_until_position = None
        await session.execute(SKIP, {"endpoint_id": endpoint_id, "xid": after[0], "position": after[1]})
    await session.execute(START_AGAIN, {"endpoint_id": endpoint_id, "now": now})
    endpoint.status, endpoint.disabled_reason, endpoint.disabled_at = WebhookEndpointStatus.ENABLED, None, None
    mark_changed(endpoint, now)
    await record(session, EventType.WEBHOOK_ENDPOINT_ENABLED, endpoint, at=now, now=now)
    return Outcome(webhook_endpoint_id=endpoint_id)


async def disable_webhook_endpoint(
    session: AsyncSession,
    *,
    endpoint_id: WebhookEndpointId,
    reason: WebhookDisabledReason = WebhookDisabledReason.REQUESTED,
    now: datetime,
) -> Outcome:
    """Disables an endpoint. Deliveries wait until it is enabled again.

    Raises `WebhookEndpointNotFound`, `WebhookEndpointDisabled`.
    """
    endpoint = await locked(session, endpoint_id)
    if endpoint.status is WebhookEndpointStatus.DISABLED:
        raise WebhookEndpointDisabled("This webhook endpoint is already disabled.")
    endpoint.status, endpoint.disabled_reason, endpoint.disabled_at = WebhookEndpointStatus.DISABLED, reason, now
    mark_changed(endpoint, now)
    await record(session, EventType.WEBHOOK_ENDPOINT_DISABLED, endpoint, at=now, now=now)
    return Outcome(webhook_endpoint_id=endpoint_id)


async def delete_webhook_endpoint(session: AsyncSession, *, endpoint_id: WebhookEndpointId, now: datetime) -> None:
    """Deletes an endpoint. Its deliveries are deleted later, by ticks. Raises `WebhookEndpointNotFound`."""
    endpoint = await locked(session, endpoint_id)
    mark_changed(endpoint, now)
    await record(session, EventType.WEBHOOK_ENDPOINT_DELETED, endpoint, at=now, now=now)
    await session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id))


async def send_test_webhook(
    session: AsyncSession, *, endpoint_id: WebhookEndpointId, now: datetime
) -> WebhookDeliveryId:
    """Queues a test message. It is delivered like all others.

    Raises `WebhookEndpointNotFound`, `WebhookEndpointDisabled`.
    """
    await locked_progress(session, endpoint_id)
    endpoint = await locked(session, endpoint_id)
    if endpoint.status is WebhookEndpointStatus.DISABLED:
        raise WebhookEndpointDisabled("This webhook endpoint is disabled. Enable it first.")
    delivery_id = WebhookDeliveryId(new_id())
    xid, position = await end_of_feed(session)
    session.add(
        WebhookDelivery(
            id=delivery_id,
            endpoint_id=endpoint_id,
            message_id=delivery_id,
            event_id=None,
            type=TEST_TYPE,
            object_id=delivery_id,  # It waits for no other delivery.
            xid=xid,
            position=position,
            body=message_to_test(endpoint_id, now),
            status=WebhookDeliveryStatus.PENDING,
            attempts=0,
            recorded_at=now,
            created_at=now,
            next_attempt_at=now,
        )
    )
    await session.flush()
    return delivery_id


async def replay_range(session: AsyncSession, *, endpoint_id: WebhookEndpointId, after: Place, until: Place) -> Outcome:
    """Schedules a replay of the events after one place in the feed, up to and including another.

    Raises `WebhookEndpointNotFound`, `InvalidInput`, `WebhookReplayRunning`.
    """
    if until <= after:
        raise InvalidInput("`until` must be a later place in the feed than `after`.", "until")
    progress = await locked_progress(session, endpoint_id, "endpoint_id")
    if until > await end_of_feed(session):
        raise InvalidInput("`until` is a cursor of another database.", "until")
    if progress.replay_xid is not None:
        raise WebhookReplayRunning("An earlier replay to this webhook endpoint is still running. Try again later.")
    # Later events are delivered anyway.
    until = min(until, (progress.xid, progress.position))
    if until > after:
        progress.replay_xid, progress.replay_position = after
        progress.replay_until_xid, progress.replay_until_position = until
    await session.flush()
    return Outcome(webhook_endpoint_id=endpoint_id)


async def replay_deliveries(
    session: AsyncSession, *, endpoint_id: WebhookEndpointId, delivery_ids: Sequence[WebhookDeliveryId], now: datetime
) -> Outcome:
    """Schedules these deliveries again, whether they succeeded or not. Those that are pending continue as they are.

    Raises `WebhookEndpointNotFound`, `WebhookDeliveryNotFound`, `InvalidInput`.
    """
    if not 1 <= len(delivery_ids) <= MAX_REPLAYED_DELIVERIES:
        raise InvalidInput(f"Pass 1 to {MAX_REPLAYED_DELIVERIES} delivery ids.", "delivery_ids")
    ids = set(delivery_ids)
    await locked_progress(session, endpoint_id, "endpoint_id")
    owned = select(func.count()).where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.id.in_(ids))
    if await session.scalar(owned) != len(ids):
        raise WebhookDeliveryNotFound("This webhook endpoint has no delivery with one of these ids.")
    await session.execute(REPLAY_BY_ID, {"endpoint_id": endpoint_id, "ids": list(ids), "now": now})
    return Outcome(webhook_endpoint_id=endpoint_id)


async def webhook_endpoint_ids(session: AsyncSession) -> Sequence[WebhookEndpointId]:
    """Returns the ids of all endpoints, oldest first."""
    return (await session.scalars(select(WebhookEndpoint.id).order_by(WebhookEndpoint.id))).all()


async def locked(session: AsyncSession, endpoint_id: UUID) -> WebhookEndpoint:
    """Locks and returns an endpoint. Raises `WebhookEndpointNotFound`."""
    endpoint = await session.scalar(select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).with_for_update())
    if endpoint is None:
        raise WebhookEndpointNotFound("There is no webhook endpoint with this id.")
    return endpoint


async def locked_progress(session: AsyncSession, endpoint_id: UUID, *field: str) -> WebhookProgress:
    """Locks and returns the progress of an endpoint. Raises `WebhookEndpointNotFound` for the input `field`.

    Lock it before the endpoint.
    """
    progress = await session.scalar(
        select(WebhookProgress)
        .where(WebhookProgress.endpoint_id == endpoint_id)
        .where(select(WebhookEndpoint.id).where(WebhookEndpoint.id == endpoint_id).exists())
        .with_for_update()
    )
    if progress is None:
        raise WebhookEndpointNotFound("There is no webhook endpoint with this id.", *field)
    return progress


async def end_of_feed(session: AsyncSession) -> Place:
    """Returns the place of the feed after everything that is visible, and before everything that is not."""
    horizon: int = (await session.execute(select(func.event_horizon(type_=TransactionId())))).scalar_one()
    return horizon, 0
