"""The mutation that fills an empty database with demo data."""

import asyncio

from db.database import Database
from db.models import Customer, Invoice, Plan
from services.ticks import tick
from services.verify import snapshot, verify
from tests.support import Api, TestClock, count, refusal

MONTHS = """
    { analytics { currencies {
      currency mrrCents activeSubscriptions trialing pastDue
      months(first: 24) { startMrrCents newMrrCents churnedCents endMrrCents invoicedCents collectedCents }
    } } }
"""


async def test_an_empty_database_is_filled_with_a_history(api: Api, database: Database, clock: TestClock) -> None:
    made = await api.mutate("createDemoData", "customers")

    assert made == {"customers": 40, "userErrors": []}
    assert await count(database.sessions, Customer) == 40
    currencies = (await api(MONTHS))["analytics"]["currencies"]
    assert [each["currency"] for each in currencies] == ["EUR", "JPY", "USD"]
    for figures in currencies:
        months = figures["months"]
        assert figures["mrrCents"] == months[-1]["endMrrCents"] > 0
        assert sum(month["newMrrCents"] > 0 for month in months) > 2, "customers came over time"
        assert sum(month["invoicedCents"] > 0 for month in months) > 6
    assert sum(month["churnedCents"] > 0 for figures in currencies for month in figures["months"][:-1]) > 1
    await tick(database, now=clock.now)
    assert (await api(MONTHS))["analytics"]["currencies"] == currencies
    async with snapshot(database) as session:
        assert [check.line() for check in await verify(session) if not check.holds] == []


async def test_demo_data_is_only_for_an_empty_database(api: Api, database: Database) -> None:
    await api.a_plan()

    assert refusal(await api.mutate("createDemoData", "customers")) == ("DATABASE_NOT_EMPTY", None)
    assert await count(database.sessions, Plan, Invoice) == 1


async def test_demo_data_has_a_limit(api: Api, database: Database) -> None:
    for number in (0, 201):
        refused = await api.mutate("createDemoData", "customers", customers=number)
        assert refusal(refused) == ("INVALID_INPUT", ["input", "customers"])
    assert await count(database.sessions, Plan) == 0


async def test_of_two_at_the_same_time_one_fills_it(api: Api, database: Database) -> None:
    both = await asyncio.gather(*(api.mutate("createDemoData", "customers", customers=5) for _ in range(2)))

    assert sorted(len(each["userErrors"]) for each in both) == [0, 1]
    assert await count(database.sessions, Customer) == 5
