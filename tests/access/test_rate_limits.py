"""Rate limits: the number of rows that an API key can read does not depend on the number of workers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import event, update

from billing.enums import ApiKeyScope
from billing.ids import ApiKeyId
from db.access.transactions import Sessions
from db.database import Database
from db.models import ApiKey, RateBucket
from graph.server.authenticator import BYTES_PER_ROW
from graph.settings import Settings
from services.rate_limits import Lease, take_block
from services.settings import RateLimit
from tests.access.conftest import Serving, a_key
from tests.support import NOW, Api, Statements, TestClock, a_plan, count, counted_statements, stored

LIMIT = RateLimit(rows_per_second=100, burst=2000)
"""Limit with blocks of 20 rows."""


def limited(limit: RateLimit) -> Settings:
    return Settings(requires_key=True, suggestions=False, rate_limit=limit)


async def take(sessions: Sessions, key_id: ApiKeyId, lease: Lease, after: float = 0, limit: RateLimit = LIMIT) -> float:
    """Takes a block `after` seconds after `NOW`. Returns the number of rows that were granted."""
    before = lease.left
    async with sessions.begin() as session:
        await take_block(session, key_id, lease, limit, now=NOW + timedelta(seconds=after))
    return lease.left - before


@contextmanager
def told_of_statements(database: Database, tell: Callable[[str], None]) -> Iterator[None]:
    """Calls `tell` with each statement before it is sent, within the block."""

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        tell(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    database.listeners.append(tell)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)
        database.listeners.remove(tell)


async def bucket_of(sessions: Sessions, key_id: ApiKeyId) -> float:
    async with sessions() as session:
        return (await session.get_one(RateBucket, key_id)).tokens


@pytest.fixture
async def key_id(database: Database, clock: TestClock) -> ApiKeyId:
    return (await a_key(database, clock, ApiKeyScope.READ)).key.id


async def test_a_bucket_is_full_at_first_and_is_taken_from_in_blocks(sessions: Sessions, key_id: ApiKeyId) -> None:
    lease = Lease()

    granted = [await take(sessions, key_id, lease) for _ in range(3)]

    assert granted == [20, 20, 20]
    assert lease == Lease(left=60, empty_until=None)
    assert await bucket_of(sessions, key_id) == 1940


async def test_what_is_owed_is_taken_with_the_block(sessions: Sessions, key_id: ApiKeyId) -> None:
    lease = Lease(left=-500)

    granted = await take(sessions, key_id, lease)

    assert (granted, lease.left, lease.empty_until) == (520, 20, None)
    assert await bucket_of(sessions, key_id) == 1480


async def test_what_is_charged_while_a_block_is_taken_is_not_forgiven(
    sessions: Sessions, key_id: ApiKeyId, database: Database
) -> None:
    lease = Lease(left=-5)

    def charge(text: str) -> None:
        if "rate_buckets" in text:
            lease.left -= 1000

    with told_of_statements(database, charge):
        await take(sessions, key_id, lease)

    # The first use of a bucket takes three statements: select, insert, and take. Each was charged 1000 rows.
    assert lease.left == 20 - 3000
    assert await bucket_of(sessions, key_id) == 1975


async def test_an_empty_bucket_gives_what_there_is_and_says_when_there_is_more(
    sessions: Sessions, key_id: ApiKeyId
) -> None:
    await take(sessions, key_id, Lease(left=-1975))
    lease = Lease(left=-104)

    await take(sessions, key_id, lease)

    # 5 rows were left. The lease still owes 99 and needs one more: 100 rows refill in one second.
    assert lease.seconds_to_wait(NOW) == 1
    assert lease.empty_until == NOW + timedelta(seconds=1)
    assert await take(sessions, key_id, Lease()) == 0


SMALL = RateLimit(rows_per_second=2, burst=20)
"""Limit with blocks of one row."""


async def all_there_is(sessions: Sessions, key_id: ApiKeyId, after: float) -> float:
    """Takes blocks until the bucket is empty. Returns the total number of rows."""
    total = 0.0
    while granted := await take(sessions, key_id, Lease(), after, SMALL):
        total += granted
    return total


async def test_a_bucket_fills_by_the_second_and_not_above_its_brim(sessions: Sessions, key_id: ApiKeyId) -> None:
    instants = [0, 0.5, 0.75, 5.75, 15.75, 86_400]

    granted = [await all_there_is(sessions, key_id, after) for after in instants]

    assert granted == [20, 1, 0.5, 10, 20, 20]


async def test_a_clock_that_lags_behind_another_fills_no_second_twice(sessions: Sessions, key_id: ApiKeyId) -> None:
    instants = [0, 5, 2, 5, 6]

    granted = [await all_there_is(sessions, key_id, after) for after in instants]

    assert granted == [20, 10, 0, 0, 2]


async def test_processes_that_take_at_once_get_what_there_is_and_no_more(sessions: Sessions, key_id: ApiKeyId) -> None:
    limit = RateLimit(rows_per_second=1, burst=300)

    granted = await asyncio.gather(*(take(sessions, key_id, Lease(), limit=limit) for _ in range(120)))

    assert sorted(granted) == [0] * 20 + [3] * 100
    assert await bucket_of(sessions, key_id) == 0


@dataclass
class Worker:
    """Worker of the server, from the point of view of one API key."""

    api: Api

    async def read(self, rows: int) -> int | None:
        """Reads this many rows of a list. Returns the rows charged, or None if the request was rejected."""
        answer = await self.api.post("query ($n: Int!) { plans(first: $n) { nodes { id } } }", n=rows - 1)
        if answer.status_code == 429:
            return None
        assert answer.status_code == 200, answer.text
        assert answer.json()["extensions"]["cost"]["rows"] == rows
        return rows + 1 + len(answer.content) // BYTES_PER_ROW

    async def read_until_refused(self, rows: int) -> int:
        """Reads lists until a request is rejected. Returns the total number of rows charged."""
        charged = 0
        while (cost := await self.read(rows)) is not None:
            charged += cost
        return charged

    async def wait_said(self) -> int:
        """Returns the seconds in `Retry-After`, and checks that the request is rejected with a consistent error."""
        answer = await self.api.post("{ __typename }")
        [error] = answer.json()["errors"]
        said = answer.headers["retry-after"]
        assert (answer.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert "data" not in answer.json()
        assert said.isdecimal()
        assert f"Try again in {said} s." in error["message"]
        return int(said)

    async def lets_in(self) -> bool:
        return (await self.api.post("{ __typename }")).status_code == 200


async def workers(
    serving: Serving, database: Database, clock: TestClock, number: int = 1, limit: RateLimit = LIMIT
) -> list[Worker]:
    """Returns workers that serve one API key from one database with 101 plans."""
    await stored(database.sessions, *(a_plan() for _ in range(101)))
    token = (await a_key(database, clock, ApiKeyScope.READ)).token
    return [Worker((await serving(limited(limit)))(token)) for _ in range(number)]


def takes(statements: Statements) -> int:
    """Returns the number of times that rows were taken from a bucket."""
    return sum("rate_buckets" in text and "FOR UPDATE" in text for text in statements.texts)


@pytest.mark.parametrize(("number", "rows"), [(1, 101), (2, 101), (3, 51)])
async def test_what_several_processes_let_through_is_what_the_limit_allows(
    serving: Serving, database: Database, clock: TestClock, number: int, rows: int
) -> None:
    """The API key sends as many requests to each worker as it accepts, for one minute."""
    processes = await workers(serving, database, clock, number)
    through = 0

    for _ in range(60):
        for worker in processes:
            through += await worker.read_until_refused(rows)
        clock.forward(seconds=1)

    allowed = 2000 + 59 * 100
    assert allowed * 0.9 <= through <= allowed * 1.1


async def test_a_bucket_that_has_rested_is_full_and_not_fuller(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    one, two = await workers(serving, database, clock, 2)

    emptied = [await one.read_until_refused(51), await two.read_until_refused(51)]
    clock.forward(hours=1)
    again = [await one.read_until_refused(51), await two.read_until_refused(51)]

    assert 2000 <= sum(emptied) <= 2000 + 2 * 51
    # What was overdrawn at first has been paid back, and not more than the capacity of the bucket was available.
    assert 2000 - 2 * 51 <= sum(again) <= 2000 + 2 * 51


async def test_a_refused_key_is_told_when_to_come_back_and_is_let_in_then(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    [worker] = await workers(serving, database, clock)
    await worker.read_until_refused(101)

    waits = []
    for _ in range(5):
        seconds = await worker.wait_said()
        clock.forward(seconds=seconds)
        waits.append(seconds)
        assert await worker.lets_in()
        await worker.read_until_refused(101)

    assert set(waits) <= {1, 2}


async def test_the_wait_that_is_said_grows_shorter(serving: Serving, database: Database, clock: TestClock) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(rows_per_second=10, burst=2000))
    await worker.read_until_refused(101)

    first = await worker.wait_said()
    clock.forward(seconds=first - 1)
    last = await worker.wait_said()
    clock.forward(seconds=1)

    assert first > 1
    assert last == 1
    assert await worker.lets_in()


@pytest.mark.parametrize("burst", [200, 50])
async def test_a_huge_query_is_charged_when_it_is_over_and_keeps_the_next_ones_out(
    serving: Serving, database: Database, clock: TestClock, burst: float
) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(rows_per_second=10, burst=burst))
    read = 0
    while (cost := await worker.read(101)) is not None:
        read += cost

    seconds = await worker.wait_said()
    clock.forward(seconds=seconds - 1)
    refused = not await worker.lets_in()
    clock.forward(seconds=1)

    # The wait covers everything that was read beyond the bucket's capacity.
    assert (read - burst) / 10 < seconds <= (read - burst) / 10 + 1.2
    assert refused
    assert await worker.lets_in()


async def test_keys_do_not_share_a_bucket(serving: Serving, database: Database, clock: TestClock) -> None:
    await stored(database.sessions, *(a_plan() for _ in range(101)))
    server = await serving(limited(LIMIT))
    busy, quiet = [Worker(server((await a_key(database, clock, ApiKeyScope.READ)).token)) for _ in range(2)]

    first = await busy.read_until_refused(101)
    refused = not await busy.lets_in()
    second = await quiet.read_until_refused(101)

    assert refused
    assert first == second
    assert await count(database.sessions, RateBucket) == 2


async def test_most_requests_ask_nothing_of_their_bucket(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(burst=20_000))

    with counted_statements(database) as statements:
        for _ in range(100):
            assert await worker.read(10) == 11

    # A block of 200 rows lasts for 18 to 19 requests of 11 rows.
    assert takes(statements) == 7


async def test_requests_that_come_at_once_take_one_block_together(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    """Rows that one worker holds but does not use are not available in another worker."""
    one, two = await workers(serving, database, clock, 2)
    with counted_statements(database) as statements:
        let_in = await asyncio.gather(*(one.lets_in() for _ in range(50)))

    elsewhere = await two.read_until_refused(101)

    assert all(let_in)
    assert takes(statements) <= 5
    assert elsewhere >= 0.9 * 2000 - 50


async def test_refusals_that_come_at_once_cost_no_statement_each(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(rows_per_second=10, burst=50))
    await worker.read(40)
    await worker.read(101)

    with counted_statements(database) as statements:
        let_in = await asyncio.gather(*(worker.lets_in() for _ in range(50)))

    assert not any(let_in)
    assert takes(statements) <= 1


async def test_refusals_cost_no_statement(serving: Serving, database: Database, clock: TestClock) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(rows_per_second=10, burst=50))
    await worker.read_until_refused(40)
    seconds = await worker.wait_said()

    with counted_statements(database) as at_once:
        for _ in range(50):
            assert not await worker.lets_in()
    clock.forward(seconds=seconds - 1)
    with counted_statements(database) as later:
        for _ in range(50):
            assert not await worker.lets_in()

    assert at_once.texts == []
    assert takes(later) == 0


async def test_an_empty_bucket_is_looked_at_once_and_not_by_each_request(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    """If another worker takes all rows, a wait ends without a grant and a new wait starts."""
    one, two = await workers(serving, database, clock, 2)
    await one.read_until_refused(51)
    await two.read_until_refused(51)

    clock.forward(seconds=1)
    assert await one.read_until_refused(101) > 0
    with counted_statements(database) as statements:
        for _ in range(20):
            assert not await two.lets_in()

    assert takes(statements) <= 1


async def test_what_is_refused_for_its_document_counts_as_a_request(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(rows_per_second=1, burst=30))

    statuses = [(await worker.api.post("{ nothing }")).status_code for _ in range(31)]

    assert statuses == [200] * 30 + [429]


async def test_without_a_key_nothing_is_limited(serving: Serving, database: Database) -> None:
    limit = RateLimit(rows_per_second=0.001, burst=1)
    await stored(database.sessions, *(a_plan() for _ in range(101)))
    local = Worker((await serving(Settings(rate_limit=limit)))(None))

    assert [await local.read(101) for _ in range(20)] == [106] * 20
    assert await count(database.sessions, RateBucket) == 0


async def test_a_token_is_limited_also_where_none_is_needed(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    server = await serving(Settings(rate_limit=RateLimit(rows_per_second=1, burst=2)))
    token = (await a_key(database, clock, ApiKeyScope.READ)).token

    assert [await Worker(server(token)).lets_in() for _ in range(3)] == [True, True, False]
    assert await Worker(server(None)).lets_in()


async def test_a_revoked_key_is_unknown_and_not_told_to_wait(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    [worker] = await workers(serving, database, clock, limit=RateLimit(rows_per_second=0.001, burst=1))
    assert await worker.lets_in()
    await worker.wait_said()

    async with database.sessions.begin() as session:
        await session.execute(update(ApiKey).values(revoked_at=clock.now))
    clock.forward(seconds=6)

    assert (await worker.api.post("{ __typename }")).status_code == 401
