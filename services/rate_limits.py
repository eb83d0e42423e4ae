"""Rate limits. Each API key has a bucket of rows that it may read, which refills at a constant rate.

A worker takes rows from the bucket in blocks and spends a block without a statement per request. The number of rows
is known only after a request, so a worker may overspend. It charges the excess to the bucket with the next block.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Double, Interval, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from billing.ids import ApiKeyId
from db.access.statements import Statement, send
from db.models import RateBucket
from db.models.base import table_of
from services.settings import RateLimit

EMPTY_PAUSE = timedelta(seconds=0.05)
"""Minimum time before a worker asks an empty bucket again."""


CLOCK_TOLERANCE = timedelta(minutes=1)
"""Maximum clock difference between machines. A `filled_at` further in the future means that a clock was set back."""


@dataclass(slots=True)
class Lease:
    """The rows that a worker has taken from a bucket and not spent. Negative if it has overspent.

    A request is accepted if at least 1 is left.
    """

    left: float = 0.0
    empty_since: datetime | None = None
    empty_until: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)
    """Lets only one task at a time take a block."""

    def is_known_to_be_empty(self, now: datetime) -> bool:
        """Returns True if the bucket was found empty and cannot have refilled by `now`.

        False if the clock was set back since.
        """
        if self.empty_since is None or self.empty_until is None:
            return False
        return self.empty_since <= now < self.empty_until

    def seconds_to_wait(self, now: datetime) -> float:
        """Returns the time until the bucket, which was found empty, has a row again."""
        assert self.empty_until is not None, "the bucket was found empty"
        return max(0.0, (self.empty_until - now).total_seconds())


async def take_block(
    session: AsyncSession, api_key_id: ApiKeyId, lease: Lease, limit: RateLimit, *, now: datetime
) -> None:
    """Charges the lease's debt to the key's bucket, and takes a block, or as much as there is, in one statement.

    A new bucket is full.
    """
    owed = min(lease.left, 0.0)
    asked = {
        "key": api_key_id,
        "now": now,
        "set_back": CLOCK_TOLERANCE,
        "owed": owed,
        "block": limit.block,
        "burst": limit.burst,
        "per_second": limit.rows_per_second,
    }
    found = await send(session, TAKE, **asked)
    if not found:
        buckets = table_of(RateBucket)
        full = insert(buckets).values(api_key_id=api_key_id, tokens=limit.burst, filled_at=now)
        await session.execute(full.on_conflict_do_nothing(index_elements=[buckets.c.api_key_id]))
        found = await send(session, TAKE, **asked)
    [(left, granted)] = found
    # Other requests may have changed `lease.left` while the statement ran.
    lease.left += granted - owed
    wait = max(EMPTY_PAUSE, timedelta(seconds=(1.0 - left) / limit.rows_per_second))
    lease.empty_since, lease.empty_until = (now, now + wait) if lease.left < 1 else (None, None)


def take_statement() -> ReturningUpdate[float, float]:
    """Returns the statement that refills a bucket and takes a block from it.

    The statement returns the rows in the bucket after the debt was charged, and those granted.
    """
    buckets = table_of(RateBucket)
    now = bindparam("now", type_=buckets.c.filled_at.type)
    filled_at = case(
        (buckets.c.filled_at > now + bindparam("set_back", type_=Interval()), now), else_=buckets.c.filled_at
    )
    seconds = func.greatest(0, func.extract("epoch", now - filled_at)).cast(Double)
    filled = func.least(
        bindparam("burst", type_=Double()), buckets.c.tokens + seconds * bindparam("per_second", type_=Double())
    )
    # Subtract the debt first, even below 0, so that all workers see it.
    bucket = (
        select(
            buckets.c.api_key_id,
            (filled + bindparam("owed", type_=Double())).label("left"),
            func.greatest(now, filled_at).label("filled_at"),
        )
        .where(buckets.c.api_key_id == bindparam("key", type_=buckets.c.api_key_id.type))
        .with_for_update()
        .cte("bucket")
    )
    granted = func.greatest(0, func.least(bucket.c.left, bindparam("block", type_=Double()))).cast(Double)
    return (
        update(buckets)
        .where(buckets.c.api_key_id == bucket.c.api_key_id)
        .values(tokens=bucket.c.left - granted, filled_at=bucket.c.filled_at)
        .returning(bucket.c.left, granted)
    )


TAKE = Statement(take_statement())
