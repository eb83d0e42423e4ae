"""The migrations of the figures on a database with a history."""

from typing import Any

from db.database import Database
from services.ticks import tick
from services.verify import snapshot, verify
from tests.migrations.downgrades import all_rows
from tests.migrations.test_schema import alembic
from tests.support import Api, TestClock, events_settle

BEFORE = "0042"
"""The last revision without figures."""

FIGURES = """
    { analytics { currencies {
      currency mrrCents activeSubscriptions pastDue outstandingCents
      months(first: 4) { month startMrrCents newMrrCents churnedCents endMrrCents invoicedCents collectedCents }
    } } }
"""


async def returned(api: Api, payment_id: str, cents: int) -> None:
    payload = await api.mutate("reversePayment", "payment { id }", id=payment_id, amountCents=cents, reason="No")
    assert payload["userErrors"] == []
    payload = await api.mutate("recordRefund", "payment { id }", paymentId=payment_id, amountCents=2 * cents)
    assert payload["userErrors"] == []


async def fill(api: Api, database: Database, clock: TestClock) -> Any:
    """Lets customers come, pay, get money back, and leave. Returns the figures."""
    plan_id = await api.a_plan(amountCents=1000, interval="MONTH", intervalCount=1)
    leaving = await api.a_subscription(plan_id=plan_id)
    for _ in range(3):
        customer_id = await api.a_customer()
        await api.a_subscription(customer_id, plan_id)
        money = {"amountCents": 4000, "currency": "EUR", "allowOverpayment": True}
        paid = await api.mutate("recordPayment", "payment { id }", customerId=customer_id, **money)
        # Twice in the same second.
        for cents in (10, 3):
            await returned(api, paid["payment"]["id"], cents)
        clock.forward(days=20)
        await tick(database, now=clock.now)
    ended = await api.mutate("cancelSubscription", "subscription { id }", id=leaving, atPeriodEnd=False)
    assert ended["userErrors"] == []
    return await api(FIGURES)


async def test_a_history_is_counted_after_the_upgrade(
    api: Api, database: Database, database_url: str, clock: TestClock
) -> None:
    expected = await fill(api, database, clock)
    await database.close()
    alembic(database_url, "downgrade", BEFORE)

    alembic(database_url, "upgrade", "head")

    rows = await all_rows(database_url, ("reversals", "refunds", "subscriptions"))
    assert all(row["xid"] is not None for table in ("reversals", "refunds") for row in rows[table])
    assert {row["counted_status"] for row in rows["subscriptions"]} == {None}
    # What was collected and invoiced is known at once, and MRR once the subscriptions are counted.
    [figures] = (await api(FIGURES))["analytics"]["currencies"]
    assert [each["collectedCents"] for each in figures["months"]] == [
        each["collectedCents"] for each in expected["analytics"]["currencies"][0]["months"]
    ]
    assert figures["mrrCents"] == 0
    for _ in range(2):
        await events_settle(database)
        await tick(database, now=clock.now)
        assert await api(FIGURES) == expected
    async with snapshot(database) as session:
        assert [check.line() for check in await verify(session) if not check.holds] == []


async def test_the_default_of_new_reversals_is_the_transaction(api: Api, database: Database, database_url: str) -> None:
    customer_id = await api.a_customer()
    money = {"amountCents": 4000, "currency": "EUR", "allowOverpayment": True}
    paid = await api.mutate("recordPayment", "payment { id }", customerId=customer_id, **money)
    await returned(api, paid["payment"]["id"], 10)

    rows = await all_rows(database_url, ("reversals", "refunds", "events"))

    xids = {event["type"]: event["xid"] for event in rows["events"]}
    assert [row["xid"] for row in rows["reversals"]] == [xids["PAYMENT_REVERSED"]]
    assert [row["xid"] for row in rows["refunds"]] == [xids["PAYMENT_REFUNDED"]]
