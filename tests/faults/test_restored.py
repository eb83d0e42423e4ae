"""Restored databases: from an older revision, for readers of the feed, and for clients that retry a mutation."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from db.backup import read_manifest
from db.database import Database
from db.embedded import EmbeddedPostgres
from db.queries.figures import sums_by_month
from services.figures import add_up_figures
from services.verify import snapshot, verify
from tests.cli.conftest import billing
from tests.conftest import execute, named, scalar
from tests.faults.test_backup_files import backup, rewritten, source  # noqa: F401 - fixtures
from tests.migrations.test_schema import alembic
from tests.migrations.test_upgrade import violated
from tests.races.lives import a_subscriber, store_customers, stored_plans
from tests.support import events_settle

NUMBER = "SELECT event_xid()::text::bigint"


async def test_a_backup_of_an_older_revision_is_migrated_when_it_is_restored(
    server: EmbeddedPostgres, empty_database_url: str, tmp_path: Path
) -> None:
    alembic(empty_database_url, "upgrade", "head")
    database = Database(empty_database_url)
    plans = await stored_plans(database)
    await store_customers(database, [a_subscriber(seed, plans) for seed in range(20)])
    await database.close()
    alembic(empty_database_url, "downgrade", "0003")
    name, file = f"newer_{uuid4().hex}", tmp_path / "old.backup"
    assert billing("backup", str(file), DATABASE_URL=empty_database_url).returncode == 0
    assert read_manifest(file).revision == "0003"
    assert await scalar(empty_database_url, "SELECT version_num FROM alembic_version") == "0003"
    await execute(server.url, f"CREATE DATABASE {name}")
    url = named(server.url, name)
    try:
        restored = billing("restore", str(file), DATABASE_URL=url)

        assert restored.returncode == 0, restored.stderr
        assert "migrated from 0003" in restored.stderr
        assert await violated(url) == []
        # Its events continue at a number that no earlier database has used.
        assert await scalar(url, NUMBER) >> 31 > 1_700_000_000
    finally:
        await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_idempotency_keys_outlive_the_time_between_backup_and_restore(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    """The copy was taken three days ago, an hour after the idempotency key was created: its age is one hour."""
    whole, old = tmp_path / "whole.backup", tmp_path / "old.backup"
    key = "'local', 'order-1', sha256('a'), '{}', now() - interval '3 days 1 hour'"
    await execute(database_url, f"INSERT INTO idempotency_keys VALUES ({key})")
    assert billing("backup", str(whole), DATABASE_URL=database_url).returncode == 0
    rewritten(whole, old, sql=bytes, taken_at=f"{datetime.now(UTC) - timedelta(days=3):%FT%TZ}")

    assert billing("restore", str(old), DATABASE_URL=empty_database_url).returncode == 0

    age = await scalar(empty_database_url, "SELECT now() - created_at FROM idempotency_keys")
    assert timedelta(minutes=59) < age < timedelta(minutes=63)


async def test_whoever_read_a_restored_database_goes_on_in_the_next_one(
    server: EmbeddedPostgres,
    backup: Path,  # noqa: F811 - a fixture
    empty_database_url: str,
    tmp_path: Path,
) -> None:
    """Every later event has a higher number than all earlier ones, regardless of the copy they were in."""
    of_first, of_again = tmp_path / "first.backup", backup
    assert billing("restore", str(backup), DATABASE_URL=empty_database_url).returncode == 0
    assert billing("backup", str(of_first), DATABASE_URL=empty_database_url).returncode == 0
    last = await scalar(empty_database_url, NUMBER)
    for file in (of_first, of_again):
        name = f"next_{uuid4().hex}"
        await execute(server.url, f"CREATE DATABASE {name}")
        try:
            assert billing("restore", str(file), DATABASE_URL=named(server.url, name)).returncode == 0
            assert await scalar(named(server.url, name), NUMBER) >> 31 > last >> 31
            last = await scalar(named(server.url, name), NUMBER)
        finally:
            await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_figures_go_on_in_a_restored_database(
    backup: Path,  # noqa: F811 - a fixture
    empty_database_url: str,
) -> None:
    assert billing("restore", str(backup), DATABASE_URL=empty_database_url).returncode == 0
    database = Database(empty_database_url)
    try:
        async with database.sessions() as session:
            copied = await sums_by_month(session)
        assert sum(sums.invoiced_cents for sums in copied["EUR"].values()) > 0
        await events_settle(database)
        await add_up_figures(database)
        plans = await stored_plans(database)
        await store_customers(database, [a_subscriber(seed, plans) for seed in range(20)])
        async with database.sessions() as session:
            more = await sums_by_month(session)
        await events_settle(database)
        await add_up_figures(database)

        async with snapshot(database) as session:
            assert await sums_by_month(session) == more != copied
            assert [check.line() for check in await verify(session) if not check.holds] == []
    finally:
        await database.close()
