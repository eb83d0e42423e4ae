"""`billing_events_total`: counts every stored event once by type, regardless of its cause."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from rich.console import Console
from sqlalchemy import select

from billing.enums import EventType
from cli.demo import fill
from db.access.transactions import Sessions
from db.database import Database
from db.models import Customer, Event
from graph.server.app import create_app
from graph.settings import Settings
from tests.cli.conftest import Serve
from tests.faults.database.proxy import Proxy
from tests.faults.database.test_tried_again import CUT_OFF, failing_with, fault
from tests.observability.conftest import Samples, samples, value
from tests.support import PATIENCE_SECONDS, Api, TestClock, count, day, refusal, run

Counts = Counter[str]


@asynccontextmanager
async def counting_api(database: Database, clock: TestClock) -> AsyncIterator[Api]:
    """A server with metrics."""
    app = create_app(database, settings=Settings(metrics=True), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield Api(client)


@pytest.fixture
async def counting(database: Database, clock: TestClock) -> AsyncIterator[Api]:
    async with counting_api(database, clock) as api:
        yield api


def counts_in(found: Samples) -> Counts:
    """Returns the number of counted events by type. Asserts that every type has a sample."""
    figures = {type_: value(found, "events_total", type=type_) for type_ in EventType}
    assert None not in figures.values()
    return +Counter({str(type_): int(figure or 0) for type_, figure in figures.items()})


async def counted(api: Api) -> Counts:
    return counts_in(samples((await api.client.get("/metrics")).text))


async def stored(database: Database) -> Counts:
    """Returns the number of stored events by type."""
    async with database.sessions() as session:
        return Counter(str(type_) for type_ in await session.scalars(select(Event.type)))


CREATE = 'mutation { createCustomer(input: {name: "Ada", email: "%s"}) { userErrors { code } } }'


async def create(api: Api, email: str, **fields: Any) -> httpx.Response:
    return await api.post(
        "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { userErrors { code } } }",
        input={"name": "Ada", "email": email, **fields},
    )


async def test_each_type_has_a_figure_from_the_start(counting: Api) -> None:
    found = samples((await counting.client.get("/metrics")).text)

    assert {labels: figure for (name, labels), figure in found.items() if name == "billing_events_total"} == {
        (("type", str(type_)),): 0.0 for type_ in EventType
    }


async def test_a_cancellation_counts_by_whomever_it_is(counting: Api, database: Database, clock: TestClock) -> None:
    """The cancellations take effect immediately, by a run at the end of the period, and by a mutation after the end."""
    plan = await counting.a_plan()
    at_once, by_run, by_mutation = [await counting.a_customer() for _ in range(3)]
    subscriptions = {
        customer: await counting.a_subscription(customer, plan) for customer in (at_once, by_run, by_mutation)
    }
    steps: list[int] = []

    async def look() -> None:
        found = await counted(counting)
        assert found == await stored(database)
        steps.append(found["SUBSCRIPTION_CANCELED"])

    await look()
    await counting.mutate("cancelSubscription", "subscription { id }", id=subscriptions[at_once], atPeriodEnd=False)
    await look()
    await counting.mutate("cancelSubscription", "subscription { id }", id=subscriptions[by_run], atPeriodEnd=True)
    clock.forward(days=15)
    await run(database, clock)
    await look()
    clock.forward(days=15)
    await run(database, clock)
    await look()
    await counting.mutate("cancelSubscription", "subscription { id }", id=subscriptions[by_mutation], atPeriodEnd=True)
    clock.forward(days=30)
    await counting.a_subscription(by_mutation, plan)
    await look()

    assert steps == [0, 1, 1, 2, 3]


async def test_what_happens_on_a_test_clock_counts(counting: Api, database: Database) -> None:
    made = await counting.mutate("createTestClock", "testClock { id }")
    clock_id = made["testClock"]["id"]
    subscription = await counting.a_subscription(await counting.a_customer(testClockId=clock_id))
    await counting.mutate("cancelSubscription", "subscription { id }", id=subscription, atPeriodEnd=True)
    await counting.mutate("advanceTestClock", "testClock { status }", id=clock_id, to=day(31))

    found = await counted(counting)

    assert found == await stored(database)
    assert {name: found[name] for name in ("SUBSCRIPTION_CANCELED", "TEST_CLOCK_ADVANCED")} == {
        "SUBSCRIPTION_CANCELED": 1,
        "TEST_CLOCK_ADVANCED": 1,
    }


async def test_a_refused_mutation_does_not_count(counting: Api, database: Database, clock: TestClock) -> None:
    """The mutation is rolled back with everything it did before, here the end of the previous subscription."""
    customer, plan = await counting.a_customer(), await counting.a_plan()
    subscription = await counting.a_subscription(customer, plan)
    await counting.mutate("cancelSubscription", "subscription { id }", id=subscription, atPeriodEnd=True)
    await counting.mutate("archivePlan", "plan { id }", id=plan)
    clock.forward(days=30)
    before = await counted(counting)

    refused = await counting.mutate("createSubscription", "subscription { id }", customerId=customer, planId=plan)

    assert refusal(refused) == ("PLAN_ARCHIVED", ["input", "planId"])
    assert await counted(counting) == before == await stored(database)


@pytest.mark.parametrize("at_commit", [False, True])
async def test_what_the_database_refuses_does_not_count(
    counting: Api, database: Database, database_url: str, at_commit: bool
) -> None:
    await fault(database_url, failing_with("23514"), on="INSERT ON events", at_commit=at_commit)

    answer = await create(counting, "ada@example.com")

    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["INTERNAL_SERVER_ERROR"]
    assert await counted(counting) == Counter()
    assert await count(database.sessions, Event, Customer) == 0


@pytest.mark.parametrize("at_commit", [False, True])
@pytest.mark.parametrize("then", [failing_with("40001"), failing_with("40P01"), CUT_OFF])
async def test_what_is_done_again_counts_once(
    counting: Api, database: Database, database_url: str, then: str, at_commit: bool
) -> None:
    again: list[str] = []
    database.on_retry.append(again.append)
    await fault(database_url, then, on="INSERT ON events", times=2, at_commit=at_commit)

    # With an idempotency key, a transaction whose connection was lost at the commit is retried as well.
    answer = await create(counting, "ada@example.com", idempotencyKey="key")

    assert answer.json()["data"] == {"createCustomer": {"userErrors": []}}
    assert len(again) == 2
    assert await counted(counting) == {"CUSTOMER_CREATED": 1} == await stored(database)


async def test_renewals_that_are_done_again_count_once(
    counting: Api, database: Database, database_url: str, clock: TestClock
) -> None:
    plan = await counting.a_plan()
    for _ in range(3):
        await counting.a_subscription(plan_id=plan)
    clock.forward(days=30)
    await fault(database_url, failing_with("40001"), on="INSERT ON events", times=2, at_commit=True)

    report = await run(database, clock)

    found = await counted(counting)
    assert report.renewed == 3
    assert found == await stored(database)
    assert found["SUBSCRIPTION_RENEWED"] == 3


async def test_a_mutation_that_is_sent_again_with_its_key_counts_once(counting: Api, database: Database) -> None:
    for _ in range(3):
        answer = await create(counting, "ada@example.com", idempotencyKey="key")
        assert answer.json()["data"] == {"createCustomer": {"userErrors": []}}

    assert await counted(counting) == {"CUSTOMER_CREATED": 1} == await stored(database)


@pytest.mark.parametrize("key", [{}, {"idempotencyKey": "key"}], ids=["no key", "key"])
async def test_a_commit_that_nobody_hears_of_does_not_count(
    database_url: str, sessions: Sessions, clock: TestClock, key: dict[str, str]
) -> None:
    """The commit may have failed. With an idempotency key it is retried, finds the stored result, and stores no more
    events.
    """
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(database_url))
        database = Database(proxy.url)
        stack.push_async_callback(database.close)
        api = await stack.enter_async_context(counting_api(database, clock))
        await create(api, "ada@example.com")
        proxy.cut_after_commit = True

        answer = await create(api, "bob@example.com", **key)

        assert proxy.cuts == 1
        assert ("errors" in answer.json()) is not bool(key)
        assert await counted(api) == {"CUSTOMER_CREATED": 1}
    assert await count(sessions, Customer) == 2


async def test_several_workers_count_together(serve: Serve, database_url: str, database: Database) -> None:
    """Counts events of mutations, and of renewals that were due before the workers started."""
    weeks_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    await fill(database_url, customers=20, as_of=weeks_ago, console=Console(quiet=True))
    before = await stored(database)
    there = {"DATABASE_URL": database_url, "BILLING_AUTH": "off", "BILLING_METRICS": "on"}
    served = await asyncio.to_thread(serve, "--workers", "2", "--renew-every", "0.2", environment=there)

    async with httpx.AsyncClient(timeout=30) as client:
        for number in range(20):
            created = CREATE % f"{number}@example.com"
            await asyncio.to_thread(served.graphql, created)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = samples((await client.get(f"{served.url}/metrics")).text)
                # Read last, because the metrics may not include events stored in the meantime.
                done = await stored(database) - before
                if value(found, "renewal_lag_seconds") == 0 and counts_in(found) == done:
                    break
                await asyncio.sleep(0.05)

    assert done["CUSTOMER_CREATED"] == 20
    assert done["SUBSCRIPTION_RENEWED"] > 0
