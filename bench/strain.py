"""Latency of requests under strain: with a million invoices, next to a locked customer, and during a renewal run."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx

from bench.database import BILLING, BenchDatabase, bench_database
from bench.load import Measured
from bench.machine import machine_facts
from bench.measuring import Effort, percentile, processors
from bench.operations import Operation, operation_of
from bench.processes import confined
from bench.renewals import fill as fill_due
from bench.report import save
from bench.servers import kind_of, running
from bench.trials import Trial, trial
from db.database import Database
from tests.growth.lists import EVERY, cases
from tests.growth.rows import START, fill

INVOICES, PORTION = 1_000_000, 100_000
TIMES = 5
"""Number of requests for each list. Its time is the median."""
LIST_MS = 50

CROWD = 40
PAY = """
mutation Pay($customer: ID!) {
  recordPayment(input: {customerId: $customer, amountCents: 1, currency: "EUR", allowOverpayment: true}) {
    payment { id } userErrors { code }
  }
}
"""
CHANGE = """
mutation Rename($customer: ID!) { updateCustomer(input: {id: $customer, name: "Busy"}) { userErrors { code } } }
"""
PAYMENTS = Operation("pay", "recordPayment", PAY, lambda s: [{"customer": each} for each in s.subscribers], writes=True)
AT_ONCE = Effort(rounds=1, warm_up=0.0, seconds=60.0, connections=CROWD)
ROUNDS = 5
BESIDE_A_CUSTOMER = 2.0
"""Maximum median time of a payment while others wait for another customer, relative to the median alone."""

SUBSCRIBED = 2_000
DUE = 60_000
SUBSCRIBING = Effort(rounds=1, warm_up=0.0, seconds=300.0)
BESIDE_A_RUN = 3.0
"""Maximum median and 95th percentile of `createSubscription` during a run, relative to those without a run."""


def lists(name: str) -> None:
    """Measures every filter and order that must be fast, one after the other, on a million invoices."""
    server_processors, other_processors = processors()
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as temporary, confined(other_processors):
        folder = Path(temporary)
        with bench_database(folder) as database:
            database.billing("migrate")
            began = time.monotonic()
            for first in range(0, INVOICES, PORTION):
                asyncio.run(fill(database.url, first, first + PORTION))
            database.tidy()
            print(f"{INVOICES} invoices in {time.monotonic() - began:.0f} s", flush=True)
            with running([kind_of("ours")], database, folder, server_processors) as [server]:
                times = {}
                with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=server.headers) as client:
                    for case in cases(START + INVOICES * EVERY):
                        times[case.name] = statistics.median(asked(client, case.query) for _ in range(TIMES))
                facts = machine_facts(database, server_processors, other_processors)
    slowest = sorted(times, key=lambda each: -times[each])
    for each in slowest[:5]:
        print(f"{times[each]:8.1f} ms  {each}")
    print(f"{len(times)} lists, median {statistics.median(times.values()):.1f} ms")
    print(save(f"{name}-lists", facts, milliseconds={each: round(times[each], 1) for each in slowest}))
    if times[slowest[0]] > LIST_MS:
        sys.exit(f"A list takes longer than {LIST_MS} ms.")


def asked(client: httpx.Client, query: str) -> float:
    """Returns the milliseconds that reading a list takes. Exits if the response is an error."""
    began = time.perf_counter()
    answer = client.post("/graphql", json={"query": query}, timeout=60)
    took = (time.perf_counter() - began) * 1000
    if answer.status_code != 200 or "errors" in answer.json():
        sys.exit(f"{query}: {answer.text[:1000]}")
    return took


def busy(name: str) -> None:
    """Measures 40 concurrent payments of 40 customers: alone, and while 40 updates wait for another customer."""
    alone, beside = [], []
    with trial(subscribers=CROWD) as here:
        pay(here)
        for _ in range(ROUNDS):
            alone.append(pay(here))
            with crowd_waiting(here):
                beside.append(pay(here))
        facts = here.facts
    print(f"alone   {statistics.median(alone):.1f} ms\nbeside  {statistics.median(beside):.1f} ms")
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"{ratio:.2f} times")
    print(save(f"{name}-busy", facts, alone_ms=alone, beside_ms=beside))
    if ratio > BESIDE_A_CUSTOMER:
        sys.exit(f"It takes more than {BESIDE_A_CUSTOMER:g} times as long.")


def pay(here: Trial) -> float:
    """Returns the median time of a payment in milliseconds. Exits if one fails."""
    measured = here.bench.driver.drive(here.bench.order(here.server, PAYMENTS, AT_ONCE))
    require(measured, CROWD)
    return statistics.median(measured.latencies) * 1000


def require(measured: Measured, requests: int) -> None:
    if measured.failures or measured.requests != requests:
        sys.exit(f"{measured.failures} of {measured.requests} failed: {measured.first_failure}")


@contextmanager
def crowd_waiting(here: Trial) -> Iterator[None]:
    """Locks a customer for the duration of the block, with `CROWD` updates that wait for the lock."""
    [customer, *_] = here.bench.subjects.readers
    loop = asyncio.new_event_loop()

    async def begin() -> tuple[asyncpg.Connection, httpx.AsyncClient, list[asyncio.Task[httpx.Response]]]:
        host, port, user, database = here.database.parts.values()
        holder = await asyncpg.connect(host=host, port=int(port), user=user, database=database)
        await holder.execute(f"BEGIN; SELECT FROM customers WHERE id = '{customer}' FOR UPDATE")
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{here.server.port}",
            headers=here.server.headers,
            timeout=60,
            limits=httpx.Limits(max_connections=CROWD),
        )
        body = {"query": CHANGE, "variables": {"customer": customer}}
        waiting = [asyncio.create_task(client.post("/graphql", json=body)) for _ in range(CROWD)]
        while await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0:  # noqa: ASYNC110 - locks tell nobody
            await asyncio.sleep(0.01)
        # By then, the server has also read the other requests.
        await asyncio.sleep(0.5)
        return holder, client, waiting

    holder, client, waiting = loop.run_until_complete(begin())
    try:
        yield
    finally:
        loop.run_until_complete(holder.close())
        answers = loop.run_until_complete(asyncio.gather(*waiting))
        loop.run_until_complete(client.aclose())
        loop.close()
    failed = [answer.text for answer in answers if answer.status_code != 200 or "errors" in answer.json()]
    if failed:
        sys.exit(f"{len(failed)} of the waiting requests failed: {failed[0][:1000]}")


def renewing(name: str) -> None:
    """Measures 2 000 createSubscription requests: alone, and during a renewal run that outlasts them."""
    with trial(subscribers=SUBSCRIBED) as here:
        asyncio.run(add_due(here.database.url))
        here.database.tidy()
        subscribed(here)
        alone = subscribed(here)
        here.database.tidy()
        with renewals(here.database):
            beside = subscribed(here)
        facts = here.facts
    ratios = []
    for percent in (50, 95):
        times = [percentile(found.latencies, percent) * 1000 for found in (alone, beside)]
        ratios.append(times[1] / times[0])
        print(f"p{percent}  alone {times[0]:.1f} ms, beside a run {times[1]:.1f} ms: {ratios[-1]:.2f} times")
    print(save(f"{name}-renewing", facts, alone=alone.latencies, beside=beside.latencies))
    if max(ratios) > BESIDE_A_RUN:
        sys.exit(f"It takes more than {BESIDE_A_RUN:g} times as long.")


async def add_due(url: str) -> None:
    database = Database(url)
    await fill_due(database, DUE)
    await database.close()


def subscribed(here: Trial) -> Measured:
    return here.bench.measure(here.server, operation_of("subscribe"), SUBSCRIBING)


@contextmanager
def renewals(database: BenchDatabase) -> Iterator[None]:
    """Keeps `billing renew` running from before the block until after it. Exits if it ends earlier."""
    command = subprocess.Popen(
        [*BILLING, "renew"], env={**os.environ, "DATABASE_URL": database.url}, stdout=subprocess.PIPE, text=True
    )
    try:
        due = still_due(database)
        while still_due(database) == due:
            if command.poll() is not None:
                sys.exit(f"The run renewed nothing: {command.communicate()[0]}")
            time.sleep(0.05)
        due, began = still_due(database), time.monotonic()
        yield
        renewed, seconds = due - still_due(database), time.monotonic() - began
        if command.poll() is not None:
            sys.exit("The run was over too early: more must be due.")
        print(f"Beside it the run renewed {renewed / seconds:.0f} subscriptions a second.")
    finally:
        command.terminate()
        command.communicate()


def still_due(database: BenchDatabase) -> int:
    [[count]] = database.run("SELECT count(*) FROM subscriptions WHERE next_billing_at <= now()")
    return int(count)
