"""Authenticates requests and applies the rate limit."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from billing.ids import ApiKeyId
from db.database import Database
from db.driver.errors import Overloaded
from db.models import ApiKey
from graph.schema.fields.access import Access
from services.api_keys import KEY_SEEN_FOR, is_token_valid, is_use_unrecorded, key_id_in, record_use
from services.rate_limits import Lease, take_block
from services.settings import RateLimit

KEYS_REMEMBERED = 10_000

BYTES_PER_ROW = 1024
"""Number of response bytes that the rate limit counts as one row."""


class Unauthenticated(Exception):
    """The request has no valid API key. The message is for the client."""


class RateLimited(Exception):
    """The key has used up its rate limit. `seconds` is the time until it may read again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Authenticator:
    """Authenticates requests and applies the rate limit.

    Keys are cached for seconds, and rows are taken from a key's bucket in blocks, so most requests need no statement.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], limit: RateLimit, *, requires_key: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._requires_key = requires_key
        self._seen: OrderedDict[ApiKeyId, tuple[datetime, ApiKey]] = OrderedDict()
        self._leases: OrderedDict[ApiKeyId, Lease] = OrderedDict()

    async def admit(self, authorization: str | None) -> Access:
        """Returns the access of a request with this header. Raises `Unauthenticated` and `RateLimited`."""
        if authorization is None:
            if self._requires_key:
                raise Unauthenticated("This request needs an API key: send it as `Authorization: Bearer …`.")
            return Access()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("The Authorization header must be `Bearer …`, with an API key.")
        token = token.strip()
        key_id = key_id_in(token)
        key = None if key_id is None else await self._key(key_id)
        if key is None or not is_token_valid(key, token, self._clock()):
            raise Unauthenticated("The API key is invalid, revoked or expired.")
        await self._note_use(key)
        await self._let_in(key.id)
        return Access(key.id, key.scope, key.customer_id, frozenset(key.permissions), frozenset(key.plan_ids))

    def charge(self, access: Access, rows: int, slow_seconds: float) -> None:
        """Charges the rows of a request. A second of slow lists costs as much as a second's worth of rows."""
        if access.key_id is not None:
            self._lease(access.key_id).left -= 1 + rows + slow_seconds * self._limit.rows_per_second

    def charge_bytes(self, access: Access, size: int) -> None:
        """Charges the bytes of a response, converted to rows."""
        if access.key_id is not None:
            self._lease(access.key_id).left -= size // BYTES_PER_ROW

    async def _key(self, key_id: ApiKeyId) -> ApiKey | None:
        now = self._clock()
        found = self._seen.get(key_id)
        # If the clock was set back, the cached key is not used: it would stay valid for too long.
        if found is not None and found[0] <= now < found[0] + KEY_SEEN_FOR:
            return found[1]
        async with self._database.brief() as session:
            key = await session.get(ApiKey, key_id)
        if key is not None:
            put_recent(self._seen, key_id, (now, key))
        return key

    async def _note_use(self, key: ApiKey) -> None:
        now = self._clock()
        if is_use_unrecorded(key, now):
            async with self._database.brief() as session:
                await record_use(session, key.id, now)
            key.last_used_at = now

    def _lease(self, key_id: ApiKeyId) -> Lease:
        lease = self._leases.get(key_id) or Lease()
        put_recent(self._leases, key_id, lease)
        return lease

    async def _let_in(self, key_id: ApiKeyId) -> None:
        lease = self._lease(key_id)
        if lease.left >= 1:
            return
        async with acquire_within(lease.lock, self._database.pool_timeout_seconds):
            # Another request may have taken a block in the meantime, or spent this one while it was being taken.
            while lease.left < 1:
                now = self._clock()
                if lease.is_known_to_be_empty(now):
                    raise RateLimited(lease.seconds_to_wait(now))
                async with self._database.brief() as session:
                    await take_block(session, key_id, lease, self._limit, now=now)


@asynccontextmanager
async def acquire_within(lock: asyncio.Lock, seconds: float) -> AsyncIterator[None]:
    """Holds the lock for the block. Raises `Overloaded` if it cannot be acquired in time."""
    try:
        async with asyncio.timeout(seconds):
            await lock.acquire()
    except TimeoutError:
        raise Overloaded("Too many requests with this API key are waiting.") from None
    try:
        yield
    finally:
        lock.release()


def put_recent(things: OrderedDict[ApiKeyId, Any], key_id: ApiKeyId, thing: Any) -> None:
    """Stores an entry as the most recent one. Evicts the oldest beyond `KEYS_REMEMBERED`: it can be read again."""
    things[key_id] = thing
    things.move_to_end(key_id)
    if len(things) > KEYS_REMEMBERED:
        things.popitem(last=False)
