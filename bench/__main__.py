"""What a request costs: CPU time of the server and of PostgreSQL, measured around a closed loop of requests.

`./dev bench` fills a database of its own with demo data, starts `billing serve` on it with one process, and sends each
operation over a few kept-alive connections. See bench/README.md for how to read the result.
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CONNECTIONS = 4
CUSTOMERS = 300
AS_OF = "2026-11-01"

NESTED = """
query ($first: Int!) { customers(first: $first) { nodes {
  id name email currency createdAt version
  subscriptions(first: 10) { nodes {
    id status quantity currentPeriodStart currentPeriodEnd nextBillingAt
    plan { id code name amountCents currency interval }
    invoices(first: 12) { nodes { id number status amountCents periodStart periodEnd } }
  } }
} } }
"""
ONE = """
query ($id: ID!) { customer(id: $id) {
  id name email
  subscriptions { nodes { id status plan { id name } invoices { nodes { id number status amountCents } } } }
} }
"""
FLAT = "{ invoices(first: 100) { nodes { id number status amountCents periodStart periodEnd } } }"
CREATE = """
mutation ($email: String!) {
  createCustomer(input: {name: "Bench", email: $email}) { customer { id } }
}
"""
SUBSCRIBE = """
mutation ($customer: ID!, $plan: ID!) {
  createSubscription(input: {customerId: $customer, planId: $plan}) {
    invoice { id number amountCents lines { id } } userErrors { code }
  }
}
"""


@dataclass(frozen=True)
class Measured:
    """One operation: CPU milliseconds for each request, and how long a request took."""

    name: str
    requests: int
    server_ms: float
    postgres_ms: float
    p50_ms: float
    p99_ms: float
    kilobytes: float


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that the processes have used so far, in user and system mode."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int, int, str]]:
    """A server on demo data: its address, its process and that of its PostgreSQL, and the token of an API key."""
    billing = [sys.executable, "-m", "cli.main"]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["BILLING_DATA_DIR"] = str(folder / "data")
    subprocess.run([*billing, "demo", "--customers", str(CUSTOMERS), "--as-of", AS_OF], env=environment, check=True)
    # The key is never out of rows: what it costs to count them is measured, not to wait.
    environment["BILLING_RATE_BURST"] = environment["BILLING_RATE_ROWS_PER_SECOND"] = "1000000"
    made = [*billing, "keys", "create", "--name", "bench", "--scope", "read"]
    token = subprocess.run(made, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    log = folder / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen([*billing, "serve", "--port", "0"], env=environment, stdout=output, stderr=output)
    try:
        while (found := re.search(r"Playground\s+(\S+)/graphql", log.read_text())) is None:
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.05)
        [postmaster] = children_of(process.pid) or [
            int((folder / "data" / "data" / "postmaster.pid").read_text().splitlines()[0])
        ]
        yield found[1], process.pid, postmaster, token
    finally:
        process.terminate()
        process.wait(60)


async def drive(
    client: httpx.AsyncClient, name: str, bodies: list[dict[str, Any]], server: int, postmaster: int, seconds: float
) -> Measured:
    """Sends the bodies in turn for so many seconds, after a warm-up of a fifth of that."""
    times: list[float] = []
    size = 0
    turn = iter(bodies * 1_000_000)

    async def loop(until: float) -> None:
        nonlocal size
        while time.perf_counter() < until:
            start = time.perf_counter()
            answer = await client.post("/graphql", json=next(turn))
            times.append(time.perf_counter() - start)
            size = len(answer.content)
            if answer.status_code != 200 or b'"errors":' in answer.content:
                sys.exit(f"{name}: {answer.text[:500]}")

    async def all_loops(span: float) -> None:
        until = time.perf_counter() + span
        await asyncio.gather(*(loop(until) for _ in range(CONNECTIONS)))

    await all_loops(seconds / 5)
    times.clear()
    backends = [postmaster, *children_of(postmaster)]
    before = cpu_seconds([server]), cpu_seconds(backends)
    await all_loops(seconds)
    used = cpu_seconds([server]) - before[0], cpu_seconds(backends) - before[1]
    times.sort()
    return Measured(
        name,
        len(times),
        used[0] / len(times) * 1000,
        used[1] / len(times) * 1000,
        statistics.median(times) * 1000,
        times[int(len(times) * 0.99)] * 1000,
        size / 1000,
    )


async def measure(url: str, server: int, postmaster: int, token: str, seconds: float) -> list[Measured]:
    keyed = httpx.AsyncClient(base_url=url, timeout=60, headers={"Authorization": f"Bearer {token}"})
    async with httpx.AsyncClient(base_url=url, timeout=60) as client, keyed:

        async def ask(query: str, **variables: Any) -> Any:
            answer = await client.post("/graphql", json={"query": query, "variables": variables})
            return answer.json()["data"]

        first = await ask("{ customers(first: 50) { nodes { id } } plans(first: 1) { nodes { id } } }")
        ids = [node["id"] for node in first["customers"]["nodes"]]
        plan = first["plans"]["nodes"][0]["id"]
        found = [
            await drive(sender, name, bodies, server, postmaster, seconds)
            for sender, name, bodies in (
                (client, "50 customers nested", [{"query": NESTED, "variables": {"first": 50}}]),
                (keyed, "the same with a key", [{"query": NESTED, "variables": {"first": 50}}]),
                (client, "1 customer nested", [{"query": ONE, "variables": {"id": each}} for each in ids]),
                (client, "100 invoices flat", [{"query": FLAT}]),
                (client, "__typename", [{"query": "{ __typename }"}]),
            )
        ]
        fresh = []
        for n in range(400):
            made = await ask(CREATE, email=f"bench-{n}-{time.time_ns()}@example.com")
            fresh.append(
                {"query": SUBSCRIBE, "variables": {"customer": made["createCustomer"]["customer"]["id"], "plan": plan}}
            )
        found.append(await drive_once(client, fresh, server, postmaster))
        return found


async def drive_once(client: httpx.AsyncClient, bodies: list[dict[str, Any]], server: int, postmaster: int) -> Measured:
    """Sends each body once: a customer can be subscribed only once."""
    times: list[float] = []
    turn = iter(bodies)
    backends = [postmaster, *children_of(postmaster)]
    before = cpu_seconds([server]), cpu_seconds(backends)

    async def loop() -> None:
        for body in turn:
            start = time.perf_counter()
            answer = await client.post("/graphql", json=body)
            times.append(time.perf_counter() - start)
            if answer.json()["data"]["createSubscription"]["userErrors"]:
                sys.exit(answer.text)

    await asyncio.gather(*(loop() for _ in range(CONNECTIONS)))
    used = cpu_seconds([server]) - before[0], cpu_seconds(backends) - before[1]
    times.sort()
    return Measured(
        "createSubscription",
        len(times),
        used[0] / len(times) * 1000,
        used[1] / len(times) * 1000,
        statistics.median(times) * 1000,
        times[int(len(times) * 0.99)] * 1000,
        0,
    )


def reference_ms() -> float:
    """How long a fixed piece of pure Python takes, at best: how fast the machine is at the moment."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        sum(range(10_000_000))
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long each operation is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with served(folder) as (url, server, postmaster, token):
            found = asyncio.run(measure(url, server, postmaster, token, arguments.seconds))
    print(f"Python {sys.version.split()[0]}, reference loop {reference_ms():.0f} ms")
    print(f"{'operation':<22}{'requests':>9}{'server ms':>11}{'postgres ms':>13}{'p50 ms':>9}{'p99 ms':>9}{'KB':>7}")
    for row in found:
        print(
            f"{row.name:<22}{row.requests:>9}{row.server_ms:>11.2f}{row.postgres_ms:>13.2f}"
            f"{row.p50_ms:>9.1f}{row.p99_ms:>9.1f}{row.kilobytes:>7.0f}"
        )


main()
