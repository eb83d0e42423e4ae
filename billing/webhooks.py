"""Webhooks: messages, their signatures, the schedule of attempts, and what follows from a response.

They follow the specification Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks). Pure.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from billing.enums import EventType, ObjectType, WebhookDeliveryStatus
from billing.event_fields import fields_of
from billing.ids import CustomerId
from billing.limits import MAX_WEBHOOK_BYTES

WEBHOOK_SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, no secret

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""Waits between the attempts of a delivery, as Standard Webhooks recommends: 75:35:05 from the first to the last."""
ATTEMPTS = len(WAITS) + 1
JITTER = 0.1
"""Maximum extension of a wait, relative to it. Otherwise, all deliveries that failed together return together."""

TIMEOUT = timedelta(seconds=15)
"""Timeout for one attempt, from resolving the name to the response."""

FAILURES_TO_BRAKE = 5
"""Number of failures in a row, of any deliveries, after which an endpoint gets one attempt at a time."""
LONGEST_BRAKE = timedelta(seconds=15)
"""Maximum time between two attempts of an endpoint that is braked."""
LONGEST_RETRY_AFTER = timedelta(hours=24)
"""Maximum time for which `Retry-After` is obeyed."""
DELIVERIES_KEPT_FOR = timedelta(days=30)
"""Time for which deliveries are kept after they succeeded or failed."""
OLD_SECRET_FOR = timedelta(hours=24)
"""Time for which messages are signed with the old secret too, after a rotation."""

GONE = 410
THROTTLING = frozenset({429, 502, 503, 504})
"""Statuses that say that the endpoint has more to do than it can."""
OBEYED = frozenset({429, 503})
"""Statuses whose `Retry-After` is obeyed."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event of the feed, to send to endpoints. Its place in the feed is `(xid, position)`."""

    id: UUID
    type: EventType
    object_type: ObjectType
    object_id: UUID
    version: int
    customer_id: CustomerId | None
    actor: str
    changes: Sequence[str]
    occurred_at: datetime
    recorded_at: datetime
    xid: int
    position: int
    on_test_clock: bool


def message_of(event: FeedEvent) -> str:
    """Returns the message about an event: JSON of at most `MAX_WEBHOOK_BYTES` bytes.

    It names the object and what changed, but contains no values: a receiver reads the current state with the API.
    """
    return encoded(
        event.type,
        event.occurred_at,
        {
            "eventId": str(event.id),
            "objectType": event.object_type,
            "objectId": str(event.object_id),
            "version": event.version,
            "changes": fields_of(event.changes),
            "customerId": None if event.customer_id is None else str(event.customer_id),
            "actor": event.actor,
            "recordedAt": timestamp(event.recorded_at),
            "testClock": event.on_test_clock,
        },
    )


TEST_TYPE = "TEST"
"""Type of the message that `sendTestWebhook` sends."""


def message_to_test(endpoint_id: UUID, now: datetime) -> str:
    """Returns the message that `sendTestWebhook` sends."""
    return encoded(TEST_TYPE, now, {"endpointId": str(endpoint_id)})


def encoded(type_: str, at: datetime, content: dict[str, Any]) -> str:
    message = json.dumps(
        {"type": type_, "timestamp": timestamp(at), "data": content}, ensure_ascii=False, separators=(",", ":")
    )
    assert len(message.encode()) <= MAX_WEBHOOK_BYTES, "a message has a fixed number of short values"
    return message


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def secret_text(secret: bytes) -> str:
    """Returns a secret as receivers configure it: `whsec_` and the bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secrets: Sequence[bytes], message_id: str, at: datetime, body: str) -> str:
    """Returns the header `webhook-signature`: a signature with each secret, separated by spaces."""
    signed = f"{message_id}.{int(at.timestamp())}.{body}".encode()
    digests = (hmac.digest(secret, signed, hashlib.sha256) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def headers_of(secrets: Sequence[bytes], message_id: UUID, at: datetime, body: str) -> dict[str, str]:
    """Returns the headers of an attempt at `at`."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "billing-webhooks/1",
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature(secrets, str(message_id), at, body),
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an attempt: a response with its `status`, or an `error` if there was none.

    `head` is the start of the response's body.
    """

    status: int | None = None
    head: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """True if the endpoint wants no more messages."""
        return self.status == GONE


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Returns the time that a `Retry-After` header names: seconds, or a date (RFC 9110, 10.2.3). None if it is neither.

    At least 0, at most `LONGEST_RETRY_AFTER`.
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        # A number of many digits would be an error.
        return min(timedelta(seconds=int(value.strip()[:9])), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(value)
        wait = at.replace(tzinfo=at.tzinfo or UTC) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), LONGEST_RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class Attempted:
    """The state of a delivery after an attempt. `next_attempt_at` is None if no attempt follows."""

    status: WebhookDeliveryStatus
    next_attempt_at: datetime | None


def after_attempt(answer: Answer, attempts: int, *, now: datetime, jitter: float) -> Attempted:
    """Returns the state of a delivery after its attempt number `attempts`. `jitter` is a random number from 0 to 1."""
    if answer.succeeded:
        return Attempted(WebhookDeliveryStatus.SUCCEEDED, None)
    if attempts >= ATTEMPTS:
        return Attempted(WebhookDeliveryStatus.FAILED, None)
    wait = WAITS[attempts - 1] * (1 + JITTER * jitter)
    if answer.status in OBEYED and answer.retry_after is not None:
        wait = max(wait, answer.retry_after)
    return Attempted(WebhookDeliveryStatus.PENDING, now + wait)


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of an endpoint: its `failures` in a row, of any deliveries, and until when it gets no attempt."""

    failures: int = 0
    paused_until: datetime | None = None

    @property
    def is_braked(self) -> bool:
        """True if the endpoint gets one attempt at a time."""
        return self.failures >= FAILURES_TO_BRAKE


def pace_after(pace: Pace, answer: Answer, now: datetime) -> Pace:
    """Returns the pace of an endpoint after an attempt. A success lets it go on at full speed."""
    if answer.succeeded:
        # A response to another message may have asked for more patience than a brake does.
        asked = pace.paused_until is not None and pace.paused_until - now > LONGEST_BRAKE
        return Pace(0, pace.paused_until if asked else None)
    failures = pace.failures + 1
    if answer.status in THROTTLING:
        failures = max(failures, FAILURES_TO_BRAKE)
    until = pace.paused_until
    if failures >= FAILURES_TO_BRAKE:
        wait = min(timedelta(seconds=2 ** min(failures - FAILURES_TO_BRAKE, 10)), LONGEST_BRAKE)
        if answer.status in OBEYED and answer.retry_after is not None:
            wait = max(wait, answer.retry_after)
        until = max(now + wait, until or now)
    return Pace(failures, until)
