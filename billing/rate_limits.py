"""Rate limits: each key has a bucket of rows that it may read, which fills by itself.

A process takes from a bucket in blocks, and spends a block without asking: there is no statement for each request.
What a request has read is known when it is over, so it is charged then; what it took too much goes to the bucket's
account when its process comes again.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import RateBucket
from db.models.base import table_of
from db.values import ApiKeyId

BLOCKS = 100
"""A block is so small a part of a bucket that what eight processes hold of it unspent is less than a tenth."""

NOT_ASKED_FOR = timedelta(seconds=0.05)
"""An empty bucket is left alone so long at least."""


SET_BACK = timedelta(minutes=1)
"""Clocks of several machines may differ by less; what is later was written before a clock was set back."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A bucket holds `burst` rows at most, and fills by `rows_per_second`. Each request costs the rows that it reads,
    and one more.
    """

    rows_per_second: float = 5_000.0
    burst: float = 200_000.0

    @property
    def block(self) -> float:
        return max(1.0, self.burst / BLOCKS)


@dataclass(slots=True)
class Lease:
    """What a process has taken of a bucket and not spent; less than 0 where it owes. A request needs 1 to be let in."""

    left: float = 0.0
    empty_since: datetime | None = None
    empty_until: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)
    """One task at a time takes a block."""

    def is_known_to_be_empty(self, now: datetime) -> bool:
        """Whether the bucket was found empty a moment ago. A clock that was set back says nothing."""
        if self.empty_since is None or self.empty_until is None:
            return False
        return self.empty_since <= now < self.empty_until

    def seconds_to_wait(self, now: datetime) -> float:
        """How long it takes until the bucket, which was found empty, has something again."""
        assert self.empty_until is not None, "it was found empty"
        return max(0.0, (self.empty_until - now).total_seconds())


async def take_block(
    session: AsyncSession, api_key_id: ApiKeyId, lease: Lease, limit: RateLimit, *, now: datetime
) -> None:
    """Takes what the lease owes, and a block or what there is, from the key's bucket.

    A bucket is full when it is first seen.
    """
    buckets = table_of(RateBucket)
    await session.execute(
        insert(buckets)
        .values(api_key_id=api_key_id, tokens=limit.burst, filled_at=now)
        .on_conflict_do_nothing(index_elements=[buckets.c.api_key_id])
    )
    bucket = await session.get_one(RateBucket, api_key_id, with_for_update=True)
    if bucket.filled_at > now + SET_BACK:
        bucket.filled_at = now
    seconds = max(0.0, (now - bucket.filled_at).total_seconds())
    filled = min(limit.burst, bucket.tokens + seconds * limit.rows_per_second)
    # What is owed is taken first, so that all processes know of it: the bucket may be less than empty.
    left = filled + min(lease.left, 0.0)
    granted = max(0.0, min(left, limit.block))
    bucket.tokens = left - granted
    bucket.filled_at = max(now, bucket.filled_at)
    lease.left = max(lease.left, 0.0) + granted
    wait = max(NOT_ASKED_FOR, timedelta(seconds=(1.0 - left) / limit.rows_per_second))
    lease.empty_since, lease.empty_until = (now, now + wait) if lease.left < 1 else (None, None)
