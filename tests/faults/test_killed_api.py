"""The API is killed in the middle of a mutation: nothing is stored partially, and a retry completes it exactly once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from db.database import Database
from db.models import Base, BillingRun, IdempotencyKey, Payment
from services.ticks import tick
from tests.faults.locks import are_waiting
from tests.faults.processes import ROOT, children_of, send, until
from tests.races.fingerprints import assert_sound
from tests.races.test_idempotency import WITH_A_KEY
from tests.support import PATIENCE_SECONDS, Api, TestClock, count

KILLED = -signal.SIGKILL
IN_ONE_TRANSACTION = (
    "createSubscription",
    "changeSubscription",
    "cancelSubscription",
    "finalizeInvoice",
    "recordPayment",
)


class Failing:
    """Starts servers that kill themselves, one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, moment: int = 0) -> tuple[str, int]:
        """Starts a server that kills itself at the given moment, or never if 0. Returns its URL and process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{moment}\n")
        self._process.stdin.flush()
        said = self._said()
        return said["url"], said["pid"]

    def code(self) -> int:
        """Waits until the server has exited. Returns the exit code."""
        return int(self._said()["code"])

    def _said(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@pytest.fixture
def failing(database_url: str) -> Iterator[Failing]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.failing_server", database_url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Failing(process)
        finally:
            # It waits for a server that still runs, as when a test was interrupted.
            send(children_of(process.pid), signal.SIGKILL)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE_SECONDS)


async def answer_of(url: str, name: str, selection: str, fields: dict[str, Any]) -> Any:
    """Sends a mutation and returns its payload, or None if the server was killed."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        try:
            return await Api(client).mutate(name, selection, **fields)
        except httpx.TransportError:
            return None


@pytest.mark.parametrize("mutation", IN_ONE_TRANSACTION)
async def test_a_killed_mutation_is_stored_whole_or_not_at_all_and_a_retry_does_it_once(
    api: Api, database: Database, failing: Failing, mutation: str
) -> None:
    arrange, selection = WITH_A_KEY[mutation]
    stored: list[int] = []
    in_the_end: set[int] = set()
    answer = None
    # Tries each moment in turn, until there are no more and the server survives to respond.
    while answer is None:
        fields = {**await arrange(api), "idempotencyKey": uuid4().hex}
        before = await rows(database)
        url, pid = failing.start(len(stored) + 1)

        answer = await answer_of(url, mutation, selection, fields)

        if answer is not None:
            os.kill(pid, signal.SIGKILL)
        assert failing.code() == KILLED
        stored.append(await rows(database) - before)
        retried, again = [await api.mutate(mutation, selection, **fields) for _ in range(2)]
        assert retried["userErrors"] == []
        assert again == retried == (answer or retried)
        in_the_end.add(await rows(database) - before)

    [whole] = in_the_end
    assert stored == sorted(stored)
    assert set(stored) == {0, whole}
    assert stored.count(0) > 3, "it was killed before the commit"
    assert stored.count(whole) > 2, "it was killed after the commit and before the answer"
    await assert_sound(database)


async def test_a_test_clock_whose_journey_was_killed_arrives(
    api: Api, database: Database, clock: TestClock, failing: Failing
) -> None:
    arrange, selection = WITH_A_KEY["advanceTestClock"]
    in_the_end: set[int] = set()
    answer, moment = None, 0
    while answer is None:
        moment += 1
        fields = {**await arrange(api), "idempotencyKey": uuid4().hex}
        before = await rows(database)
        url, pid = failing.start(moment)

        answer = await answer_of(url, "advanceTestClock", selection, fields)

        if answer is not None:
            os.kill(pid, signal.SIGKILL)
        assert failing.code() == KILLED
        await api.mutate("advanceTestClock", selection, **fields)
        await tick(database, now=clock.now)
        retried = await api.mutate("advanceTestClock", selection, **fields)
        assert retried["userErrors"] == []
        assert retried["testClock"]["status"] == "READY"
        assert retried["testClock"]["frozenAt"] == fields["to"]
        in_the_end.add(await rows(database) - before)

    assert len(in_the_end) == 1
    assert moment > 10
    await assert_sound(database)


async def test_no_backend_outlives_the_process_that_it_works_for(
    api: Api, database: Database, failing: Failing
) -> None:
    arrange, selection = WITH_A_KEY["recordPayment"]
    fields = {**await arrange(api), "idempotencyKey": "wire-1"}
    before = await rows(database)
    url, pid = failing.start()

    async with database.sessions.begin() as session:
        await session.execute(text("SELECT FROM customers FOR UPDATE"))
        sent = asyncio.create_task(answer_of(url, "recordPayment", selection, fields))
        await until(lambda: are_waiting(database, 1), what="the mutation waits for the customer")
        os.kill(pid, signal.SIGKILL)
        assert await sent is None
        assert failing.code() == KILLED

        await until(lambda: are_waiting(database, 0), what="its backend ends")

    assert await rows(database) == before
    assert (await api.mutate("recordPayment", selection, **fields))["userErrors"] == []
    assert await count(database.sessions, Payment, IdempotencyKey) == 2
    await assert_sound(database)


async def rows(database: Database) -> int:
    """Counts the rows of all tables except renewal runs, which are stored every time one starts."""
    tables = (mapper.class_ for mapper in Base.registry.mappers)
    return await count(database.sessions, *(table for table in tables if table is not BillingRun))
