"""Chaos test (`./dev chaos`): sends load to servers while they and PostgreSQL are killed, paused and restarted.

Two servers share one embedded PostgreSQL. Faults come at a fixed interval, in an order drawn from the seed: each kind
once before any kind is repeated. At the end, the database must contain exactly once everything that was acknowledged to
clients.
"""

import argparse
import asyncio
import random
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from bench.processes import resident_bytes
from db.database import single_connection
from db.embedded import EmbeddedPostgres
from tests.faults.frontends import (
    Frontend,
    NotAnsweredError,
    Record,
    assert_nothing_is_lost_or_doubled,
    offer,
    visit,
)
from tests.faults.processes import Server, Servers, children_of, postmaster_of, send, until
from tests.folders import roomy_memory

END_SECONDS = 25
SAMPLE_SECONDS = 1
MEGABYTE = 2**20


@dataclass
class Chaos:
    """Servers under load, and the faults they suffer. All randomness comes from `draw`."""

    data: Path
    servers: Servers
    draw: random.Random
    say: Callable[[str], None]
    record: Record = field(default_factory=Record)
    memory: list[int] = field(default_factory=list)
    """Memory of the largest serving process in bytes, sampled once a second."""
    pair: list[Server] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    """Duration in seconds of the slowest attempt in each interval between two faults."""
    faults: int = 0

    async def start(self) -> None:
        common = ("--data-dir", str(self.data), "--renew-every", "0.5")
        self.pair = [await self.servers.start(*common, "--workers", "2"), await self.servers.start(*common)]
        with EmbeddedPostgres(self.data) as postgres:
            self.url = postgres.url

    async def go_on(self, *, connections: int, seconds: float, every: float) -> None:
        """Sends load for `seconds`, or longer until the last fault is over. Causes a fault every `every` seconds."""
        urls = [server.url for server in self.pair]
        frontends = [Frontend(urls, self.record, first=number) for number in range(connections)]
        plans = await offer(frontends[0])
        ends_at = time.monotonic() + seconds

        async def visit_again(frontend: Frontend, draw: random.Random) -> None:
            while time.monotonic() < ends_at or not faults.done():
                try:
                    await visit(frontend, plans, draw)
                except NotAnsweredError:
                    # The record counts it as a failure; the other clients continue.
                    continue

        async with asyncio.TaskGroup() as tasks:
            faults = tasks.create_task(self.befall(ends_at, every))
            for frontend in frontends:
                tasks.create_task(visit_again(frontend, random.Random(self.draw.random())))
            tasks.create_task(self.watch_memory(ends_at))
        for frontend in frontends:
            await frontend.close()

    async def befall(self, ends_at: float, every: float) -> None:
        """Causes a fault every `every` seconds. Leaves time to recover after the last one."""
        bag: list[Callable[[], Awaitable[str]]] = []
        began = time.monotonic()
        while (next_at := began + every * (self.faults + 1)) < ends_at - every / 2:
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            if not bag:
                bag = self.draw.sample(self.kinds(), len(self.kinds()))
            fault_at = time.monotonic()
            what = await bag.pop()()
            for server in self.pair:
                await server.ready()
            now = time.monotonic()
            self.faults += 1
            self.say(
                f"{now - began:6.1f} s  {what}; both ready after {now - fault_at:.1f} s; {self.record.answered}"
                f" mutations, the slowest attempt since the last fault took {self.record.slowest_attempt:.1f} s"
            )
            self.slowest.append(self.record.slowest_attempt)
            self.record.slowest_attempt = 0.0

    def kinds(self) -> list[Callable[[], Awaitable[str]]]:
        return [
            self.kill_server,
            self.kill_worker,
            self.kill_postgres,
            self.kill_backend,
            self.restart_server,
            self.pause_server,
            self.pause_postgres,
            self.terminate_backends,
        ]

    async def kill_server(self) -> str:
        server = self.draw.choice(self.pair)
        owned = postmaster_of(self.data) in children_of(server.pid)
        send(processes_of(server), signal.SIGKILL)
        await server.ended()
        await self.again(server)
        return f"kill -9 of server {self.pair.index(server)}, which {'ran' if owned else 'used'} PostgreSQL"

    async def kill_worker(self) -> str:
        send([self.draw.choice(self.pair[0].workers())], signal.SIGKILL)
        return "kill -9 of a worker"

    async def restart_server(self) -> str:
        server = self.draw.choice(self.pair)
        began = time.monotonic()
        server.send(signal.SIGTERM)
        code = await server.ended()
        took = time.monotonic() - began
        if code != 0 or took > END_SECONDS:
            self.record.failures.append(f"SIGTERM: exit code {code} after {took:.1f} s")
        await self.again(server)
        return f"SIGTERM to server {self.pair.index(server)}, which ended after {took:.1f} s"

    async def pause_server(self) -> str:
        server, seconds = self.draw.choice(self.pair), self.draw.uniform(1, 4)
        await self.pause(processes_of(server), seconds)
        return f"server {self.pair.index(server)} paused for {seconds:.1f} s"

    async def kill_postgres(self) -> str:
        send(self.postgres(), signal.SIGKILL)
        return "kill -9 of PostgreSQL with all its processes"

    async def kill_backend(self) -> str:
        send([self.draw.choice(self.postgres()[1:])], signal.SIGKILL)
        return "kill -9 of a process of PostgreSQL"

    async def pause_postgres(self) -> str:
        seconds = self.draw.uniform(0.5, 3)
        await self.pause(self.postgres(), seconds)
        return f"PostgreSQL paused for {seconds:.1f} s"

    async def terminate_backends(self) -> str:
        async with single_connection(self.url) as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing'"
            found = (await connection.execute(text(others))).all()
        return f"pg_terminate_backend for {len(found)} connections"

    def postgres(self) -> list[int]:
        """Returns the ids of all PostgreSQL processes, the postmaster first."""
        postmaster = postmaster_of(self.data)
        assert postmaster is not None
        return [postmaster, *children_of(postmaster)]

    async def pause(self, pids: Sequence[int], seconds: float) -> None:
        send(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            send(pids, signal.SIGCONT)

    async def again(self, server: Server) -> None:
        """Restarts a server that has exited, as its supervisor would."""
        server.start()
        await server.ready()

    async def watch_memory(self, ends_at: float) -> None:
        """Records the memory of the largest serving process once a second."""
        while time.monotonic() < ends_at:
            sizes = [size for server in self.pair if server.runs for size in map(size_of, server.workers())]
            if sizes:
                self.memory.append(max(sizes))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def settle(self) -> None:
        """Waits until the servers have finished their background work."""

        async def has_settled() -> bool:
            async with single_connection(self.url) as connection:
                on_their_way = "SELECT count(*) FROM test_clocks WHERE status = 'ADVANCING'"
                return bool(await connection.scalar(text(on_their_way)) == 0)

        await until(has_settled, what="test clocks arrive")


def processes_of(server: Server) -> list[int]:
    """Returns the process ids of a server and its workers, without its embedded PostgreSQL."""
    return [server.pid, *(worker for worker in server.workers() if worker != server.pid)]


def size_of(pid: int) -> int:
    """Returns the memory of a process in bytes, or 0 if it has exited."""
    try:
        return resident_bytes(pid)
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0


async def run(
    folder: Path, *, seconds: float, every: float, connections: int, seed: int, say: Callable[[str], None]
) -> Chaos:
    """Runs the chaos test in a folder that PostgreSQL's user can access.

    Raises `AssertionError` if anything was lost, duplicated or failed.
    """
    servers = Servers(folder)
    chaos = Chaos(folder / "data", servers, random.Random(seed), say)
    try:
        await chaos.start()
        await chaos.go_on(connections=connections, seconds=seconds, every=every)
        await chaos.settle()
        await assert_nothing_is_lost_or_doubled(chaos.url, chaos.record, folder)
    finally:
        servers.end()
    return chaos


def summary(chaos: Chaos) -> str:
    record = chaos.record
    third = max(1, len(chaos.memory) // 3)
    parts = (chaos.memory[:third], chaos.memory[third : 2 * third], chaos.memory[2 * third :])
    sizes = ", ".join(
        f"{statistics.median(part) / MEGABYTE:.0f} ({max(part) / MEGABYTE:.0f})" for part in parts if part
    )
    slowest = max([*chaos.slowest, record.slowest_attempt])
    again = ", ".join(f"{count} {reason}" for reason, count in record.sent_again.most_common())
    return (
        f"Faults        {chaos.faults}\n"
        f"Mutations     {record.answered} acknowledged; sent again: {again or 'none'}\n"
        f"Slowest       {slowest:.1f} s an attempt, {record.slowest_answer:.1f} s until acknowledged\n"
        f"Memory        {sizes} MB: median and most of the largest process, by thirds of the time\n"
        f"Verified      {len(record.acknowledged)} objects are there, none is there twice, and `billing verify` holds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="./dev chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long the load lasts")
    parser.add_argument("--every", type=float, default=10, help="seconds from one fault to the next")
    parser.add_argument("--connections", type=int, default=64, help="clients, each with a connection of its own")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of the faults; by default any")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="billing-chaos-", dir=roomy_memory()))
    # When run as root, PostgreSQL runs as another user, who needs access.
    folder.chmod(0o711)
    say(f"Seed          {arguments.seed}, in {folder}")
    try:
        chaos = asyncio.run(run(folder, **vars(arguments), say=say))
    except AssertionError as error:
        sys.exit(f"error: {error}\nWhat the servers said, and the data, is in {folder}.")
    say(summary(chaos))
    shutil.rmtree(folder)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
