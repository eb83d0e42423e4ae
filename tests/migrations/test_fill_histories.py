"""The histories that a migration derives for existing subscriptions equal those that servers record from then on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from billing.changes import ChangeMode, ChangeRequest
from billing.enums import PlanInterval, RunTrigger
from billing.ids import CustomerId, PlanId, SubscriptionId
from billing.subscribing import SubscriptionRequest
from db.database import Database, single_connection
from services.customers import create_customer
from services.plans import create_plan
from services.runs import run_renewals
from services.subscriptions import change_subscription, create_subscription
from tests.migrations.test_schema import alembic

JUNE = datetime(2025, 6, 1, 9, 30, tzinfo=UTC)
NAMES = ("ada", "bob", "cyd", "dan", "eve", "fay", "gil", "hal", "ivy", "jim", "kim")

HISTORIES = {
    "periods": """
        SELECT c.name, p.ordinal, p.changed_at FROM billing_periods AS p JOIN customers AS c ON c.id = p.customer_id
        ORDER BY 1, 2
    """,
    "trials": """
        SELECT c.name, p.code, t.started_at FROM trials AS t
        JOIN customers AS c ON c.id = t.customer_id JOIN plans AS p ON p.id = t.plan_id
        ORDER BY 1, 2
    """,
    "keys": "SELECT name, email_key FROM customers ORDER BY 1",
}


async def histories(url: str) -> dict[str, list[Any]]:
    async with single_connection(url) as connection:
        return {name: [tuple(row) for row in await connection.execute(text(sql))] for name, sql in HISTORIES.items()}


async def live(database: Database) -> None:
    """Creates subscriptions with different histories. Ada changes her plan in June, Bob at the end of June, Cyd to a
    yearly plan, Dan during his trial, Eve never.

    Fay changes to a yearly plan as of an earlier day. Gil does so too, after a change on a later day. Hal changes to
    a weekly plan, with some weeks already over. Ivy changes to a yearly plan and changes the quantity on the same
    day, Jim changes twice, and Kim changes when the next month is due.
    """
    async with database.sessions.begin() as session:
        plans: dict[str, PlanId] = {}
        for code, amount, interval, trial_days in (
            ("pro", 1000, PlanInterval.MONTH, 0),
            ("team", 3000, PlanInterval.MONTH, 0),
            ("year", 9000, PlanInterval.YEAR, 0),
            ("week", 300, PlanInterval.WEEK, 0),
            ("tryout", 2000, PlanInterval.MONTH, 20),
            ("other", 2500, PlanInterval.MONTH, 20),
        ):
            made = await create_plan(
                session,
                code=code,
                name=code,
                amount_cents=amount,
                currency="EUR",
                interval=interval,
                trial_days=trial_days,
                now=JUNE,
            )
            assert made.plan_id is not None
            plans[code] = made.plan_id
        subscriptions: dict[str, SubscriptionId] = {}
        for name in NAMES:
            first = "tryout" if name == "dan" else "pro"
            local = {"ada": "groß", "cyd": "ﬁne"}.get(name, name)
            customer = await create_customer(session, name=name, email=f"{local}@Bücher.example", now=JUNE)
            assert customer.customer_id is not None
            outcome = await create_subscription(
                session,
                SubscriptionRequest(plans[first]),
                customer_id=CustomerId(customer.customer_id),
                now=JUNE,
            )
            assert outcome.subscription_id is not None
            subscriptions[name] = outcome.subscription_id
    for name, changed_on, to, quantity, mode, as_of in (
        ("ada", 15, "team", None, ChangeMode.IMMEDIATE, None),
        ("bob", 15, "team", None, ChangeMode.PERIOD_END, None),
        ("cyd", 15, "year", None, ChangeMode.IMMEDIATE, None),
        ("dan", 15, "other", None, ChangeMode.IMMEDIATE, None),
        ("fay", 15, "year", None, ChangeMode.IMMEDIATE, 10),
        ("gil", 12, None, 2, ChangeMode.IMMEDIATE, 2),
        ("gil", 15, "year", None, ChangeMode.IMMEDIATE, 10),
        ("hal", 15, "week", None, ChangeMode.IMMEDIATE, 1),
        ("ivy", 15, "year", None, ChangeMode.IMMEDIATE, None),
        ("ivy", 15, None, 2, ChangeMode.NONE, None),
        ("jim", 10, None, 2, ChangeMode.NONE, None),
        ("jim", 15, "team", None, ChangeMode.NEXT_INVOICE, None),
        ("kim", 15, "team", None, ChangeMode.PERIOD_END, None),
        ("kim", 31, None, 2, ChangeMode.IMMEDIATE, None),
    ):
        counts_from = None if as_of is None else JUNE + timedelta(days=as_of)
        async with database.sessions.begin() as session:
            await change_subscription(
                session,
                ChangeRequest(plans[to] if to else None, quantity, mode, counts_from),
                subscription_id=subscriptions[name],
                now=JUNE + timedelta(days=changed_on),
            )
    july = JUNE + timedelta(days=31)
    await run_renewals(database, as_of=july, now=july, trigger=RunTrigger.SERVER)


async def test_what_is_filled_in_is_what_would_have_been_written(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    database = Database(empty_database_url)
    try:
        await live(database)
    finally:
        await database.close()
    written = await histories(empty_database_url)

    alembic(empty_database_url, "downgrade", "0004")
    alembic(empty_database_url, "upgrade", "head")

    assert await histories(empty_database_url) == written
    changed = [(name, ordinal) for name, ordinal, changed_at in written["periods"] if changed_at is not None]
    assert changed == [
        *(("ada", 0), ("cyd", 0), ("dan", 0), ("fay", 0), ("gil", 0), ("hal", 0)),
        *(("ivy", 0), ("ivy", 1), ("jim", 0), ("kim", 1)),
    ]
    assert [(name, code) for name, code, _ in written["trials"]] == [("dan", "other"), ("dan", "tryout")]
    assert dict(written["keys"])["ada"] == "groß@xn--bcher-kva.example"


async def add_customers(url: str, *addresses: tuple[str, str]) -> None:
    async with single_connection(url) as connection:
        for number, (email, key) in enumerate(addresses):
            await connection.execute(
                text(
                    """
                    INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, metadata,
                                           version, created_at, updated_at)
                    VALUES (gen_random_uuid(), 'Ada', :email, :key, :prefix, 0, '{}', 1, now(), now())
                    """
                ),
                {"email": email, "key": key, "prefix": f"ADA{number}"},
            )
        await connection.commit()


async def test_an_older_release_finds_addresses_by_its_own_keys(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    await add_customers(empty_database_url, ("GROß@example.com", "groß@example.com"))

    alembic(empty_database_url, "downgrade", "0005")

    async with single_connection(empty_database_url) as connection:
        assert await connection.scalar(text("SELECT email_key FROM customers")) == "gross@example.com"


async def test_addresses_that_an_older_release_takes_for_one_keep_it_from_coming_back(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    await add_customers(
        empty_database_url, ("groß@example.com", "groß@example.com"), ("gross@example.com", "gross@example.com")
    )

    with pytest.raises(AssertionError, match="Two customers have e-mail addresses that revision 0005 treats as equal"):
        alembic(empty_database_url, "downgrade", "0005")
