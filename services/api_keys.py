"""API keys and customer sessions, which authenticate requests.

A token consists of a prefix, the key's id and 32 random bytes. Only the SHA-256 of the random part is stored. It has
256 bits of entropy, so a slow password hash would not add security.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import ApiKeyScope
from billing.errors import ApiKeyNotFound, ApiKeyRevoked, InvalidInput
from billing.ids import ApiKeyId, new_id
from billing.limits import MAX_NAME
from billing.validation import required_text
from db.models import ApiKey
from db.models.base import table_of

KEY_PREFIX = "bk"
SESSION_PREFIX = "bs"
TOKEN = re.compile("b[ks]_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
SECRET_BYTES = 32

KEY_SEEN_FOR = timedelta(seconds=5)
"""Time for which a process trusts what it has read of a key: a revoked key is rejected after that at the latest."""

USE_RECORDED_EVERY = timedelta(minutes=1)
"""Minimum time between two updates of a key's `last_used_at`."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its token. The token is not stored and cannot be shown again."""

    key: ApiKey
    token: str


async def create_api_key(
    session: AsyncSession, *, name: str, scope: ApiKeyScope, created_by: UUID | None = None, now: datetime
) -> Issued:
    """Creates an API key. Raises `InvalidInput` if the name is empty or too long, or if the scope is CUSTOMER."""
    if scope is ApiKeyScope.CUSTOMER:
        raise InvalidInput("Use `createCustomerSession` to create a key with this scope.", "scope")
    return await issue(
        session,
        KEY_PREFIX,
        ApiKey(
            name=required_text(name, "name", MAX_NAME),
            scope=scope,
            customer_id=None,
            permissions=[],
            plan_ids=[],
            created_by=created_by,
            created_at=now,
            expires_at=None,
        ),
    )


async def issue(session: AsyncSession, prefix: str, key: ApiKey) -> Issued:
    secret = secrets.token_bytes(SECRET_BYTES)
    key.id = ApiKeyId(new_id())
    key.token_hash = sha256(secret_text(secret).encode()).digest()
    session.add(key)
    await session.flush()
    return Issued(key, f"{prefix}_{key.id.hex}_{secret_text(secret)}")


def secret_text(secret: bytes) -> str:
    return urlsafe_b64encode(secret).decode().rstrip("=")


async def revoke_api_key(
    session: AsyncSession, *, api_key_id: ApiKeyId, sessions_only: bool = False, now: datetime
) -> ApiKey:
    """Revokes an API key or a customer session. Raises `ApiKeyNotFound`, `ApiKeyRevoked`."""
    key = await session.get(ApiKey, api_key_id, with_for_update={"key_share": True})
    if key is None or (sessions_only and key.scope is not ApiKeyScope.CUSTOMER):
        raise ApiKeyNotFound("There is no API key with this id.")
    if key.revoked_at is not None:
        raise ApiKeyRevoked("This API key is already revoked.")
    key.revoked_at = now
    return key


async def api_keys(session: AsyncSession) -> Sequence[ApiKey]:
    """Returns all API keys, including revoked ones, oldest first. Customer sessions are not included."""
    statement = select(ApiKey).where(ApiKey.scope != ApiKeyScope.CUSTOMER).order_by(ApiKey.created_at, ApiKey.id)
    return (await session.scalars(statement)).all()


async def has_api_keys(session: AsyncSession) -> bool:
    """Returns True if there is an API key that is not revoked. Customer sessions do not count."""
    usable = exists().where(ApiKey.scope != ApiKeyScope.CUSTOMER, ApiKey.revoked_at.is_(None))
    return bool(await session.scalar(select(usable)))


def key_id_in(token: str) -> ApiKeyId | None:
    """Returns the key id in a token, or None if the token is malformed."""
    found = TOKEN.fullmatch(token)
    return ApiKeyId(UUID(found[1])) if found else None


def is_token_valid(key: ApiKey, token: str, now: datetime) -> bool:
    """Returns True if the token is the key's own and the key is neither revoked nor expired at `now`.

    Compares in constant time.
    """
    found = TOKEN.fullmatch(token)
    given = sha256((found[2] if found else "").encode()).digest()
    prefix = SESSION_PREFIX if key.scope is ApiKeyScope.CUSTOMER else KEY_PREFIX
    matches = hmac.compare_digest(given, key.token_hash) and token.startswith(prefix)
    return matches and key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def is_use_unrecorded(key: ApiKey, now: datetime) -> bool:
    """Returns True if `last_used_at` is unset or at least `USE_RECORDED_EVERY` old."""
    return key.last_used_at is None or key.last_used_at <= now - USE_RECORDED_EVERY


async def record_use(session: AsyncSession, api_key_id: ApiKeyId, now: datetime) -> None:
    """Sets `last_used_at` of a key to `now`."""
    keys = table_of(ApiKey)
    await session.execute(update(keys).where(keys.c.id == api_key_id).values(last_used_at=now.replace(microsecond=0)))
