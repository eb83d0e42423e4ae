"""Adding up the figures beside writers: nothing is counted twice, and nothing is missed."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from billing.ids import CustomerId, PlanId
from billing.subscribing import SubscriptionRequest
from db.access.transactions import Sessions
from db.database import Database
from db.models import DailyFigures, MrrMovement
from db.queries.figures import add_up_next
from services.figures import add_up_figures
from services.subscriptions import create_subscription
from services.verify import snapshot, verify
from tests.support import NOW, Api, TestClock, count, events_settle

FIGURES = """
    { analytics { currencies {
      currency mrrCents activeSubscriptions
      months(first: 1) { newMrrCents endMrrCents invoicedCents collectedCents }
    } } }
"""


async def read(api: Api) -> Any:
    return (await api(FIGURES))["analytics"]["currencies"]


async def monthly(api: Api) -> str:
    return await api.a_plan(amountCents=1000, interval="MONTH", intervalCount=1)


async def is_sound(database: Database) -> bool:
    async with snapshot(database) as session:
        return [check.name for check in await verify(session) if not check.holds] == []


async def watermark(sessions: Sessions) -> int:
    async with sessions() as session:
        return int(await session.scalar(text("SELECT below_xid::text FROM figures_watermark")) or 0)


@pytest.mark.parametrize("rows", [1, 7, 10_000])
async def test_figures_are_the_same_before_and_after_adding_up(
    api: Api, database: Database, clock: TestClock, rows: int
) -> None:
    plan_id = await monthly(api)
    for _ in range(4):
        customer_id = await api.a_customer()
        await api.a_subscription(customer_id, plan_id)
        paid = await api.mutate(
            "recordPayment",
            "payment { id }",
            customerId=customer_id,
            amountCents=1500,
            currency="EUR",
            allowOverpayment=True,
        )
        payment_id = paid["payment"]["id"]
        # Two in the same second: each event reports one of them.
        for cents in (20, 5):
            back = await api.mutate("reversePayment", "payment { id }", id=payment_id, amountCents=cents, reason="No")
            assert back["userErrors"] == []
        refund = await api.mutate("recordRefund", "payment { id }", paymentId=payment_id, amountCents=100)
        assert refund["userErrors"] == []
    before = await read(api)
    await events_settle(database)

    more = True
    while more:
        async with database.sessions.begin() as session:
            more = await add_up_next(session, rows)

    assert before == [
        {
            "currency": "EUR",
            "mrrCents": 4000,
            "activeSubscriptions": 4,
            "months": [
                {"newMrrCents": 4000, "endMrrCents": 4000, "invoicedCents": 4000, "collectedCents": 4 * (1500 - 125)}
            ],
        }
    ]
    assert await read(api) == before
    assert await count(database.sessions, DailyFigures) == 1
    assert await is_sound(database)


async def test_a_transaction_that_was_slow_is_not_missed(api: Api, database: Database, sessions: Sessions) -> None:
    plan_id = await monthly(api)
    slow_customer = await api.a_customer()
    async with sessions.begin() as slow:
        await create_subscription(
            slow,
            request=SubscriptionRequest(PlanId(UUID(plan_id))),
            customer_id=CustomerId(UUID(slow_customer)),
            now=NOW,
        )
        await api.a_subscription(plan_id=plan_id)
        await add_up_figures(database)
        assert (await read(api))[0]["mrrCents"] == 1000
    assert (await read(api))[0]["mrrCents"] == 2000

    await events_settle(database)
    await add_up_figures(database)

    assert (await read(api))[0]["mrrCents"] == 2000
    assert await is_sound(database)


async def test_adding_up_that_is_undone_is_done_again(api: Api, database: Database, sessions: Sessions) -> None:
    await api.a_subscription(plan_id=await monthly(api))
    await events_settle(database)
    with pytest.raises(asyncio.CancelledError):
        async with sessions.begin() as session:
            await add_up_next(session, 100)
            raise asyncio.CancelledError
    assert await count(sessions, DailyFigures) == 0

    await add_up_figures(database)

    assert await count(sessions, DailyFigures) == 1
    assert (await read(api))[0]["mrrCents"] == 1000
    assert await is_sound(database)


async def test_of_two_jobs_one_leaves_it_to_the_other(api: Api, database: Database, sessions: Sessions) -> None:
    await api.a_subscription(plan_id=await monthly(api))
    await events_settle(database)
    async with sessions.begin() as first:
        await add_up_next(first, 100)
        async with sessions.begin() as second:
            assert await add_up_next(second, 100) is False

    assert (await read(api))[0]["mrrCents"] == 1000
    assert await is_sound(database)


async def test_without_news_nothing_is_written(api: Api, database: Database, sessions: Sessions) -> None:
    await api.a_subscription(plan_id=await monthly(api))
    await events_settle(database)
    await add_up_figures(database)
    before = await watermark(sessions)
    async with sessions.begin() as session:
        await session.execute(text("CREATE TABLE unrelated ()"))

    await add_up_figures(database)

    assert before > 0
    assert await watermark(sessions) == before


async def test_readers_beside_writers_and_the_job_see_whole_subscriptions(api: Api, database: Database) -> None:
    plan_id = await monthly(api)
    customers = [await api.a_customer() for _ in range(24)]
    done = asyncio.Event()

    async def write() -> None:
        try:
            await asyncio.gather(*(api.a_subscription(customer_id, plan_id) for customer_id in customers))
        finally:
            done.set()

    async def add_up() -> None:
        while not done.is_set():
            await add_up_figures(database)
            await asyncio.sleep(0.01)

    async def look() -> list[int]:
        seen = []
        while not done.is_set():
            for figures in await read(api):
                [month] = figures["months"]
                assert figures["mrrCents"] == month["endMrrCents"] == month["newMrrCents"] == month["invoicedCents"]
                assert figures["mrrCents"] == 1000 * figures["activeSubscriptions"]
                seen.append(figures["mrrCents"])
        return seen

    _, _, seen = await asyncio.gather(write(), add_up(), look())

    assert seen == sorted(seen)
    assert (await read(api))[0]["mrrCents"] == 24_000
    assert await is_sound(database)


async def test_two_changes_of_a_customer_are_two_movements(api: Api, database: Database, sessions: Sessions) -> None:
    subscription_id = await api.a_subscription(plan_id=await monthly(api))

    both = await asyncio.gather(
        *(
            api.mutate("changeSubscription", "subscription { id }", id=subscription_id, quantity=number)
            for number in (2, 3)
        )
    )

    assert [each["userErrors"] for each in both] == [[], []]
    assert await count(sessions, MrrMovement) == 3
    assert (await read(api))[0]["mrrCents"] in (2000, 3000)
    assert await is_sound(database)
