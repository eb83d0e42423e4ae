"""Compares the Python function calls of each operation, a cost independent of the machine, with recorded numbers.

./dev run python -m bench.calls                 # exits with 1 if an operation makes too many calls
./dev run python -m bench.calls --write         # records the counts in bench/calls.json
./dev run python -m bench.calls --most nested   # the functions that `nested` calls most often
"""

import argparse
import asyncio
import cProfile
import gc
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType
from typing import Any

import orjson
import uvloop
from sqlalchemy import make_url, select
from starlette.applications import Starlette
from starlette.types import Message

from bench.database import BenchDatabase, bench_database
from bench.operations import OPERATIONS, Operation, Subjects
from bench.renewals import NOW, configure_tax, fill, redeem_coupon
from billing.enums import RunTrigger
from db.database import Database
from db.migrations import migrate
from db.models import Subscription
from db.settings import DatabaseSettings
from graph.observability.middleware import SETTLE_SECONDS
from graph.server import http
from graph.server.app import create_app
from graph.settings import Limits, Settings
from services.runs import run_renewals
from services.settings import RateLimit

NUMBERS = Path(__file__).with_name("calls.json")
"""Recorded calls by Python version and operation. Versions differ in the functions that the same source calls."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TO_WRITE = "To record them: ./dev run python -m bench.calls --write"

MOST_GROWTH = 0.05
"""Maximum increase of the calls of an operation over the recorded number, as a fraction."""

REQUESTS = 10
"""Number of requests in a round. All rounds send the same requests, except for an operation that writes."""

WARM_UP_ROUNDS = 1
ROUNDS = 4
"""Number of rounds, including the warm-up."""

RENEWAL, TAXED_RENEWAL, DISCOUNTED_RENEWAL = "renewal", "renewal with tax", "renewal with tax and discount"
RENEWALS = (RENEWAL, TAXED_RENEWAL, DISCOUNTED_RENEWAL)
CHUNK = 100
"""Number of subscriptions that a renewal run renews, in one chunk."""

PATIENT = DatabaseSettings(pool_timeout_seconds=30)
"""Long timeout, for slow machines."""

Calls = Counter[str]
"""Number of calls of each function, by name and source location."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server as in production, with keys, a rate limit and metrics, but called without a socket."""

    app: Starlette
    token: str

    async def ask(self, body: bytes) -> bytes:
        """Returns the body of the response."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(self._scope(body), receive, send)
        start, answer = sent
        assert start["status"] == 200, answer
        content: bytes = answer["body"]
        return content

    def _scope(self, body: bytes) -> dict[str, Any]:
        """Returns the ASGI scope of a request, as uvicorn creates it."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "method": "POST",
            "root_path": "",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1:8000"),
                (b"accept", b"application/json"),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"authorization", b"Bearer " + self.token.encode()),
            ],
            "state": {},
        }


async def calls_in(block: Callable[[], Awaitable[None]]) -> Calls:
    """Returns the calls of Python functions in a block, without built-in functions and those of this file."""
    gc.collect()
    profile = cProfile.Profile(builtins=False)
    profile.enable()
    try:
        await block()
    finally:
        profile.disable()
    calls: Calls = Counter()
    for entry in profile.getstats():
        code = entry.code
        if isinstance(code, CodeType) and code.co_filename != __file__:
            calls[f"{code.co_qualname} {code.co_filename}:{code.co_firstlineno}"] += entry.callcount
    return calls


def fewest(rounds: Sequence[Calls]) -> Calls:
    """Returns the round with the fewest calls after the warm-up."""
    return min(rounds[WARM_UP_ROUNDS:], key=Counter.total)


async def calls_of_operation(server: Server, operation: Operation, subjects: Subjects) -> Calls:
    """Returns the calls of `REQUESTS` requests."""
    variables = operation.variables(subjects)
    rounds = []
    for number in range(ROUNDS):
        first = number * REQUESTS if operation.writes else 0
        chosen = [variables[(first + turn) % len(variables)] for turn in range(REQUESTS)]
        bodies = [orjson.dumps({"query": operation.document, "variables": each}) for each in chosen]
        answers: list[bytes] = []

        async def send_all(bodies: Sequence[bytes] = bodies, answers: list[bytes] = answers) -> None:
            answers.extend([await server.ask(body) for body in bodies])
            # Finished requests are counted in metrics every `SETTLE_SECONDS`: wait, so that the round includes this.
            await asyncio.sleep(1.5 * SETTLE_SECONDS)

        rounds.append(await calls_in(send_all))
        for answer in answers:
            require_done(operation, json.loads(answer))
    return fewest(rounds)


def require_done(operation: Operation, answer: Mapping[str, Any]) -> None:
    """Exits if a response has errors, because its calls would mean nothing."""
    payloads = (answer.get("data") or {"none": None}).values()
    if "errors" in answer or not all(payload and not payload.get("userErrors") for payload in payloads):
        sys.exit(f"{operation.name}: {answer}")


async def calls_of_operations(url: str, token: str, subjects: Subjects) -> dict[str, Calls]:
    database = Database(url, PATIENT)
    # The clock stands still, so that no cache expires.
    now = datetime.now(UTC).replace(microsecond=0)
    settings = Settings(
        requires_key=True,
        limits=Limits(seconds=600),
        rate_limit=RateLimit(rows_per_second=2e9, burst=2e9),
        metrics=True,
        slow_ms=600_000,
    )
    # Without the lifespan, so that no background tasks run.
    server = Server(create_app(database, settings=settings, clock=lambda: now), token)
    calls = {each.name: await calls_of_operation(server, each, subjects) for each in OPERATIONS}
    await database.close()
    return calls


async def calls_of_renewal(url: str, *, taxed: bool, discounted: bool) -> Calls:
    """Returns the calls of a run that renews `CHUNK` subscriptions.

    Each invoice has one VAT if `taxed`, and one discount, which uses a period, if `discounted`.
    """
    database = Database(url, PATIENT)
    await fill(database, ROUNDS * CHUNK)
    if taxed:
        await configure_tax(database)
    if discounted:
        await redeem_coupon(database)
    last_due = select(Subscription.next_billing_at).order_by(Subscription.next_billing_at).offset(CHUNK - 1).limit(1)
    rounds = []
    for _ in range(ROUNDS):
        async with database.sessions() as session:
            as_of = await session.scalar(last_due)
        assert as_of is not None, "a chunk is due in each round"

        async def renew(as_of: datetime = as_of) -> None:
            report = await run_renewals(database, as_of=as_of, now=NOW, trigger=RunTrigger.SERVER)
            assert report.renewed == CHUNK, report

        rounds.append(await calls_in(renew))
    await database.close()
    return fewest(rounds)


def calls_on(database: BenchDatabase) -> dict[str, Calls]:
    subjects = database.fill(customers=300, subscribers=ROUNDS * REQUESTS)
    token = database.billing("keys", "create", "--name", "bench", "--scope", "write")
    renewals = {}
    for name in RENEWALS:
        database.run(f'CREATE DATABASE "{name}"')
        renewals[name] = make_url(database.url).set(database=name).render_as_string(hide_password=False)
        asyncio.run(migrate(renewals[name]))
    # Disable what depends on time: checks for disconnected clients, and the garbage collector, which runs finalizers.
    http.DISCONNECT_CHECK_DELAY_SECONDS = 3600
    gc.disable()
    calls = uvloop.run(calls_of_operations(database.url, token, subjects))
    for name, url in renewals.items():
        calls[name] = uvloop.run(calls_of_renewal(url, taxed=name != RENEWAL, discounted=name == DISCOUNTED_RENEWAL))
    return calls


def per_operation(calls: Mapping[str, Calls]) -> dict[str, int]:
    """Returns the calls of one request, and of one renewal run."""
    return {name: round(found.total() / (1 if name in RENEWALS else REQUESTS)) for name, found in calls.items()}


def written_numbers() -> dict[str, int]:
    """Returns the recorded numbers for this Python version. Empty if there are none."""
    numbers: dict[str, int] = json.loads(NUMBERS.read_text()).get(PYTHON, {})
    return numbers


def grown(found: Mapping[str, int], written: Mapping[str, int]) -> list[str]:
    """Returns the operations with more calls than the record allows, or without a record."""
    return [name for name, calls in found.items() if calls > written.get(name, 0) * (1 + MOST_GROWTH)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--write", action="store_true", help=f"record the numbers of this Python version in {NUMBERS.name}"
    )
    parser.add_argument("--most", metavar="OPERATION", choices=[*(each.name for each in OPERATIONS), *RENEWALS])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="billing-calls-") as folder, bench_database(Path(folder)) as database:
        calls = calls_on(database)
    if arguments.most:
        print(*(f"{number:8} {name}" for name, number in calls[arguments.most].most_common()), sep="\n")
        return
    found = per_operation(calls)
    if arguments.write:
        numbers = {**json.loads(NUMBERS.read_text()), PYTHON: found} if NUMBERS.exists() else {PYTHON: found}
        NUMBERS.write_text(json.dumps(numbers, indent=2) + "\n")
    written = written_numbers()
    print(f"Python {PYTHON:<11}{'calls':>8}{'written':>10}")
    for name, number in found.items():
        print(f"{name:<18}{number:>8}{written.get(name, 'none'):>10}")
    if not written:
        sys.exit(f"{NUMBERS.name} has no numbers for Python {PYTHON}. {TO_WRITE}")
    if more := grown(found, written):
        sys.exit(
            f"{', '.join(more)}: over {MOST_GROWTH:.0%} more calls than {NUMBERS.name} has for Python {PYTHON}.\n"
            "To see what is called, here and before your change: ./dev run python -m bench.calls --most OPERATION\n"
            f"If the increase is necessary, explain it in the commit. {TO_WRITE}"
        )


if __name__ == "__main__":
    main()
