"""Repairs of rows that servers of the previous release write or omit while they run beside this version."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.access.transactions import Sessions
from db.database import Database
from db.models import Trial
from services.ticks import tick
from tests.graph.test_test_clocks import a_clock
from tests.support import NOW, Api, TestClock, counted_statements, day, read_subscription, refusal, run


async def as_an_older_server(sessions: Sessions, sql: str, **values: Any) -> None:
    """Executes `sql` to turn stored rows into those that an older server would have written."""
    async with sessions.begin() as session:
        await session.execute(text(sql), values)


async def keys(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        return list(await session.scalars(text("SELECT email_key FROM customers ORDER BY created_at, id")))


async def void_first_invoice(api: Api, subscription_id: str) -> str:
    found = await read_subscription(api, subscription_id, "latestInvoice { id }")
    invoice_id = str(found["latestInvoice"]["id"])
    assert (await api.mutate("voidInvoice", "invoice { id }", id=invoice_id))["userErrors"] == []
    return invoice_id


async def test_a_promised_trial_begins_although_the_plan_was_tried_before(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    first, second = [await api.a_plan(code=code, trialDays=14) for code in ("first", "second")]
    customer_id = await api.a_customer()
    tried_in = await api.a_subscription(customer_id, first)
    await api.mutate("cancelSubscription", "subscription { id }", id=tried_in, atPeriodEnd=False)
    subscription_id = await api.a_subscription(customer_id, second, startAt=day(5))
    # The server that promised this trial did not know of an earlier one, which the migration has added.
    async with sessions.begin() as session:
        session.add(Trial(customer_id=customer_id, plan_id=second, subscription_id=tried_in, started_at=NOW))
    clock.forward(days=5)

    await run(database, clock)

    found = await read_subscription(api, subscription_id, "status trialEnd billingHold { reason }")
    assert found == {"status": "TRIALING", "trialEnd": day(19), "billingHold": None}
    async with sessions() as session:
        kept = await session.get_one(Trial, (customer_id, second))
    assert str(kept.subscription_id) == tried_in


@pytest.mark.parametrize("ticks", [0, 1])
async def test_a_trial_that_an_older_server_changed_to_is_the_only_one_of_its_plan(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, ticks: int
) -> None:
    first, second = [await api.a_plan(code=code, trialDays=14) for code in ("first", "second")]
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, first)
    changed = await api.mutate(
        "changeSubscription", "subscription { id }", id=subscription_id, planId=second, mode="IMMEDIATE"
    )
    assert changed["userErrors"] == []
    await as_an_older_server(sessions, "DELETE FROM trials")
    for _ in range(ticks):
        await tick(database, now=clock.now)
        # A later change overwrites the time at which the second plan took effect.
        clock.forward(days=15)
        await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, quantity=2, mode="NONE")
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)

    refused = await api.mutate(
        "createSubscription", "subscription { id }", customerId=customer_id, planId=second, trialDays=3
    )

    assert refusal(refused) == ("TRIAL_ALREADY_USED", ["input", "trialDays"])


async def test_a_period_that_an_older_server_changed_is_not_billed_again(
    api: Api, sessions: Sessions, clock: TestClock
) -> None:
    monthly, free = [await api.a_plan(amountCents=amount, interval="MONTH") for amount in (1000, 0)]
    subscription_id = await api.a_subscription(plan_id=monthly)
    invoice_id = await void_first_invoice(api, subscription_id)
    clock.forward(days=10)
    changed = await api.mutate(
        "changeSubscription", "subscription { id }", id=subscription_id, planId=free, mode="IMMEDIATE"
    )
    assert changed["userErrors"] == []
    await as_an_older_server(sessions, "UPDATE billing_periods SET changed_at = NULL")

    reissued = await api.mutate("reissueInvoice", "invoice { id }", id=invoice_id)

    assert refusal(reissued) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])


async def test_a_new_period_that_began_in_the_past_is_billed_again(api: Api, clock: TestClock) -> None:
    monthly, yearly = [await api.a_plan(amountCents=9000, interval=interval) for interval in ("MONTH", "YEAR")]
    subscription_id = await api.a_subscription(plan_id=monthly)
    clock.forward(days=10)
    await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, planId=yearly, asOf=day(5))
    invoice_id = await void_first_invoice(api, subscription_id)

    reissued = await api.mutate("reissueInvoice", "invoice { periodStart }", id=invoice_id)

    assert reissued["invoice"] == {"periodStart": day(5)}


async def test_a_key_that_an_older_server_wrote_is_renewed(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    created = await api.a_customer(email="groß@example.com")
    updated = await api.a_customer()
    await api.mutate("updateCustomer", "customer { id }", id=updated, email="ﬁne@Bücher.example")
    older = {"groß@example.com": "gross@example.com", "ﬁne@bücher.example": "fine@xn--bcher-kva.example"}
    for email, key in older.items():
        await as_an_older_server(
            sessions, "UPDATE customers SET email_key = :key WHERE email = :email", key=key, email=email
        )
    assert await keys(sessions) == list(older.values())

    await tick(database, now=clock.now)

    assert await keys(sessions) == ["groß@example.com", "ﬁne@xn--bcher-kva.example"]
    found = [
        (await api("query ($email: String!) { customerByEmail(email: $email) { id version } }", email=email))
        for email in ("gross@example.com", "GROß@example.com")
    ]
    assert found == [{"customerByEmail": None}, {"customerByEmail": {"id": created, "version": 1}}]


async def test_a_key_that_another_customer_has_by_now_is_logged(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = await api.a_customer(email="groß@example.com")
    await as_an_older_server(sessions, "UPDATE customers SET email_key = 'gross@example.com'")
    await api.a_customer(email="groß@example.com")

    with caplog.at_level(logging.WARNING):
        await tick(database, now=clock.now)

    assert await keys(sessions) == ["gross@example.com", "groß@example.com"]
    [record] = [record for record in caplog.records if record.name == "billing.repairs"]
    assert first in record.getMessage()
    assert "groß" not in record.getMessage()


async def test_a_payment_that_an_older_server_recorded_gets_its_test_clock(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    clock_id = await a_clock(api)
    on_clock, in_real_time = await api.a_customer(testClockId=clock_id), await api.a_customer()
    payments = [await a_payment(api, customer_id) for customer_id in (on_clock, on_clock, in_real_time)]
    await as_an_older_server(sessions, "UPDATE payments SET test_clock_id = NULL")
    query = """query ($clock: ID!) { world: payments { nodes { id } }
      clock: payments(filter: {testClockId: $clock}) { nodes { id testClock { id } } } }"""

    with caplog.at_level(logging.INFO):
        await tick(database, now=clock.now)

    found = await api(query, clock=clock_id)
    assert found["world"]["nodes"] == [{"id": payments[2]}]
    assert found["clock"]["nodes"] == [{"id": each, "testClock": {"id": clock_id}} for each in payments[:2]]
    [record] = [record for record in caplog.records if record.name == "billing.repairs"]
    assert record.facts == {"trials": 0, "payments": 2, "keys": 0, "copies": 0, "counted": 0}  # type: ignore[attr-defined]


async def a_payment(api: Api, customer_id: str) -> str:
    recorded = await api.mutate(
        "recordPayment",
        "payment { id }",
        customerId=customer_id,
        amountCents=700,
        currency="EUR",
        allowOverpayment=True,
    )
    assert recorded["userErrors"] == []
    return str(recorded["payment"]["id"])


async def test_copies_of_live_subscriptions_that_an_older_server_left_out_are_written(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    first, second = [await api.a_plan(code=code) for code in ("first", "second")]
    created, changed, canceled = [await api.a_customer() for _ in range(3)]
    subscriptions = [await api.a_subscription(customer, first) for customer in (created, changed, canceled)]
    await as_an_older_server(
        sessions,
        "UPDATE customers SET subscription_status = NULL, subscription_plan_id = NULL WHERE id = :id",
        id=created,
    )
    await api.mutate("changeSubscription", "subscription { id }", id=subscriptions[1], planId=second, mode="IMMEDIATE")
    await api.mutate("cancelSubscription", "subscription { id }", id=subscriptions[2], atPeriodEnd=False)
    await as_an_older_server(
        sessions,
        "UPDATE customers SET subscription_status = 'ACTIVE', subscription_plan_id = :first WHERE id <> :created",
        first=first,
        created=created,
    )

    await tick(database, now=clock.now)

    async with sessions() as session:
        rows = await session.execute(
            text("SELECT id, subscription_status, subscription_plan_id, version FROM customers ORDER BY id")
        )
        found = [(str(id_), status, str(plan_id), version) for id_, status, plan_id, version in rows]
    assert found == [
        (created, "ACTIVE", first, 2),
        (changed, "ACTIVE", second, 2),
        (canceled, None, "None", 2),
    ]


async def test_where_nothing_was_left_out_a_tick_writes_nothing(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = [await api.a_plan(code=code, trialDays=14) for code in ("first", "second")]
    subscription_id = await api.a_subscription(await api.a_customer(email="groß@example.com"), first)
    await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, planId=second, mode="IMMEDIATE")
    for customer_id in (await api.a_customer(testClockId=await a_clock(api)), await api.a_customer()):
        await a_payment(api, customer_id)
    before = await xmins(sessions)

    with caplog.at_level(logging.INFO), counted_statements(database) as statements:
        await tick(database, now=clock.now)

    assert await xmins(sessions) == before
    assert [record for record in caplog.records if record.name == "billing.repairs"] == []
    # One statement looks for trials, one for copies of live subscriptions.
    assert sum("SUBSCRIPTION_CHANGED" in sql for sql in statements.texts) == 2


async def xmins(sessions: Sessions) -> list[list[str]]:
    """Returns the ids of the transactions that last wrote the rows of each table."""
    async with sessions() as session:
        return [
            sorted(await session.scalars(text(f"SELECT xmin::text FROM {table}")))
            for table in ("trials", "customers", "payments")
        ]


MRR = "{ analytics { currencies { mrrCents activeSubscriptions months(first: 3) { newMrrCents churnedCents } } } }"


async def test_subscriptions_that_an_older_server_stored_are_counted(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    monthly = await api.a_plan(amountCents=1000, interval="MONTH", intervalCount=1)
    customer_id = await api.a_customer()
    ended = await api.a_subscription(customer_id, monthly)
    clock.forward(days=20)
    await tick(database, now=clock.now)
    await api.mutate("cancelSubscription", "subscription { id }", id=ended, atPeriodEnd=False)
    clock.forward(days=20)
    await api.a_subscription(customer_id, monthly, quantity=2)
    await api.a_subscription(plan_id=await api.a_plan(trialDays=5))
    expected = await api(MRR)
    await as_an_older_server(sessions, "DELETE FROM mrr_movements")
    await as_an_older_server(sessions, "DELETE FROM daily_figures")
    await as_an_older_server(sessions, "UPDATE figures_watermark SET below_xid = '0'")
    await as_an_older_server(sessions, "UPDATE subscriptions SET mrr_cents = NULL, counted_status = NULL")

    await tick(database, now=clock.now)

    assert await api(MRR) == expected
    assert expected["analytics"]["currencies"] == [
        {
            "mrrCents": 2000,
            "activeSubscriptions": 1,
            "months": [
                {"newMrrCents": 1000, "churnedCents": 0},
                {"newMrrCents": 0, "churnedCents": 1000},
                {"newMrrCents": 0, "churnedCents": 0},
            ],
        }
    ]


async def test_an_end_that_an_older_server_stored_is_counted(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    monthly = await api.a_plan(amountCents=1000, interval="MONTH", intervalCount=1)
    subscription_id = await api.a_subscription(plan_id=monthly)
    await as_an_older_server(
        sessions,
        """
        UPDATE subscriptions
        SET status = 'CANCELED', canceled_at = :at, ended_at = :at, next_billing_at = NULL
        WHERE id = :id
        """,
        id=subscription_id,
        at=NOW + timedelta(days=1),
    )
    clock.forward(days=3)

    await tick(database, now=clock.now)

    found = (await api(MRR))["analytics"]["currencies"]
    assert (found[0]["mrrCents"], found[0]["activeSubscriptions"]) == (0, 0)
    assert found[0]["months"][1:] == [
        {"newMrrCents": 1000, "churnedCents": 0},
        {"newMrrCents": 0, "churnedCents": 1000},
    ]


async def test_a_change_finds_a_subscription_that_was_never_counted(api: Api, sessions: Sessions) -> None:
    monthly = await api.a_plan(amountCents=1000, interval="MONTH", intervalCount=1)
    subscription_id = await api.a_subscription(plan_id=monthly)
    await as_an_older_server(sessions, "DELETE FROM mrr_movements")
    await as_an_older_server(sessions, "UPDATE subscriptions SET mrr_cents = NULL, counted_status = NULL")

    await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, quantity=3)

    assert (await api(MRR))["analytics"]["currencies"][0]["mrrCents"] == 3000
    async with sessions() as session:
        rows = await session.execute(text("SELECT mrr_cents, new_cents FROM mrr_movements ORDER BY sequence"))
        assert [tuple(row) for row in rows] == [(1000, 1000), (2000, 2000)]
