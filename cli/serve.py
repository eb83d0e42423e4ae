"""Serving: the socket, the processes that share it, and what is printed at the start."""

import ctypes
import gc
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import uvicorn
from rich.console import Console
from starlette.applications import Starlette

from cli.environment import FROM_FILE
from cli.errors import CommandError
from cli.logs import configure_logs
from cli.settings import Configuration, environment_of, read_configuration
from cli.slow_clients import PatientProtocol
from cli.tracing import exporters_of, start_tracing
from cli.workers import Workers
from db.database import Database
from db.location import DatabaseServer
from graph.observability import METRICS_FOLDER
from graph.server.app import create_app
from graph.server.trusted import TrustedDocumentsError

if TYPE_CHECKING:
    from graph.observability.tracing import Tracing

GRACEFUL_SHUTDOWN_SECONDS = 17
"""What is under way has so long to be finished. With what comes before and after, a server ends within 25 seconds."""

KEEP_ALIVE_SECONDS = 75
"""So long a connection stays open on which nothing is asked: longer than proxies keep one, which else would send a
request on one that is just being closed.
"""

PR_SET_PDEATHSIG = 1
COLLECTOR_THRESHOLDS = (50_000, 20, 10)
"""Objects that are made before the young are looked at; and how often, before older ones are."""


def serve_forever(
    server: DatabaseServer, listening: socket.socket, configuration: Configuration, *, console: Console
) -> None:
    """Serves on `listening` until SIGINT or SIGTERM ends it, and returns. The database is migrated and stays there.

    Each process reads what is in force from the environment, where options are added to it, but for the address of the
    database, which it is handed.
    """
    # The URL says already what it leads to. It stays out of the environment, which others can read: it has a password.
    os.environ.update(environment_of(replace(configuration, database_url=None, pgbouncer=False)))
    for name in ("DATABASE_URL", "DATABASE_URL" + FROM_FILE):
        os.environ.pop(name, None)
    config = uvicorn.Config(
        WorkerApp(server.url),
        factory=True,
        http=PatientProtocol,
        ws="none",
        workers=configuration.workers,
        log_level="warning",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        lifespan="on",
    )
    url = address_of(listening)
    console.print(f"Playground  {url}/graphql")
    console.print(f"Health      {url}/health  /health/db  /ready")
    console.print(f"Renewals    {f'every {configuration.renew_every:g} s' if configuration.renew else 'off'}")
    console.print("Stop with Ctrl-C.")
    # It hears signals from here on, before it runs. uvicorn raises the one that ended it once more when it is done, and
    # it hears that as well: we go on from there, and exit with 0.
    serving = runner_of(config, listening)
    configure_logs(sys.stdout)
    with shared_metrics(configuration):
        # What is wrong with settings or program shows here: a supervisor would start such workers again without end.
        # It serves nothing, and is not to be among those that are counted.
        exporters_of()
        app_of(replace(read_configuration(), database_url=server.url, metrics=False))
        serving()


def runner_of(config: uvicorn.Config, listening: socket.socket) -> Callable[[], None]:
    """What serves until SIGINT or SIGTERM ends it, which it notes from now on: run after one, it ends at once."""
    if config.workers > 1:
        return Workers(config, [listening]).run
    server = uvicorn.Server(config)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    return partial(server.run, sockets=[listening])


def end_on_sigterm() -> None:
    """Has SIGTERM end the process in good order, as Ctrl-C does, and not at once."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


@contextmanager
def shared_metrics(configuration: Configuration) -> Iterator[None]:
    """A folder in which several workers keep what they count, so that each can tell the figures of all."""
    if not configuration.metrics or configuration.workers == 1:
        os.environ.pop(METRICS_FOLDER, None)
        yield
        return
    with TemporaryDirectory(prefix="billing-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        yield


@dataclass(frozen=True, slots=True)
class WorkerApp:
    """Makes the server of one process, over the database at this URL. A worker gets it by a pipe."""

    database_url: str = field(repr=False)

    def __call__(self) -> Starlette:
        return worker_app(self.database_url)


def worker_app(database_url: str) -> Starlette:
    supervisor = multiprocessing.parent_process()
    if sys.platform == "linux" and supervisor is not None:
        # A worker whose supervisor was killed would serve on, and hold the port against the next start.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor.pid:
            sys.exit(1)
    configure_logs(sys.stdout)
    configuration = replace(read_configuration(), database_url=database_url)
    PatientProtocol.patience_seconds = configuration.max_read_seconds
    app = app_of(configuration, tracing=start_tracing())
    spare_the_collector()
    return app


def app_of(configuration: Configuration, *, tracing: "Tracing | None" = None) -> Starlette:
    assert configuration.database_url is not None, "serve_forever names it"
    try:
        return create_app(
            Database(configuration.database_url, configuration.of_database()),
            settings=configuration.of_server(),
            renew_every=configuration.renew_every if configuration.renew else None,
            brake=configuration.brake(),
            tracing=tracing,
        )
    except TrustedDocumentsError as error:
        raise CommandError(str(error)) from None


def spare_the_collector() -> None:
    """Keeps the garbage collector from looking at what stays: the schema, and all that is imported.

    And has it look less often: an answer makes many objects, and hardly any that refer to each other in circles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the address. Raises a `CommandError` that says why there is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CommandError(f"{host!r} is not an address to listen on: {error.strerror}.") from None
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        # Two servers can bind one port until one of them listens.
        listening.listen()
    except OSError as error:
        listening.close()
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port."
        ) from None
    listening.set_inheritable(True)
    return listening


def address_of(listening: socket.socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
