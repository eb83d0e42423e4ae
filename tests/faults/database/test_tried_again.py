"""Transactions that the database rolls back or disconnects: retried as a whole up to three times, then reported as an
error, and never applied twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from db.access.statements import Statement, send
from db.access.transactions import Sessions
from db.database import Database
from db.driver.errors import OutcomeUnknown, is_unavailable, server_detail
from db.models import Customer, IdempotencyKey, Invoice
from graph.server.app import create_app
from tests.conftest import execute
from tests.faults.database.backends import BACKENDS, standing_still
from tests.faults.database.proxy import Proxy
from tests.races.fingerprints import assert_sound
from tests.support import PATIENCE_SECONDS, Api, TestClock, count, run

BACKENDS_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'billing' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def tried_again(database: Database) -> list[str]:
    """SQLSTATEs that caused a retry."""
    states: list[str] = []
    database.on_retry.append(states.append)
    return states


async def fault(
    database_url: str, then: str, *, on: str = "INSERT ON customers", times: int = 1000, at_commit: bool = False
) -> None:
    """Makes the database run `then` the first `times` times that rows are written, or with `at_commit` when they are
    committed.
    """
    kind = "CONSTRAINT TRIGGER fault AFTER" if at_commit else "TRIGGER fault BEFORE"
    when = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    for statement in (
        "CREATE SEQUENCE tries",
        f"""CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') <= {times} THEN {then}; END IF;
            RETURN NEW;
        END $$""",
        f"CREATE {kind} {on} {when} FOR EACH ROW EXECUTE FUNCTION fault()",
    ):
        await execute(database_url, statement)


def failing_with(state: str) -> str:
    return f"RAISE EXCEPTION 'a fault' USING ERRCODE = '{state}'"


CUT_OFF = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1)"


async def tries(other: asyncpg.Connection) -> int:
    return int(await other.fetchval("SELECT last_value FROM tries"))


async def create(api: Api, key: str | None = None) -> httpx.Response:
    fields = {"name": "Ada", "email": f"{uuid4().hex}@example.com"} | ({"idempotencyKey": key} if key else {})
    return await api.post(
        "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } } }", input=fields
    )


def made(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.json()
    assert "errors" not in answer.json(), answer.json()
    return str(answer.json()["data"]["createCustomer"]["customer"]["id"])


def code(answer: httpx.Response) -> tuple[int, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"]


async def test_a_deadlock_is_tried_again(
    api: Api, database: Database, other: asyncpg.Connection, tried_again: list[str]
) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id)
    # The other session does not check for deadlocks, so that PostgreSQL cancels our statement.
    await other.execute("SET deadlock_timeout = '1min'; BEGIN; SELECT 1 FROM subscriptions FOR UPDATE")
    canceling = asyncio.create_task(
        api.mutate("cancelSubscription", "subscription { status }", id=subscription_id, atPeriodEnd=False)
    )
    await until_waiting(other, 1)

    await other.execute("SELECT 1 FROM customers FOR UPDATE")
    await other.execute("COMMIT")

    assert (await canceling)["subscription"] == {"status": "CANCELED"}
    assert tried_again == ["40P01"]
    await assert_sound(database)


async def test_a_serialization_failure_is_tried_again(
    api: Api, database: Database, database_url: str, other: asyncpg.Connection, tried_again: list[str]
) -> None:
    await execute(database_url, f"ALTER DATABASE {database.engine.url.database} SET {REPEATABLE_READ}")
    # Only new connections take the setting.
    await database.close()
    customer_id = await api.a_customer()
    await other.execute("BEGIN; UPDATE customers SET name = 'Grace'")
    changing = asyncio.create_task(api.mutate("updateCustomer", "customer { name }", id=customer_id, taxId="1"))
    await until_waiting(other, 1)

    await other.execute("COMMIT")

    assert (await changing)["customer"] == {"name": "Grace"}
    assert tried_again == ["40001"]


REPEATABLE_READ = "default_transaction_isolation = 'repeatable read'"


@pytest.mark.parametrize(
    ("state", "attempts", "expected"),
    [
        ("40001", 3, (503, "UNAVAILABLE")),
        ("40P01", 3, (503, "UNAVAILABLE")),
        ("55P03", 1, (503, "UNAVAILABLE")),  # lock not available
        ("53100", 1, (503, "UNAVAILABLE")),  # disk full
        ("57014", 1, (200, "TIMEOUT")),
        ("23514", 1, (200, "INTERNAL_SERVER_ERROR")),
    ],
)
@pytest.mark.parametrize("at_commit", [False, True])
async def test_what_goes_on_failing_is_an_error_and_stores_nothing(
    api: Api,
    sessions: Sessions,
    database_url: str,
    other: asyncpg.Connection,
    tried_again: list[str],
    state: str,
    attempts: int,
    expected: tuple[int, str],
    at_commit: bool,
) -> None:
    await fault(database_url, failing_with(state), at_commit=at_commit)

    assert code(await create(api, "key")) == expected

    assert await tries(other) == attempts
    assert tried_again == [state] * (attempts - 1)
    assert await count(sessions, Customer, IdempotencyKey) == 0


@pytest.mark.parametrize("at_commit", [False, True])
async def test_what_fails_twice_is_done_once(
    api: Api, sessions: Sessions, database_url: str, tried_again: list[str], at_commit: bool
) -> None:
    await fault(database_url, failing_with("40001"), times=2, at_commit=at_commit)

    made(await create(api))

    assert tried_again == ["40001", "40001"]
    assert await count(sessions, Customer) == 1


async def test_a_connection_that_is_lost_before_the_commit(
    api: Api, sessions: Sessions, database_url: str, tried_again: list[str]
) -> None:
    await fault(database_url, CUT_OFF, times=1)

    made(await create(api))

    assert tried_again == ["08003"]
    assert await count(sessions, Customer) == 1


async def test_a_transaction_that_idled_too_long(
    database: Database, other: asyncpg.Connection, tried_again: list[str]
) -> None:
    async def idle(session: AsyncSession) -> str:
        if not tried_again:
            await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '20ms'"))
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        return str(await session.scalar(text("SELECT 'done'")))

    assert await database.change(idle) == "done"

    assert len(tried_again) == 1


@pytest.mark.parametrize("moment", ["before it begins", "in a statement", "with the commit"])
async def test_a_server_that_stands_still(
    database: Database, other: asyncpg.Connection, tried_again: list[str], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr("db.database.CHANGE_TIMEOUT_SECONDS", 1)
    await database.change(lambda session: session.execute(text("SELECT 1")))

    async with AsyncExitStack() as stopped, asyncio.timeout(PATIENCE_SECONDS):
        if moment == "before it begins":
            await stopped.enter_async_context(standing_still(other))

        async def change(session: AsyncSession) -> None:
            await session.execute(text("SELECT 1"))
            await stopped.enter_async_context(standing_still(other))
            if moment == "in a statement":
                await session.execute(text("SELECT 1"))

        with pytest.raises(OutcomeUnknown if moment == "with the commit" else TimeoutError) as raised:
            await database.change(change)
        assert is_unavailable(raised.value)
        assert tried_again == []
        # The next transaction gets a new connection.
        await database.change(lambda session: session.execute(text("SELECT 1")))


async def test_connections_made_while_nothing_may_be_written(database: Database, other: asyncpg.Connection) -> None:
    name = database.engine.url.database
    await other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await database.close()
    await asyncio.gather(*(database.change(read_slowly) for _ in range(database.pools["work"].size())))
    with pytest.raises(DBAPIError) as refused:
        await database.change(lock_customers)
    assert server_detail(refused.value, "sqlstate") == "25006"
    await other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    assert await database.change(lock_customers) == []


async def test_connections_in_use_while_nothing_may_be_written(database: Database, other: asyncpg.Connection) -> None:
    """Connections in use are replaced as well, and none of them stays open."""
    used, refused = asyncio.Event(), asyncio.Event()

    async def use() -> None:
        async with database.sessions.begin():
            used.set()
            await refused.wait()

    async def write(session: AsyncSession) -> None:
        await session.execute(text("SET TRANSACTION READ ONLY"))
        await lock_customers(session)

    using = [asyncio.create_task(use()) for _ in range(database.pools["work"].size() - 1)]
    await used.wait()
    before = {pid for (pid,) in await other.fetch(BACKENDS)}
    with pytest.raises(DBAPIError):
        await database.change(write)
    refused.set()
    await asyncio.gather(*using)

    await asyncio.gather(*(database.change(read_slowly) for _ in range(database.pools["work"].size())))

    assert before.isdisjoint({pid for (pid,) in await other.fetch(BACKENDS)})


async def read_slowly(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_sleep(0.1)"))


async def lock_customers(session: AsyncSession) -> Sequence[object]:
    """Locks all customers with a statement that bypasses SQLAlchemy, so the error comes straight from the driver."""
    return await send(session, Statement(select(Customer.id).with_for_update()))


@asynccontextmanager
async def api_over(url: str, clock: TestClock) -> AsyncIterator[tuple[Api, list[str]]]:
    """Yields the API over the database at `url`, and the SQLSTATEs that caused a retry."""
    database = Database(url)
    tried_again: list[str] = []
    database.on_retry.append(tried_again.append)
    transport = httpx.ASGITransport(create_app(database, clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client), tried_again
    await database.close()


async def test_a_commit_that_nobody_hears_of_and_a_key(database_url: str, sessions: Sessions, clock: TestClock) -> None:
    async with Proxy(database_url) as proxy, api_over(proxy.url, clock) as (api, tried_again):
        made(await create(api))
        proxy.cut_after_commit = True

        customer_id = made(await create(api, "key"))

        assert proxy.cuts == 1
        assert len(tried_again) == 1
        assert await count(sessions, Customer) == 2
        assert made(await create(api)) != customer_id


async def test_an_outcome_that_was_unknown_once_stays_so(database_url: str) -> None:
    tries = 0
    async with Proxy(database_url) as proxy:
        database = Database(proxy.url)

        async def change(session: AsyncSession) -> None:
            nonlocal tries
            tries += 1
            if tries > 1:
                raise ConnectionRefusedError
            await session.execute(text("SELECT 1"))
            proxy.cut_after_commit = True

        with pytest.raises(OutcomeUnknown):
            await database.change(change, repeatable=True)
        await database.close()
    assert tries == 2


async def test_a_commit_that_nobody_hears_of_without_a_key(
    database_url: str, sessions: Sessions, clock: TestClock
) -> None:
    async with Proxy(database_url) as proxy, api_over(proxy.url, clock) as (api, tried_again):
        made(await create(api))
        proxy.cut_after_commit = True

        answer = await create(api)

        assert code(answer) == (200, "UNAVAILABLE")
        assert "may have been applied" in answer.json()["errors"][0]["message"]
        assert tried_again == []
        assert await count(sessions, Customer) == 2


async def test_a_commit_that_did_not_come_and_a_key(
    api: Api, sessions: Sessions, database_url: str, tried_again: list[str]
) -> None:
    await fault(database_url, CUT_OFF, times=1, at_commit=True)

    made(await create(api, "key"))

    assert tried_again == ["08003"]
    assert await count(sessions, Customer) == 1


async def test_a_commit_that_did_not_come_without_a_key(
    api: Api, sessions: Sessions, database_url: str, tried_again: list[str]
) -> None:
    await fault(database_url, CUT_OFF, times=1, at_commit=True)

    assert code(await create(api)) == (200, "UNAVAILABLE")

    assert tried_again == []
    assert await count(sessions, Customer) == 0


@pytest.mark.parametrize("then", [failing_with("40P01"), CUT_OFF])
@pytest.mark.parametrize("at_commit", [False, True])
async def test_renewals_go_on(
    api: Api,
    database: Database,
    database_url: str,
    clock: TestClock,
    tried_again: list[str],
    then: str,
    at_commit: bool,
) -> None:
    plan_id = await api.a_plan(interval="DAY", intervalCount=1)
    for _ in range(3):
        await api.a_subscription(plan_id=plan_id)
    # More periods than one run bills.
    clock.forward(days=20)
    await fault(database_url, then, on="INSERT ON billing_periods", times=1, at_commit=at_commit)

    reports = [await run(database, clock), await run(database, clock)]

    assert [(report.renewed, report.failed, report.invoices) for report in reports] == [(3, 0, 36), (3, 0, 24)]
    assert len(tried_again) == 1
    assert await count(database.sessions, Invoice) == 3 * 21
    await assert_sound(database)


ADVANCE = """
    mutation ($id: ID!) { advanceTestClock(input: {id: $id, to: "2026-03-15T00:00:00Z", idempotencyKey: "key"}) {
      testClock { status frozenAt customers { nodes { invoices { totalCount } } } }
      userErrors { code }
    } }
"""


async def a_clock_with_a_subscription(api: Api) -> str:
    made = await api.mutate("createTestClock", "testClock { id }", frozenAt="2026-01-31T00:00:00Z")
    clock_id = str(made["testClock"]["id"])
    plan_id = await api.a_plan(interval="MONTH", intervalCount=1)
    await api.a_subscription(await api.a_customer(testClockId=clock_id), plan_id)
    return clock_id


def clock_of(answer: httpx.Response) -> tuple[str, str, int]:
    """Asserts that there are no errors. Returns the clock's status and time, and its customer's number of invoices."""
    assert answer.status_code == 200, answer.json()
    assert "errors" not in answer.json(), answer.json()
    clock = answer.json()["data"]["advanceTestClock"]["testClock"]
    return clock["status"], clock["frozenAt"], clock["customers"]["nodes"][0]["invoices"]["totalCount"]


async def test_a_test_clock_that_cannot_be_sent_is_refused(api: Api, database_url: str) -> None:
    clock_id = await a_clock_with_a_subscription(api)
    await fault(database_url, failing_with("53100"), on="UPDATE ON test_clocks")

    assert code(await api.post(ADVANCE, id=clock_id)) == (503, "UNAVAILABLE")

    [clock] = (await api("{ testClocks { nodes { status frozenAt } } }"))["testClocks"]["nodes"]
    assert clock == {"status": "READY", "frozenAt": "2026-01-31T00:00:00Z"}


@pytest.mark.parametrize("at_commit", [False, True])
async def test_a_test_clock_that_was_sent_waits_for_the_database(
    api: Api, database: Database, database_url: str, at_commit: bool
) -> None:
    """The advance was stored before the failure: the client sees it in progress instead of rejected."""
    clock_id = await a_clock_with_a_subscription(api)
    await fault(database_url, failing_with("53100"), on="INSERT ON billing_periods", times=2, at_commit=at_commit)

    answers = [clock_of(await api.post(ADVANCE, id=clock_id)) for _ in range(3)]

    assert answers == [
        *[("ADVANCING", "2026-01-31T00:00:00Z", 1)] * 2,
        ("READY", "2026-03-15T00:00:00Z", 2),
    ]
    await assert_sound(database)


async def until_waiting(connection: asyncpg.Connection, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(BACKENDS_WAITING) < number:
            await asyncio.sleep(0.02)
            # Within a transaction, PostgreSQL keeps returning the first snapshot of the statistics.
            await connection.execute("SELECT pg_stat_clear_snapshot()")
