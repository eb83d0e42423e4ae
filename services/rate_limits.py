"""Rate limits: each key has a bucket of rows that it may read, which fills by itself.

A process takes from a bucket in blocks, and spends a block without asking: there is no statement for each request.
What a request has read is known when it is over, so it is charged then; what it took too much goes to the bucket's
account when its process comes again.
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

NOT_ASKED_FOR = timedelta(seconds=0.05)
"""An empty bucket is left alone so long at least."""


SET_BACK = timedelta(minutes=1)
"""Clocks of several machines may differ by less; what is later was written before a clock was set back."""


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
    """Takes what the lease owes, and a block or what there is, from the key's bucket: one statement.

    A bucket is full when it is first seen.
    """
    owed = min(lease.left, 0.0)
    asked = {
        "key": api_key_id,
        "now": now,
        "set_back": SET_BACK,
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
    # Others may have been charged meanwhile.
    lease.left += granted - owed
    wait = max(NOT_ASKED_FOR, timedelta(seconds=(1.0 - left) / limit.rows_per_second))
    lease.empty_since, lease.empty_until = (now, now + wait) if lease.left < 1 else (None, None)


def take_statement() -> ReturningUpdate[float, float]:
    """Fills a bucket by what has come since, and takes from it: gives what was left, and what of it is granted."""
    buckets = table_of(RateBucket)
    now = bindparam("now", type_=buckets.c.filled_at.type)
    filled_at = case(
        (buckets.c.filled_at > now + bindparam("set_back", type_=Interval()), now), else_=buckets.c.filled_at
    )
    seconds = func.greatest(0, func.extract("epoch", now - filled_at)).cast(Double)
    filled = func.least(
        bindparam("burst", type_=Double()), buckets.c.tokens + seconds * bindparam("per_second", type_=Double())
    )
    # What is owed is taken first, so that all processes know of it: the bucket may be less than empty.
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
