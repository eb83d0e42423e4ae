"""Tests that all servers in the benchmark return the same responses and write the same rows."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from bench.comparison import Differs, check, check_writes
from bench.database import WRITTEN, BenchDatabase, bench_database
from bench.measuring import processors
from bench.operations import OPERATIONS, Operation, Subjects, operation_of
from bench.servers import KINDS, Server, running
from tests.conftest import FOLDER


@dataclass(frozen=True, slots=True)
class Servers:
    """All servers that are compared, over one small database."""

    database: BenchDatabase
    running: list[Server]
    subjects: Subjects


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    folder = Path(os.environ[FOLDER]) / f"bench-{uuid4().hex}"
    folder.mkdir()
    with bench_database(folder) as database:
        subjects = database.fill(customers=25, subscribers=2 * len(KINDS))
        with running(KINDS, database, folder, set.union(*processors())) as started:
            yield Servers(database, started, subjects)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.name))
def test_all_answer_and_write_the_same(servers: Servers, operation: Operation) -> None:
    check(servers.database, servers.running, [operation], servers.subjects)


def test_another_line_is_a_difference(servers: Servers) -> None:
    """One of two servers subscribes to a plan with another price."""
    ours, other = servers.running[0], servers.running[-1]
    [[dearer]] = servers.database.run("SELECT id FROM plans WHERE code = 'team-monthly'")
    subscribe = operation_of("subscribe")

    def variables(subjects: Subjects) -> list[dict[str, str]]:
        first, second, *_ = subjects.subscribers
        return [{"customer": first, "plan": subjects.plan}, {"customer": second, "plan": str(dearer)}]

    with pytest.raises(Differs):
        check_writes(servers.database, [ours, other], replace(subscribe, variables=variables), servers.subjects)


def test_every_table_in_which_billing_stores_is_compared(servers: Servers) -> None:
    found = servers.database.run(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_name)"
        " WHERE column_name = 'customer_id' AND columns.table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    # The keys of customer sessions are not part of billing.
    assert {table for [table] in found} - {"api_keys"} | {"customers"} == set(WRITTEN)
