"""Point-in-time recovery: a physical copy and the archived log bring back the state before a mistake."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.cli.conftest import billing
from tests.conftest import folder_of_postgres, scalar
from tests.faults.database.postgres import Postgres
from tests.faults.processes import until
from tests.support import Api, api_over, events_settle

EVENTS = "query ($after: String) { events(after: $after, first: 100) { nodes { type } pageInfo { endCursor } } }"


@pytest.fixture
def archive(data_dir: Path) -> Path:
    """A folder for the log, to which PostgreSQL's user may write."""
    folder = Path(mkdtemp(dir=data_dir.parent))
    folder.chmod(0o777)
    return folder


@pytest.fixture
def original(data_dir: Path, archive: Path) -> Iterator[Postgres]:
    """A server that archives its log."""
    postgres = Postgres(data_dir)
    postgres.configure(archive_mode="on", archive_command=f"cp %p {archive}/%f")
    postgres.start()
    yield postgres
    postgres.stop()


async def names(api: Api) -> set[str]:
    return {each["name"] for each in (await api("{ customers { nodes { name } } }"))["customers"]["nodes"]}


def recovering(original: Postgres, archive: Path) -> Postgres:
    """Returns a copy of the server, made now, that is not started yet."""
    copy = original.standby(folder_of_postgres())
    copy.configure(
        archive_mode="off",
        primary_conninfo="",
        restore_command=f"cp {archive}/%f %p",
        recovery_target_action="promote",
    )
    (copy.data / "standby.signal").unlink()
    (copy.data / "recovery.signal").touch()
    return copy


async def test_the_state_before_a_mistake_comes_back_and_readers_go_on(original: Postgres, archive: Path) -> None:
    async with api_over(original.url) as (api, database):
        await api.a_subscription(await api.a_customer(name="Before the copy"))
        copy = recovering(original, archive)
        await api.a_customer(name="After the copy")
        before = await scalar(original.url, "SELECT now()::text")
        await asyncio.sleep(0.1)
        await api.a_customer(name="A mistake")
        await events_settle(database)
        reader = (await api(EVENTS))["events"]["pageInfo"]["endCursor"]
        segment = await scalar(original.url, "SELECT pg_walfile_name(pg_switch_wal())")

        async def is_archived() -> bool:
            return bool((archive / segment).exists())

        await until(is_archived)
    original.stop()

    copy.configure(recovery_target_time=before)
    copy.start()
    try:

        async def is_recovered() -> bool:
            return bool(await scalar(copy.url, "SELECT NOT pg_is_in_recovery()"))

        await until(is_recovered)
        recovered = billing("recover", DATABASE_URL=copy.url)

        assert recovered.returncode == 0, recovered.stderr
        assert "new ones are numbered from now on" in recovered.stderr + recovered.stdout
        async with api_over(copy.url) as (api, database):
            assert await names(api) == {"Before the copy", "After the copy"}
            await api.a_customer(name="New")
            await events_settle(database)
            read = await api(EVENTS, after=reader)
            assert [each["type"] for each in read["events"]["nodes"]] == ["CUSTOMER_CREATED"]
    finally:
        copy.stop()


async def test_a_database_without_tables_is_not_prepared(empty_database_url: str) -> None:
    refused = billing("recover", DATABASE_URL=empty_database_url)

    assert (refused.returncode, refused.stderr) == (
        1,
        "error: This database has no billing tables: there is nothing to prepare.\n",
    )
