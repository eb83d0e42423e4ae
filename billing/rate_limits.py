"""Rate limits: each key has a bucket of rows that it may read, which fills by itself.

A process takes from a bucket in blocks, and spends a block without asking: there is no statement for each request.
What a request has read is known when it is over, so it is charged then; what it took too much is missing from the next
block.
"""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A bucket holds `burst` rows at most, and fills by `rows_per_second`. Each request costs the rows that it reads,
    and one more.
    """

    rows_per_second: float = 5_000
    burst: float = 200_000

    @property
    def block(self) -> float:
        return max(1.0, self.burst / BLOCKS)


@dataclass(slots=True)
class Lease:
    """What a process has taken of a bucket and not spent; less than 0 where it owes."""

    left: float = 0.0
    empty_until: datetime | None = None

    def seconds_to_wait(self, limit: RateLimit) -> float:
        """How long it takes until the bucket has something again, once it was found empty."""
        return max(0.0, 1.0 - self.left) / limit.rows_per_second


async def take_block(
    session: AsyncSession, api_key_id: ApiKeyId, lease: Lease, limit: RateLimit, *, now: datetime
) -> None:
    """Takes a block, and what the lease owes, from the key's bucket: whole, or what there is.

    A bucket is full when it is first seen.
    """
    buckets = table_of(RateBucket)
    await session.execute(
        insert(buckets)
        .values(api_key_id=api_key_id, tokens=limit.burst, filled_at=now)
        .on_conflict_do_nothing(index_elements=[buckets.c.api_key_id])
    )
    bucket = await session.get_one(RateBucket, api_key_id, with_for_update=True)
    seconds = max(0.0, (now - bucket.filled_at).total_seconds())
    filled = min(limit.burst, bucket.tokens + seconds * limit.rows_per_second)
    granted = min(filled, limit.block - min(lease.left, 0.0))
    bucket.tokens = filled - granted
    bucket.filled_at = max(now, bucket.filled_at)
    lease.left += granted
    wait = max(NOT_ASKED_FOR, timedelta(seconds=lease.seconds_to_wait(limit)))
    lease.empty_until = now + wait if lease.left <= 0 else None
