"""Pages of lists read no more when the number of rows grows, for any filter value."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import asyncpg
import httpx
import pytest
from asyncpg.prepared_stmt import PreparedStatement

from db.database import Database
from db.driver.connection import driver_connection
from graph.server.app import create_app
from tests.growth.lists import EVERY, Case, cases
from tests.growth.rows import START, fill
from tests.support import PATIENT_DATABASE, events_settle, patient

SMALL, LARGE = 20_000, 200_000
TIMES = 6
"""Number of executions of each statement. From the sixth on, PostgreSQL may use a generic plan."""

FLOOR = 13
"""Number of buffers below which growth is ignored: an index may gain a level, and PostgreSQL may look up each of the 20
rows of a page in another table instead of joining all of that.
"""


class Lists:
    """Reads lists through a server with one connection and records the statements sent on it."""

    def __init__(self, database: Database, client: httpx.AsyncClient) -> None:
        self.database = database
        self.client = client
        self.sent: list[tuple[str, Sequence[object]]] = []

    async def read(self, case: Case) -> None:
        answer = (await self.client.post("/graphql", json={"query": case.query})).json()
        assert "errors" not in answer, (case.name, answer)

    async def buffers(self, case: Case) -> int:
        """Returns the number of buffers that the list's statement touches, with the plan of repeated executions."""
        await self.read(case)
        text, values = self.sent[-1]
        taken = await self.database._answers.raw_connection()
        connection = driver_connection(taken)
        try:
            name = await connection.fetchval(
                "SELECT name FROM pg_prepared_statements WHERE statement = $1 AND name <> ''", text
            )
            explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
            if name is None:
                # The statement is not prepared, so PostgreSQL plans it for each execution.
                [[plan]] = await connection.fetch(explain + text, *values)
            else:
                for _ in range(TIMES - 1):
                    await connection.execute(f"EXECUTE {name}{literals(values)}")
                [[plan]] = await connection.fetch(f"{explain} EXECUTE {name}{literals(values)}")
        finally:
            taken.close()
        [found] = plan
        return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


def literals(values: Sequence[object]) -> str:
    return f"({', '.join(map(literal, values))})" if values else ""


def literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case list() | tuple():
            return f"'{{{','.join(map(str, value))}}}'"
        case int():
            return str(value)
        case _:
            return f"'{value}'"


async def read(url: str, all_cases: Sequence[Case]) -> dict[str, int]:
    database = Database(url, PATIENT_DATABASE, pool_size=1)
    # Events of rows that were just added are read and left out while an older transaction runs, in any database.
    await events_settle(database)
    transport = httpx.ASGITransport(create_app(database, settings=patient()))
    with pytest.MonkeyPatch.context() as patch:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            lists = Lists(database, client)
            for kind in (asyncpg.Connection, PreparedStatement):
                patch.setattr(kind, "fetch", noting(kind.fetch, lists.sent))
            found = {case.name: await lists.buffers(case) for case in all_cases}
    await database.close()
    return found


def noting(
    fetch: Callable[..., Any], sent: list[tuple[str, Sequence[object]]], about: str = " LIMIT "
) -> Callable[..., Any]:
    """Wraps a fetch method of the driver: it records statements that contain `about`."""

    def fetch_and_note(self: Any, *arguments: Any, **options: Any) -> Any:
        text, *values = (self.get_query(), *arguments) if isinstance(self, PreparedStatement) else arguments
        if about in text and "EXPLAIN" not in text:
            sent.append((text, values))
        return fetch(self, *arguments, **options)

    return fetch_and_note


def grown(small: dict[str, int], large: dict[str, int]) -> Iterator[str]:
    for name, before in small.items():
        if large[name] > 2 * max(before, FLOOR):
            yield f"{name}: {before} → {large[name]}"


@pytest.mark.slow
async def test_no_page_reads_more_of_ten_times_as_many_rows(module_database_url: str) -> None:
    all_cases = list(cases(newest=START + LARGE * EVERY))
    await fill(module_database_url, 0, SMALL)
    small = await read(module_database_url, all_cases)
    await fill(module_database_url, SMALL, LARGE)
    large = await read(module_database_url, all_cases)

    found = list(grown(small, large))
    assert found == [], "\n".join(found)
    assert len(small) > 300
