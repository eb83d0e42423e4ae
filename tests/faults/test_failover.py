"""A database of two servers: which one is used, and what happens when the primary is lost."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.database import single_connection
from tests.conftest import execute, folder_of_postgres
from tests.faults.database.postgres import Postgres
from tests.faults.processes import until
from tests.support import Api, api_over

CREATE = "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } } }"
ALL_IN_ONE = "postgresql://billing@/billing?host={}&host={}"


@pytest.fixture
def primary(data_dir: Path) -> Iterator[Postgres]:
    postgres = Postgres(data_dir)
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture
def standby(primary: Postgres) -> Iterator[Postgres]:
    """A synchronous standby: the primary confirms a commit once the standby has stored it."""
    postgres = primary.standby(folder_of_postgres())
    postgres.start()
    primary.stop()
    primary.configure(synchronous_standby_names="*")
    primary.start()
    yield postgres
    postgres.stop()


async def test_the_primary_is_used_wherever_it_stands(primary: Postgres, standby: Postgres) -> None:
    for first, second in ((primary, standby), (standby, primary)):
        async with api_over(ALL_IN_ONE.format(first.sockets, second.sockets)) as (api, _):
            ready = await api.client.get("/ready")

            assert ready.json() == {"ready": True}
            assert await api.a_customer()


async def test_a_server_on_a_standby_is_ready_only_if_that_was_asked_for(primary: Postgres, standby: Postgres) -> None:
    async with api_over(primary.url) as (api, _):
        await api.a_customer(name="Ada")
    async with api_over(standby.url) as (api, _):
        ready = await api.client.get("/ready")
        refused = await api.post(CREATE, input={"name": "Ada", "email": "ada@example.com"})
    async with api_over(f"{standby.url}&target_session_attrs=any") as (api, _):
        asked_for = await api.client.get("/ready")

        async def has_replayed() -> bool:
            return bool((await api("{ customers { nodes { name } } }"))["customers"]["nodes"] == [{"name": "Ada"}])

        await until(has_replayed)

    assert (ready.status_code, ready.json()) == (503, {"ready": False, "reason": "database is read-only"})
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
    assert asked_for.json() == {"ready": True}


async def test_no_acknowledged_mutation_is_lost_with_the_primary(
    primary: Postgres, standby: Postgres, record_testsuite_property: Callable[[str, object], None]
) -> None:
    acknowledged: list[str] = []
    refusals: list[str] = []
    lost_at = 0.0
    first_after = 0.0
    enough = asyncio.Event()

    async def create(api: Api) -> None:
        nonlocal first_after
        while not enough.is_set():
            fields = {"name": "Ada", "email": f"{uuid4().hex}@example.com", "idempotencyKey": uuid4().hex}
            began = time.monotonic()
            done = False
            while not done:
                answer = await api.post(CREATE, input=fields)
                data = answer.json().get("data")
                # It is null, too, if the customer was stored but could not be read.
                done = bool(data and (data["createCustomer"] or {}).get("customer"))
                if not done:
                    refusals.append(answer.json()["errors"][0]["extensions"]["code"])
            acknowledged.append(data["createCustomer"]["customer"]["id"])
            if lost_at and began > lost_at and not first_after:
                first_after = time.monotonic()

    async def more_than(count: int) -> bool:
        return len(acknowledged) > count

    async with api_over(ALL_IN_ONE.format(primary.sockets, standby.sockets)) as (api, _):
        creating = [asyncio.create_task(create(api)) for _ in range(8)]
        await until(lambda: more_than(100))
        primary.lose()
        lost_at = time.monotonic()
        await execute(standby.url, "SELECT pg_promote()")
        before = len(acknowledged)
        await until(lambda: more_than(before + 100))
        enough.set()
        await asyncio.gather(*creating)
        ready = await api.client.get("/ready")

    async with single_connection(standby.url) as connection:
        stored = set((await connection.scalars(text("SELECT id::text FROM customers"))).all())
    assert len(acknowledged) == len(set(acknowledged))
    assert set(acknowledged) <= stored
    # Nothing is stored twice: a client that got no answer sent the same idempotency key again.
    assert len(stored) == len(acknowledged)
    assert set(refusals) <= {"UNAVAILABLE"}
    assert ready.json() == {"ready": True}
    record_testsuite_property("seconds from the loss to the first acknowledgement", round(first_after - lost_at, 2))
