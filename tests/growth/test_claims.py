"""Claims of webhook deliveries read no more when the backlog grows, also before PostgreSQL has statistics of it."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text

from db.access.transactions import Sessions
from db.queries.webhooks import CLAIM_DUE, CLAIM_OLDEST, LOCK_PROGRESS
from tests.support import NOW, Api
from tests.webhooks.conftest import an_endpoint

ADD = text(
    """
    INSERT INTO webhook_deliveries (id, endpoint_id, message_id, event_id, type, object_id, xid, position, body, status,
        attempts, recorded_at, created_at, next_attempt_at)
    SELECT uuidv7(), :endpoint_id, uuidv7(), uuidv7(), 'CUSTOMER_UPDATED',
        CAST('01930000-0000-7000-8000-' || lpad((n % 200)::text, 12, '0') AS uuid), CAST(n::text AS xid8), n,
        repeat('x', 500), 'PENDING', 0, :now, :now, :now
    FROM generate_series(1, :number) AS n
    """
)


async def buffers(
    api: Api, sessions: Sessions, claim: TextClause, *, backlog: int, most: int, statistics: str | None
) -> int:
    """Returns the number of buffers that the second claim touches. `statistics` is a statement that makes them."""
    endpoint_id = UUID((await an_endpoint(api, "https://1.1.1.1/")).id)
    explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claim}")
    values = {"endpoint_id": endpoint_id, "now": NOW, "until": NOW + timedelta(seconds=30), "most": most}
    async with sessions.begin() as session:
        await session.execute(ADD, {"endpoint_id": endpoint_id, "now": NOW, "number": backlog})
        if statistics is not None:
            await session.execute(text(statistics))
            await session.execute(text("ANALYZE webhook_deliveries"))
            await session.execute(text(AGAIN))
        await session.execute(LOCK_PROGRESS, {"endpoint_id": endpoint_id})
        for _ in range(2):
            [plan] = await session.scalar(explain, values)
    assert plan["Plan"]["Actual Rows"] == most
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


AGAIN = "UPDATE webhook_deliveries SET status = 'PENDING', finished_at = NULL, next_attempt_at = created_at"
ALL_PENDING = "SELECT 1"
ALL_DONE = "UPDATE webhook_deliveries SET status = 'SUCCEEDED', finished_at = now(), next_attempt_at = NULL"


@pytest.mark.parametrize("statistics", [None, ALL_PENDING, ALL_DONE], ids=["none", "pending", "done"])
async def test_a_claim_reads_only_what_it_claims(api: Api, sessions: Sessions, statistics: str | None) -> None:
    found = await buffers(api, sessions, CLAIM_DUE, backlog=20_000, most=32, statistics=statistics)

    assert found < 32 * 50


@pytest.mark.parametrize("statistics", [None, ALL_PENDING, ALL_DONE], ids=["none", "pending", "done"])
async def test_a_claim_of_the_oldest_reads_the_backlog_once(
    api: Api, sessions: Sessions, statistics: str | None
) -> None:
    found = await buffers(api, sessions, CLAIM_OLDEST, backlog=2_500, most=1, statistics=statistics)

    assert found < 2_500 * 8
