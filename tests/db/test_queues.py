"""Who waits for a customer's lock keeps nobody else waiting, and comes to the turn in order."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

import db.database
from db.access import queues
from db.database import Database
from db.driver.errors import Overloaded
from db.queries.locks import lock_customer
from db.settings import DatabaseSettings
from tests.faults.locks import are_waiting, lock
from tests.faults.processes import until
from tests.support import Api

WAITING = 40
PAYMENT = {"amountCents": 100, "currency": "EUR", "method": "CASH", "allowOverpayment": True}


async def in_queue(database: Database, number: int) -> bool:
    return sum(map(len, database._queues.waiting.values())) == number


async def half_is_free(database: Database) -> bool:
    pool = database.pools["work"]
    return pool.checkedout() <= pool.size() // 2


async def test_many_who_wait_for_one_customer_leave_half_of_the_connections_to_others(
    database: Database, database_url: str, api: Api
) -> None:
    busy = await api.a_customer()
    others = [await api.a_customer() for _ in range(40)]

    async with lock(database_url, busy):
        waiting = [
            asyncio.create_task(api.mutate("updateCustomer", "customer { name }", id=busy, name=f"Ada {number}"))
            for number in range(WAITING)
        ]
        await until(lambda: in_queue(database, WAITING), what="all wait in the queue")
        await until(lambda: are_waiting(database, 1), what="the first waits for the lock")
        await until(lambda: half_is_free(database), what="half of the connections are free")
        paid: Sequence[Any] = await asyncio.gather(
            *(api.mutate("recordPayment", "payment { amountCents }", customerId=other, **PAYMENT) for other in others)
        )
        assert paid == [{"payment": {"amountCents": 100}, "userErrors": []}] * 40
        assert await in_queue(database, WAITING)

    answers = await asyncio.gather(*waiting)
    found = await api("query ($id: ID!) { customer(id: $id) { version } }", id=busy)
    assert [answer["userErrors"] for answer in answers] == [[]] * WAITING
    assert found["customer"]["version"] == 1 + WAITING
    assert database._queues.waiting == {}


async def test_who_comes_first_is_served_first(database: Database, database_url: str, api: Api) -> None:
    customer: Any = await api.a_customer()
    served: list[int] = []

    async def change(number: int) -> None:
        async def take(session: Any) -> None:
            await lock_customer(session, customer)
            served.append(number)

        await database.change(take)

    async with lock(database_url, customer):
        waiting = []
        for number in range(10):
            waiting.append(asyncio.create_task(change(number)))
            await until(partial(in_queue, database, number + 1), what="it is in the queue")
    await asyncio.gather(*waiting)

    assert served == list(range(10))


async def test_the_first_of_many_queues_leave_connections_as_well(database_url: str, api: Api) -> None:
    database = Database(database_url, DatabaseSettings(pool_size=4))
    customers: list[Any] = [await api.a_customer() for _ in range(6)]

    async def change(customer: Any) -> None:
        await database.change(lambda session: lock_customer(session, customer))

    async with lock(database_url, *customers):
        waiting = [asyncio.create_task(change(customer)) for customer in customers for _ in range(2)]
        await until(lambda: in_queue(database, 12), what="all wait")
        await until(lambda: are_waiting(database, 2), what="two wait in the database")
        assert database.pools["work"].checkedout() == 2
    await asyncio.gather(*waiting)
    assert database.pools["work"].checkedout() == 0
    await database.close()


async def test_who_gives_up_lets_the_next_one_come(database: Database, database_url: str, api: Api) -> None:
    customer: Any = await api.a_customer()

    async with lock(database_url, customer):
        waiting = [
            asyncio.create_task(database.change(lambda session: lock_customer(session, customer))) for _ in range(4)
        ]
        await until(lambda: in_queue(database, 4), what="all wait")
        for task in (waiting[0], waiting[2]):
            task.cancel()
        await until(lambda: in_queue(database, 2), what="two have left")
    await asyncio.gather(waiting[1], waiting[3])
    assert database._queues.waiting == {}


async def test_a_queue_that_is_full_turns_others_away(
    database: Database, database_url: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MAX_IN_QUEUE", 2)
    customer: Any = await api.a_customer()

    async with lock(database_url, customer):
        waiting = [
            asyncio.create_task(database.change(lambda session: lock_customer(session, customer))) for _ in range(2)
        ]
        await until(lambda: in_queue(database, 2), what="both wait")
        with pytest.raises(Overloaded):
            await database.change(lambda session: lock_customer(session, customer))
    await asyncio.gather(*waiting)


async def test_who_may_go_on_does_not_wait_for_those_who_may_not(database_url: str, api: Api) -> None:
    database = Database(database_url, DatabaseSettings(pool_size=2))
    held: list[Any] = [await api.a_customer() for _ in range(2)]
    free: Any = await api.a_customer()

    async def change(customer: Any) -> None:
        await database.change(lambda session: lock_customer(session, customer))

    async with lock(database_url, *held):
        waiting = [asyncio.create_task(change(customer)) for customer in held]
        await until(lambda: are_waiting(database, 1), what="one waits in the database")
        await asyncio.gather(*(change(free) for _ in range(4)))
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)
    assert database._queues.waiting == {}
    await database.close()


async def test_a_lock_that_is_not_to_be_had_is_told_as_such(
    database_url: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.database, "CHANGE_TIMEOUT_SECONDS", 2)
    database = Database(database_url, DatabaseSettings(lock_timeout_ms=300))
    customer: Any = await api.a_customer()

    async with lock(database_url, customer):
        answers = await asyncio.gather(
            *(database.change(lambda session: lock_customer(session, customer)) for _ in range(3)),
            return_exceptions=True,
        )
    assert [type(answer) for answer in answers] == [Overloaded] * 3
    await database.change(lambda session: lock_customer(session, customer))
    await database.close()
