"""The deliveries of an endpoint: created from the event feed, claimed for an attempt, and recorded after it.

All three happen in one short transaction with the lock on the endpoint's progress, and no attempt is made in it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import (
    EventType,
    ObjectType,
    WebhookDeliveryStatus,
    WebhookDisabledReason,
    WebhookEndpointStatus,
)
from billing.ids import WebhookDeliveryId, WebhookEndpointId, new_id
from billing.webhooks import TIMEOUT, Answer, FeedEvent, Pace, after_attempt, message_of, pace_after
from db.models import WebhookEndpoint
from db.models.base import mark_changed
from db.queries import webhooks as statements
from services.events import record
from services.webhooks.endpoints import disable_webhook_endpoint, is_about_endpoints

EVENTS_AT_ONCE = 500
"""Maximum number of events that are read from the feed in one transaction."""
READS_AT_ONCE = 4
"""Maximum number of times that the feed is read in one transaction."""
CLAIMED_FOR = 2 * TIMEOUT
"""Time after which another process may claim a delivery again, because the first process has died."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as deliveries need it."""

    id: WebhookEndpointId
    url: str
    event_types: frozenset[str]
    test_clocks: bool
    secrets: tuple[bytes, ...]

    def wants(self, event: FeedEvent) -> bool:
        if is_about_endpoints(event.type) or (event.on_test_clock and not self.test_clocks):
            return False
        return not self.event_types or event.type in self.event_types


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process may attempt now, until `until`. `attempts` is the number of earlier attempts."""

    id: WebhookDeliveryId
    message_id: UUID
    body: str
    attempts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """Claimed deliveries of an endpoint. `has_more` is True if more of the feed can be read at once."""

    endpoint: Endpoint | None
    claimed: Sequence[Claimed]
    has_more: bool


NO_WORK = Work(None, (), has_more=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt of a delivery, and what came of it."""

    delivery: Claimed
    answer: Answer


async def endpoints_with_work(session: AsyncSession, now: datetime) -> list[WebhookEndpointId]:
    """Returns the ids of the enabled endpoints for which there is something to do."""
    return list((await session.execute(statements.ENDPOINTS_WITH_WORK, {"now": now})).scalars())


async def record_and_claim(
    session: AsyncSession, endpoint_id: WebhookEndpointId, attempts: Sequence[Attempt], *, most: int, now: datetime
) -> Work:
    """Records attempts, and claims at most `most` deliveries whose time has come, in the order of the feed."""
    locked = await session.execute(statements.LOCK_PROGRESS, {"endpoint_id": endpoint_id})
    progress = locked.mappings().one_or_none()
    if progress is None:
        return NO_WORK
    pace = Pace(progress["failures"], progress["paused_until"])
    if attempts:
        pace = await record_attempts(session, endpoint_id, attempts, pace, now)
    endpoint = await read_endpoint(session, endpoint_id, now)
    if most <= 0 or endpoint is None:
        return NO_WORK
    return await claim(session, endpoint, dict(progress), pace, most=most, now=now)


async def read_endpoint(session: AsyncSession, endpoint_id: WebhookEndpointId, now: datetime) -> Endpoint | None:
    """Returns an endpoint, or None if it is disabled or deleted."""
    row = await session.get(WebhookEndpoint, endpoint_id)
    if row is None or row.status is not WebhookEndpointStatus.ENABLED:
        return None
    secrets = [row.secret]
    if row.previous_secret is not None and row.previous_secret_expires_at is not None:
        secrets += [row.previous_secret] if row.previous_secret_expires_at > now else []
    return Endpoint(endpoint_id, row.url, frozenset(row.event_types), row.test_clocks, tuple(secrets))


async def claim(
    session: AsyncSession, endpoint: Endpoint, progress: dict[str, Any], pace: Pace, *, most: int, now: datetime
) -> Work:
    if pace.paused_until is not None and pace.paused_until > now:
        return NO_WORK
    if pace.is_braked:
        if await session.scalar(statements.IS_CLAIMED, {"endpoint_id": endpoint.id, "now": now}):
            return NO_WORK
        most = 1
    due = statements.CLAIM_OLDEST if pace.is_braked else statements.CLAIM_DUE
    found: list[Claimed] = []
    # Bounded, because the feed waits for the end of this transaction.
    for _ in range(READS_AT_ONCE):
        values = {"endpoint_id": endpoint.id, "now": now, "until": now + CLAIMED_FOR, "most": most - len(found)}
        # A receiver gets messages about different objects in about the order of the feed, too.
        rows = sorted(await session.execute(due, values), key=lambda row: (row.xid, row.position))
        found += [Claimed(row.id, row.message_id, row.body, row.attempts, row.claimed_until) for row in rows]
        # Deliveries are created only when they can be attempted: the backlog of a failing endpoint stays in the feed.
        if len(found) >= most:
            return Work(endpoint, found, has_more=False)
        if not await read_feed(session, endpoint, progress, now):
            return Work(endpoint, found, has_more=False)
    return Work(endpoint, found, has_more=True)


async def read_feed(session: AsyncSession, endpoint: Endpoint, progress: dict[str, Any], now: datetime) -> bool:
    """Creates deliveries of the next events: of those to replay, then of new ones. Returns False if there are none."""
    key = {"endpoint_id": endpoint.id}
    if progress["replay_xid"] is not None:
        place = {"xid": progress["replay_xid"], "position": progress["replay_position"]}
        end = {"until_xid": progress["replay_until_xid"], "until_position": progress["replay_until_position"]}
        events = await read_events(session, statements.EVENTS_TO_REPLAY, place | end)
        if events:
            await add(session, endpoint, events, statements.REPLAYED_DELIVERIES, now)
            progress["replay_xid"], progress["replay_position"] = events[-1].xid, events[-1].position
            await session.execute(
                statements.MOVE_REPLAY, key | {"xid": events[-1].xid, "position": events[-1].position}
            )
            return True
        progress["replay_xid"] = None
        await session.execute(statements.END_REPLAY, key)
    place = {"xid": progress["xid"], "position": progress["position"]}
    events = await read_events(session, statements.NEW_EVENTS, place)
    if not events:
        return False
    await add(session, endpoint, events, statements.NEW_DELIVERIES, now)
    progress["xid"], progress["position"] = events[-1].xid, events[-1].position
    await session.execute(statements.MOVE, key | {"xid": events[-1].xid, "position": events[-1].position})
    return True


async def read_events(session: AsyncSession, statement: TextClause, place: dict[str, Any]) -> list[FeedEvent]:
    rows = (await session.execute(statement, place | {"most": EVENTS_AT_ONCE})).mappings()
    return [
        FeedEvent(**{**row, "type": EventType(row["type"]), "object_type": ObjectType(row["object_type"])})
        for row in rows
    ]


async def add(
    session: AsyncSession, endpoint: Endpoint, events: Sequence[FeedEvent], statement: TextClause, now: datetime
) -> None:
    wanted = [event for event in events if endpoint.wants(event)]
    if not wanted:
        return
    await session.execute(
        statement,
        {
            "endpoint_id": endpoint.id,
            "now": now,
            "ids": [new_id() for _ in wanted],
            "event_ids": [event.id for event in wanted],
            "types": [event.type for event in wanted],
            "object_ids": [event.object_id for event in wanted],
            "xids": [event.xid for event in wanted],
            "positions": [event.position for event in wanted],
            "bodies": [message_of(event) for event in wanted],
            "recorded": [event.recorded_at for event in wanted],
        },
    )


async def record_attempts(
    session: AsyncSession, endpoint_id: WebhookEndpointId, attempts: Sequence[Attempt], pace: Pace, now: datetime
) -> Pace:
    """Records attempts, and what follows from them for the endpoint. Returns its new pace."""
    after = [
        after_attempt(each.answer, each.delivery.attempts + 1, now=now, jitter=random.random())  # noqa: S311
        for each in attempts
    ]
    recorded = await session.execute(
        statements.RECORD_ATTEMPTS,
        {
            "ids": [each.delivery.id for each in attempts],
            "claims": [each.delivery.until for each in attempts],
            "statuses": [each.status for each in after],
            "at": [now] * len(attempts),
            "next": [None if each.next_attempt_at is None else whole_seconds(each.next_attempt_at) for each in after],
            "response_statuses": [each.answer.status for each in attempts],
            "heads": [each.answer.head for each in attempts],
            "errors": [each.answer.error for each in attempts],
        },
    )
    given_up = [row for row in recorded if row.status == WebhookDeliveryStatus.FAILED]
    for each in attempts:
        pace = pace_after(pace, each.answer, now)
    succeeded_at = now if any(each.answer.succeeded for each in attempts) else None
    values = {"failures": pace.failures, "paused_until": pace.paused_until, "succeeded_at": succeeded_at}
    await session.execute(statements.SET_PACE, {"endpoint_id": endpoint_id} | values)
    await report_failures(session, endpoint_id, [row.first_attempt_at for row in given_up], now)
    if any(each.answer.is_gone for each in attempts):
        await disable(session, endpoint_id, WebhookDisabledReason.GONE, now)
    return pace


def whole_seconds(at: datetime) -> datetime:
    return at.replace(microsecond=0) + timedelta(seconds=1 if at.microsecond else 0)


async def report_failures(
    session: AsyncSession, endpoint_id: WebhookEndpointId, first_attempts: Sequence[datetime], now: datetime
) -> None:
    """Stores an event for each delivery that failed for the last time.

    Disables the endpoint if no delivery has succeeded since the earliest of their first attempts.
    """
    if not first_attempts:
        return
    endpoint = await session.get(WebhookEndpoint, endpoint_id, with_for_update=True, populate_existing=True)
    if endpoint is None:
        return
    for _ in first_attempts:
        mark_changed(endpoint, now)
        await record(session, EventType.WEBHOOK_ENDPOINT_DELIVERY_FAILED, endpoint, at=now, now=now)
    progress = (await session.execute(statements.LOCK_PROGRESS, {"endpoint_id": endpoint_id})).one()
    if progress.succeeded_at is None or progress.succeeded_at < min(first_attempts):
        await disable(session, endpoint_id, WebhookDisabledReason.FAILING, now)


async def disable(
    session: AsyncSession, endpoint_id: WebhookEndpointId, reason: WebhookDisabledReason, now: datetime
) -> None:
    """Disables an endpoint, unless it is disabled or deleted."""
    endpoint = cast(
        "WebhookEndpoint | None",
        await session.get(WebhookEndpoint, endpoint_id, with_for_update=True, populate_existing=True),
    )
    if endpoint is not None and endpoint.status is WebhookEndpointStatus.ENABLED:
        await disable_webhook_endpoint(session, endpoint_id=endpoint_id, reason=reason, now=now)


async def release(session: AsyncSession, deliveries: Sequence[Claimed]) -> None:
    """Gives claimed deliveries back, so that another process can attempt them at once."""
    await session.execute(
        statements.RELEASE, {"ids": [each.id for each in deliveries], "claims": [each.until for each in deliveries]}
    )
