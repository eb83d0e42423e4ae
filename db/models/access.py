from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import ApiKeyScope
from billing.ids import ApiKeyId, CustomerId
from billing.limits import MAX_NAME
from db.models.base import Base, check_enum, check_length


class ApiKey(Base):
    """An API key or a customer session, and its permissions. Only the hash of the token is stored.

    A customer session (scope `CUSTOMER`) is limited to one customer and to its `permissions`, and always expires.
    """

    __tablename__ = "api_keys"

    id: Mapped[ApiKeyId] = mapped_column(primary_key=True)
    name: Mapped[str]
    scope: Mapped[ApiKeyScope]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    customer_id: Mapped[CustomerId | None] = mapped_column(ForeignKey("customers.id"))
    permissions: Mapped[list[str]]
    plan_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        check_length("name", MAX_NAME),
        check_enum("scope", ApiKeyScope),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        CheckConstraint(
            "(scope = 'CUSTOMER') = (customer_id IS NOT NULL) AND (scope = 'CUSTOMER') = (expires_at IS NOT NULL) "
            "AND (scope = 'CUSTOMER' OR (permissions = '{}' AND plan_ids = '{}'))",
            name="customer",
        ),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        Index("ix_api_keys_created_at", "created_at", "id"),
        Index("ix_api_keys_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_api_keys_customer_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    )


class RateBucket(Base):
    """Token bucket of an API key: the rows that it may still read, as of `filled_at`. Workers take tokens in blocks."""

    __tablename__ = "rate_buckets"

    api_key_id: Mapped[ApiKeyId] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True)
    tokens: Mapped[float] = mapped_column(Double)
    filled_at: Mapped[datetime]
