"""The tables: models and migrations agree, and the database rejects invalid rows."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, make_url, text, update
from sqlalchemy.exc import DBAPIError, StatementError

from billing import enums as values
from billing.subscribing import SubscriptionRequest
from cli.failures import line_of
from db.access.transactions import Sessions
from db.database import Database, single_connection
from db.driver.errors import violated_constraint
from db.embedded import EmbeddedPostgres
from db.migrations import (
    MIGRATION_LOCK,
    ExtensionMissingError,
    UnknownRevisionError,
    current_revision,
    head_revision,
    migrate,
)
from db.models import Base, BillingPeriod, Customer, Invoice, InvoiceLine, Subscription
from services.subscriptions import create_subscription
from tests.conftest import execute
from tests.support import NOW, PATIENCE_SECONDS, a_customer, a_plan, stored

ROOT = Path(__file__).parents[2]

CATALOGUE = """
    SELECT 'column', table_name, column_name,
           concat_ws(' ', data_type, character_maximum_length, collation_name, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    ORDER BY 1, 2, 3
"""


async def catalogue(url: str) -> list[tuple[str, ...]]:
    """Returns all columns, constraints and indexes as PostgreSQL describes them."""
    async with single_connection(url) as connection:
        rows = (tuple(map(str, row)) for row in await connection.execute(text(CATALOGUE)))
        return [row for row in rows if row[1] != "alembic_version"]


async def test_the_migrations_make_what_the_models_say(database_url: str, empty_database_url: str) -> None:
    def create_all(connection: Connection) -> None:
        Base.metadata.create_all(connection)

    async with single_connection(empty_database_url) as connection:
        await connection.run_sync(create_all)
        await connection.commit()

    made, said = await catalogue(database_url), await catalogue(empty_database_url)

    assert made == said
    assert len(made) > 100


def alembic(url: str, *arguments: str, folder: Path = ROOT) -> str:
    """Runs the command `alembic` in a folder (the repository or a copy) and returns its output."""
    environment = {**os.environ, "DATABASE_URL": url}
    command = [sys.executable, "-m", "alembic", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_migrations_go_up_and_down_and_up_again(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    up = await catalogue(empty_database_url)
    alembic(empty_database_url, "downgrade", "base")
    down = await catalogue(empty_database_url)
    alembic(empty_database_url, "upgrade", "head")

    assert down == []
    assert await catalogue(empty_database_url) == up
    assert "No new upgrade operations" in alembic(empty_database_url, "check")
    assert head_revision() in alembic(empty_database_url, "current")


async def test_a_new_revision_of_unchanged_models_is_empty(database_url: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")

    alembic(database_url, "revision", "--autogenerate", "-m", "nothing", folder=tmp_path)

    [made] = tmp_path.glob("alembic/versions/*_nothing.py")
    assert made.read_text().count("    pass") == 2
    assert "op." not in made.read_text()


async def test_concurrent_migrations_take_turns(empty_database_url: str) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", "migrate"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": empty_database_url},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [starter.communicate(timeout=PATIENCE_SECONDS)[1] for starter in starters]

    assert [starter.returncode for starter in starters] == [0, 0, 0], said
    assert sum("migrated from nothing" in each for each in said) == 1
    assert sum("up to date" in each for each in said) == 2


async def test_migrating_says_where_it_came_from(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == (None, head_revision())
    assert await migrate(empty_database_url) == (head_revision(), head_revision())
    async with single_connection(empty_database_url) as connection:
        assert await current_revision(connection) == head_revision()


async def test_a_role_that_may_not_create_the_extension_is_told_so(
    server: EmbeddedPostgres, empty_database_url: str
) -> None:
    role, owner = f"role_{uuid4().hex}", make_url(empty_database_url)
    await execute(empty_database_url, f"CREATE ROLE {role} LOGIN")
    await execute(empty_database_url, f"GRANT USAGE, CREATE ON SCHEMA public TO {role}")
    url = owner.set(username=role).render_as_string(hide_password=False)

    with pytest.raises(ExtensionMissingError) as refused:
        await migrate(url)
    assert str(refused.value) == (
        "The database user cannot run `CREATE EXTENSION IF NOT EXISTS pg_trgm`: permission denied to create extension"
        ' "pg_trgm". Run it once in this database as the database\'s owner or a superuser, and try again.'
    )
    assert line_of(refused.value) == str(refused.value)

    await execute(empty_database_url, "CREATE EXTENSION pg_trgm")
    assert (await migrate(url))[1] == head_revision()


async def test_a_database_newer_than_the_code_is_left_alone(database_url: str) -> None:
    async with single_connection(database_url) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.commit()

    with pytest.raises(UnknownRevisionError, match="revision 9999"):
        await migrate(database_url)


async def test_the_alembic_command_waits_for_a_migration_under_way(empty_database_url: str) -> None:
    async with single_connection(empty_database_url) as connection:
        await connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        environment = {**os.environ, "DATABASE_URL": empty_database_url}
        waiting = subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        # The command polls for the lock in short transactions, so sampling finds it after their ROLLBACK.
        asks = text(
            "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() AND query = 'ROLLBACK;'"
        )
        asked: set[tuple[Any, ...]] = set()
        async with single_connection(empty_database_url) as other:
            while max(Counter(pid for pid, _ in asked).values(), default=0) < 3:
                assert waiting.poll() is None
                asked.update(map(tuple, await other.execute(asks)))
                await other.rollback()
                await asyncio.sleep(0.05)
        assert await current_revision(connection) is None
        await connection.execute(text("SELECT pg_advisory_unlock_all()"))
        # A migration that creates an index concurrently waits for every transaction that holds a snapshot.
        await connection.rollback()
        assert waiting.wait(PATIENCE_SECONDS) == 0
        assert await current_revision(connection) == head_revision()


async def test_an_instant_without_a_zone_is_refused(sessions: Sessions) -> None:
    with pytest.raises(StatementError, match="needs a time zone"):
        await stored(sessions, a_customer(created_at=NOW.replace(tzinfo=None)))


Break = Callable[[Subscription], Any]


def next_period(subscription: Subscription, **columns: Any) -> BillingPeriod:
    """Returns the period after the first one. `columns` override its values."""
    start, end = subscription.current_period_start, subscription.current_period_end
    assert start is not None
    assert end is not None
    return BillingPeriod(
        **{
            "subscription_id": subscription.id,
            "customer_id": subscription.customer_id,
            "ordinal": 1,
            "after_ordinal": 0,
            "kind": values.PeriodKind.BILLING,
            "starts_at": end,
            "ends_at": end + (end - start),
            "plan_id": subscription.plan_id,
            "quantity": 1,
        }
        | columns
    )


def later(subscription: Subscription, seconds: int) -> datetime:
    """Returns the instant this many seconds after the end of the first period."""
    assert subscription.current_period_end is not None
    return subscription.current_period_end + timedelta(seconds=seconds)


@pytest.fixture
async def subscription(sessions: Sessions) -> Subscription:
    """Stored subscription with its first period and invoice."""
    customer, plan = await stored(sessions, a_customer(), a_plan())
    async with sessions.begin() as session:
        made = await create_subscription(session, SubscriptionRequest(plan.id), customer_id=customer.id, now=NOW)
        subscription = await session.get(Subscription, (made.subscription_id, customer.id))
    assert subscription is not None
    return subscription


@pytest.mark.parametrize(
    ("what", "broken", "constraint"),
    [
        ("a gap", lambda s: next_period(s, starts_at=later(s, 1)), "fk_billing_periods_chain"),
        ("an overlap", lambda s: next_period(s, starts_at=later(s, -1)), "fk_billing_periods_chain"),
        ("a skipped one", lambda s: next_period(s, ordinal=2, after_ordinal=1), "fk_billing_periods_chain"),
        ("a link to nothing", lambda s: next_period(s, after_ordinal=None), "ck_billing_periods_chain"),
        ("a link to itself", lambda s: next_period(s, after_ordinal=1), "ck_billing_periods_chain"),
        ("a second first one", lambda s: next_period(s, ordinal=0, after_ordinal=None), "pk_billing_periods"),
        ("one that ends first", lambda s: next_period(s, ends_at=later(s, -1)), "ck_billing_periods_span"),
        (
            "another customer's",
            lambda s: next_period(s, customer_id=uuid4(), ordinal=0, after_ordinal=None),
            "fk_billing_periods_subscription_id",
        ),
    ],
)
async def test_a_timeline_with_a_flaw_cannot_be_stored(
    sessions: Sessions, subscription: Subscription, what: str, broken: Break, constraint: str
) -> None:
    with pytest.raises(DBAPIError) as refused:
        await stored(sessions, broken(subscription))

    assert violated_constraint(refused.value) == constraint


async def test_the_next_link_of_a_timeline_can_be_stored(sessions: Sessions, subscription: Subscription) -> None:
    assert (await stored(sessions, next_period(subscription))).ordinal == 1


@pytest.mark.parametrize(
    ("model", "columns", "constraint"),
    [
        (Invoice, {"tax_cents": 1}, "ck_invoices_total"),
        (Invoice, {"subtotal_cents": 2**53, "amount_cents": 2**53}, "ck_invoices_amount_cents"),
        (Invoice, {"amount_due_cents": -1}, "ck_invoices_amount_due_cents"),
        (Invoice, {"amount_due_cents": 2901}, "ck_invoices_amount_due_cents"),
        (Invoice, {"status": "PAID", "paid_at": NOW}, "ck_invoices_paid"),
        (Invoice, {"number": None}, "ck_invoices_finalized"),
        (Invoice, {"currency": "USD"}, "fk_invoices_customer_currency"),
        (Invoice, {"period_ordinal": 1}, "fk_invoices_billing_period"),
        (Invoice, {"kind": "ONE_OFF"}, "ck_invoices_recurring"),
        (InvoiceLine, {"customer_id": uuid4()}, "fk_invoice_lines_invoice_id"),
        (InvoiceLine, {"quantity": 0}, "ck_invoice_lines_quantity"),
        (Subscription, {"quantity": 0}, "ck_subscriptions_quantity"),
        (Subscription, {"current_period_end": NOW}, "ck_subscriptions_current_period"),
        (Subscription, {"status": "CANCELED"}, "ck_subscriptions_canceled"),
        (Subscription, {"next_billing_at": None}, "ck_subscriptions_canceled"),
        (InvoiceLine, {"amount_cents": 1}, "ck_invoice_lines_recurring"),
        (Subscription, {"cancel_at_period_end": True}, "ck_subscriptions_cancel_at_period_end"),
        (Customer, {"currency": "usd"}, "ck_customers_currency"),
        (Customer, {"name": ""}, "ck_customers_name"),
    ],
)
async def test_a_row_that_contradicts_itself_cannot_be_stored(
    sessions: Sessions, subscription: Subscription, model: type[Base], columns: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with sessions.begin() as session:
            await session.execute(update(model).values(**columns))

    assert violated_constraint(refused.value) == constraint


async def test_a_period_is_billed_once(sessions: Sessions, subscription: Subscription) -> None:
    copy = "INSERT INTO invoices SELECT (json_populate_record(i, json_build_object('id', '{id}', 'sequence', 2))).*"

    with pytest.raises(DBAPIError) as refused:
        async with sessions.begin() as session:
            statement = copy.format(id=uuid4()).replace(":", "\\:")
            await session.execute(text(f"{statement} FROM invoices AS i"))

    assert violated_constraint(refused.value) == "uq_invoices_recurring"


async def test_statuses_are_words_of_their_enum(database: Database, subscription: Subscription) -> None:
    for table, column in (("subscriptions", "status"), ("invoices", "status"), ("invoice_lines", "kind")):
        with pytest.raises(DBAPIError) as refused:
            async with database.sessions.begin() as session:
                await session.execute(text(f"UPDATE {table} SET {column} = 'BOGUS'"))
        assert violated_constraint(refused.value) is not None
