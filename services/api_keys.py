"""API keys and customer sessions: who may send requests.

A token is a prefix, the key's id and 32 random bytes. Only the SHA-256 of the random part is kept: it has 256 bits, so
that a slow hash, as for passwords, would protect nothing more.
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

from billing.errors import ApiKeyNotFound, ApiKeyRevoked, InvalidInput
from billing.ids import ApiKeyId, new_id
from billing.limits import MAX_NAME
from billing.validation import required_text
from billing.words import ApiKeyScope
from db.models import ApiKey
from db.models.base import table_of

KEY_PREFIX = "bk"
SESSION_PREFIX = "bs"
TOKEN = re.compile("b[ks]_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
SECRET_BYTES = 32

KEY_SEEN_FOR = timedelta(seconds=5)
"""So long a process goes on with what it has read of a key: a revoked one is refused after that at the latest."""

USE_RECORDED_EVERY = timedelta(minutes=1)
"""When a key was last used is written down so often at most."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, and its token, which is not seen again."""

    key: ApiKey
    token: str


async def create_api_key(
    session: AsyncSession, *, name: str, scope: ApiKeyScope, created_by: UUID | None = None, now: datetime
) -> Issued:
    """A new key. Raises `InvalidInput` for an empty or long name, and for the scope of customer sessions."""
    if scope is ApiKeyScope.CUSTOMER:
        raise InvalidInput("A key of this scope is made by `createCustomerSession`.", "scope")
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
    """Ends a key, or a customer session. Raises `ApiKeyNotFound` and `ApiKeyRevoked`."""
    key = await session.get(ApiKey, api_key_id, with_for_update={"key_share": True})
    if key is None or (sessions_only and key.scope is not ApiKeyScope.CUSTOMER):
        raise ApiKeyNotFound("There is no API key with this id.")
    if key.revoked_at is not None:
        raise ApiKeyRevoked("This API key is revoked already.")
    key.revoked_at = now
    return key


async def api_keys(session: AsyncSession) -> Sequence[ApiKey]:
    """All keys that were made for programs, revoked ones too, oldest first."""
    statement = select(ApiKey).where(ApiKey.scope != ApiKeyScope.CUSTOMER).order_by(ApiKey.created_at, ApiKey.id)
    return (await session.scalars(statement)).all()


async def has_api_keys(session: AsyncSession) -> bool:
    """Whether anybody could send a request."""
    usable = exists().where(ApiKey.scope != ApiKeyScope.CUSTOMER, ApiKey.revoked_at.is_(None))
    return bool(await session.scalar(select(usable)))


def key_id_in(token: str) -> ApiKeyId | None:
    """The id that a token names; None for what is no token."""
    found = TOKEN.fullmatch(token)
    return ApiKeyId(UUID(found[1])) if found else None


def is_token_valid(key: ApiKey, token: str, now: datetime) -> bool:
    """Whether a token is the one of the key, and the key good at `now`. Takes as long for each wrong token."""
    found = TOKEN.fullmatch(token)
    given = sha256((found[2] if found else "").encode()).digest()
    prefix = SESSION_PREFIX if key.scope is ApiKeyScope.CUSTOMER else KEY_PREFIX
    matches = hmac.compare_digest(given, key.token_hash) and token.startswith(prefix)
    return matches and key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def is_use_unrecorded(key: ApiKey, now: datetime) -> bool:
    """Whether it is to be written down that a key is in use: that was not done a moment ago."""
    return key.last_used_at is None or key.last_used_at <= now - USE_RECORDED_EVERY


async def record_use(session: AsyncSession, api_key_id: ApiKeyId, now: datetime) -> None:
    """Writes down that a key is in use."""
    keys = table_of(ApiKey)
    await session.execute(update(keys).where(keys.c.id == api_key_id).values(last_used_at=now.replace(microsecond=0)))
