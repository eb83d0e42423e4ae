"""Webhook endpoints, the progress of their deliveries, and the deliveries."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import WebhookDeliveryStatus, WebhookDisabledReason, WebhookEndpointStatus
from billing.ids import WebhookDeliveryId, WebhookEndpointId
from billing.limits import (
    MAX_NAME,
    MAX_WEBHOOK_BYTES,
    MAX_WEBHOOK_ERROR,
    MAX_WEBHOOK_HEAD,
    MAX_WEBHOOK_SECRET,
    MAX_WEBHOOK_URL,
    MIN_WEBHOOK_SECRET,
)
from db.models.base import Base, Versioned, check_enum, check_length
from db.models.types import TransactionId

IS_PENDING = text("status = 'PENDING'")


class WebhookEndpoint(Versioned, Base):
    """A URL that gets the events of the feed. It gets all types if `event_types` is empty.

    Messages are signed with `secret`, and until `previous_secret_expires_at` with `previous_secret` too.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[WebhookEndpointId] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]]
    test_clocks: Mapped[bool]
    status: Mapped[WebhookEndpointStatus]
    disabled_reason: Mapped[WebhookDisabledReason | None]
    disabled_at: Mapped[datetime | None]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret_expires_at: Mapped[datetime | None]

    __table_args__ = (
        check_length("url", MAX_WEBHOOK_URL),
        check_length("description", MAX_NAME),
        check_enum("status", WebhookEndpointStatus),
        check_enum("disabled_reason", WebhookDisabledReason),
        CheckConstraint(
            "(status = 'DISABLED') = (disabled_reason IS NOT NULL)"
            " AND (status = 'DISABLED') = (disabled_at IS NOT NULL)",
            name="disabled",
        ),
        CheckConstraint(f"octet_length(secret) BETWEEN {MIN_WEBHOOK_SECRET} AND {MAX_WEBHOOK_SECRET}", name="secret"),
        CheckConstraint("(previous_secret IS NULL) = (previous_secret_expires_at IS NULL)", name="previous_secret"),
        Index("ix_webhook_endpoints_created_at", "created_at", "id"),
    )


class WebhookProgress(Base):
    """The progress of an endpoint: the place in the feed up to which its deliveries were created.

    The deliveries of an endpoint are created, claimed and recorded with a lock on this row. `replay_…` is the range of
    the feed that is replayed, from its current start to its end; null if none is. `failures` are those in a row. The
    row outlives a deleted endpoint until its deliveries are deleted.
    """

    __tablename__ = "webhook_progress"

    endpoint_id: Mapped[WebhookEndpointId] = mapped_column(primary_key=True)
    xid: Mapped[int] = mapped_column(TransactionId())
    position: Mapped[int] = mapped_column(BigInteger)
    replay_xid: Mapped[int | None] = mapped_column(TransactionId())
    replay_position: Mapped[int | None] = mapped_column(BigInteger)
    replay_until_xid: Mapped[int | None] = mapped_column(TransactionId())
    replay_until_position: Mapped[int | None] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(Integer)
    paused_until: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(replay_xid, replay_position, replay_until_xid, replay_until_position) IN (0, 4)",
            name="replay",
        ),
        CheckConstraint("failures >= 0", name="failures"),
    )


class WebhookDelivery(Base):
    """A message for an endpoint, and what came of its attempts. `body` never changes.

    `message_id` is the id of the event, so that an endpoint gets one delivery for each event. Deliveries about one
    object are made in the order of `(xid, position)`. `claimed_until` is set while a process makes an attempt.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[WebhookDeliveryId] = mapped_column(primary_key=True)
    endpoint_id: Mapped[WebhookEndpointId] = mapped_column(ForeignKey("webhook_progress.endpoint_id"))
    message_id: Mapped[UUID]
    event_id: Mapped[UUID | None]
    type: Mapped[str]
    object_id: Mapped[UUID]
    xid: Mapped[int] = mapped_column(TransactionId())
    position: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[str]
    status: Mapped[WebhookDeliveryStatus]
    attempts: Mapped[int] = mapped_column(Integer)
    recorded_at: Mapped[datetime]
    created_at: Mapped[datetime]
    first_attempt_at: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    response_status: Mapped[int | None] = mapped_column(Integer)
    response_head: Mapped[str | None]
    error: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("endpoint_id", "message_id"),
        check_enum("status", WebhookDeliveryStatus),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint(f"octet_length(body) BETWEEN 1 AND {MAX_WEBHOOK_BYTES}", name="body"),
        CheckConstraint("(status = 'PENDING') = (next_attempt_at IS NOT NULL)", name="next_attempt_at"),
        CheckConstraint("(status = 'PENDING') = (finished_at IS NULL)", name="finished_at"),
        CheckConstraint("claimed_until IS NULL OR status = 'PENDING'", name="claimed_until"),
        CheckConstraint(f"char_length(response_head) <= {MAX_WEBHOOK_HEAD}", name="response_head"),
        check_length("error", MAX_WEBHOOK_ERROR),
        Index("ix_webhook_deliveries_created_at", "endpoint_id", "created_at", "id"),
        Index("ix_webhook_deliveries_status", "endpoint_id", "status", "created_at", "id"),
        Index(
            "ix_webhook_deliveries_due",
            *("endpoint_id", "next_attempt_at", "xid", "position"),
            postgresql_where=IS_PENDING,
        ),
        Index(
            "ix_webhook_deliveries_object", "endpoint_id", "object_id", "xid", "position", postgresql_where=IS_PENDING
        ),
        Index("ix_webhook_deliveries_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )
