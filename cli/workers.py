"""Several worker processes on one socket."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from socket import socket
from time import monotonic
from types import FrameType
from weakref import WeakKeyDictionary

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

logger = logging.getLogger("billing.workers")

START_SECONDS = 60
"""Maximum time from the start of a worker to its first health check response, in seconds."""


@dataclass(slots=True)
class WorkerHealth:
    """Health checks of a worker. It is asked once while it starts, and regularly after its first response."""

    since: float = field(default_factory=monotonic)
    asked: bool = False
    answered: bool = False


class Workers(Multiprocess):
    """uvicorn's supervisor, which replaces workers that die, with the shutdown behavior of a single-process server.

    Passes SIGTERM on immediately instead of at the next check for signals, and closes the socket before the last worker
    exits, since new requests would otherwise wait in a queue that nobody serves. Gives a worker a minute to start, and
    logs each replacement.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._told: set[int] = set()
        self._health: WeakKeyDictionary[Process, WorkerHealth] = WeakKeyDictionary()
        signal.signal(signal.SIGTERM, self._pass_on)

    def init_processes(self) -> None:
        with held_interrupts():
            super().init_processes()

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.signal_queue.append(number)
        for pid in [process.pid for process in self.processes]:
            if pid is not None and is_signalled(pid, number):
                self._told.add(pid)

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        for process in self.processes:
            # A second signal would skip the delay in which load balancers see that `/ready` returns 503.
            if process.pid not in self._told:
                process.terminate()

    def keep_subprocess_alive(self) -> None:
        for index, process in enumerate(self.processes):
            reason = self._reason_to_replace(process)
            if reason is None or self.should_exit.is_set():
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                logger.error(
                    "a worker failed to start: the server is shutting down", extra={"facts": {"pid": process.pid}}
                )
                self.should_exit.set()
                return
            logger.warning("replacing a worker", extra={"facts": {"pid": process.pid, "reason": reason}})
            self.processes[index] = Process(self.config, self.sockets)
            with held_interrupts():
                self.processes[index].start()

    def _reason_to_replace(self, process: Process) -> str | None:
        """Returns the reason to replace a worker, or None if it is healthy or still starting."""
        if not process.process.is_alive():
            return describe_exit(process.exitcode)
        health = self._health.setdefault(process, WorkerHealth())
        if health.answered:
            seconds = self.config.timeout_worker_healthcheck
            return None if process.ping(seconds) else f"it has not responded for {seconds} s"
        try:
            if not health.asked:
                process.parent_conn.send(b"ping")
                health.asked = True
            if process.parent_conn.poll():
                process.parent_conn.recv()
                health.answered = True
        except (OSError, EOFError):
            return "its health check cannot be sent"
        late = not health.answered and monotonic() - health.since > START_SECONDS
        return f"it did not start within {START_SECONDS} s" if late else None


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Holds SIGINT back during the block, and in processes that it starts until they call `release_interrupts`.

    Ctrl-C reaches all processes. A worker that is still importing would print a `KeyboardInterrupt`.
    """
    # Starting the tracker later would end the block of the signal.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        release_interrupts()


def release_interrupts() -> None:
    """Lets SIGINT through, including one that was held back. Call it once a process handles the signal."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def describe_exit(exit_code: int | None) -> str:
    """Returns a description of the exit of a process."""
    if exit_code is not None and exit_code < 0:
        return f"it was killed by {signal.Signals(-exit_code).name}"
    return f"it exited with code {exit_code}"


def is_signalled(pid: int, number: int) -> bool:
    """Sends the signal. Returns False if the process does not exist."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
