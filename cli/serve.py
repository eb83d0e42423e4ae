"""Serving: the listening socket, the worker processes that share it, and the startup messages."""

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

from cli.bounded_websocket import BoundedWebSocket
from cli.environment import FROM_FILE
from cli.errors import CommandError
from cli.logs import configure_logs
from cli.settings import Configuration, environment_of, read_configuration
from cli.slow_clients import BoundedProtocol
from cli.tracing import exporters_of, start_tracing
from cli.workers import Workers, release_interrupts
from db.database import Database
from db.location import DatabaseServer
from graph.observability import METRICS_FOLDER
from graph.server.app import create_app
from graph.server.trusted import TrustedDocumentsError
from graph.server.websocket import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from graph.observability.tracing import Tracing

GRACEFUL_SHUTDOWN_SECONDS = 17
"""Maximum time for requests in progress on shutdown, in seconds. The whole shutdown takes at most 25 seconds."""

KEEP_ALIVE_SECONDS = 75
"""Time that an idle connection stays open, in seconds. Longer than the keep-alive of common proxies, which could
otherwise send a request on a connection that is just being closed.
"""

PR_SET_PDEATHSIG = 1
COLLECTOR_THRESHOLDS = (50_000, 20, 10)
"""Thresholds for `gc.set_threshold`: new objects per young collection, and collections per older generation."""


def serve_forever(
    server: DatabaseServer, listening: socket.socket, configuration: Configuration, *, console: Console
) -> None:
    """Serves on `listening` until SIGINT or SIGTERM, then returns. The database must be running and migrated.

    Each process reads the settings from the environment, into which this function writes the options. The URL of the
    database is passed separately.
    """
    # The server's URL is complete. Other users can read the environment, so the password in the URL stays out of it.
    os.environ.update(environment_of(replace(configuration, database_url=None, pgbouncer=False)))
    for name in ("DATABASE_URL", "DATABASE_URL" + FROM_FILE):
        os.environ.pop(name, None)
    config = uvicorn.Config(
        WorkerApp(server.url),
        factory=True,
        http=BoundedProtocol,
        ws=BoundedWebSocket,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
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
    console.print(f"Dashboard   {url}")
    console.print(f"Playground  {url}/graphql")
    console.print(f"Health      {url}/health  /health/db  /ready")
    console.print(f"Renewals    {f'every {configuration.renew_every:g} s' if configuration.renew else 'off'}")
    console.print("Stop with Ctrl-C.")
    # Handles signals from here on, even before the server runs. When uvicorn has shut down, it raises the signal again,
    # which reaches the same handlers: the process continues after `serving()` and exits with 0.
    serving = runner_of(config, listening)
    configure_logs(sys.stdout)
    with shared_metrics(configuration):
        # Finds invalid settings and bugs before workers start, because a supervisor would restart such workers forever.
        # This application serves nothing, so its metrics are off.
        exporters_of()
        app_of(replace(read_configuration(), database_url=server.url, metrics=False))
        serving()


def runner_of(config: uvicorn.Config, listening: socket.socket) -> Callable[[], None]:
    """Returns a function that serves until SIGINT or SIGTERM. Signals count from now on, even before it is called."""
    if config.workers > 1:
        return Workers(config, [listening]).run
    server = uvicorn.Server(config)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    return partial(server.run, sockets=[listening])


def exit_on_sigterm() -> None:
    """Makes SIGTERM raise `SystemExit`, so that the process cleans up before it exits, as with Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


@contextmanager
def shared_metrics(configuration: Configuration) -> Iterator[None]:
    """Provides the folder in which workers share their metrics, so that each worker can report those of all."""
    if not configuration.metrics or configuration.workers == 1:
        os.environ.pop(METRICS_FOLDER, None)
        yield
        return
    with TemporaryDirectory(prefix="billing-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        yield


@dataclass(frozen=True, slots=True)
class WorkerApp:
    """Creates the application of a server process. Workers receive this object, with its URL, through a pipe."""

    database_url: str = field(repr=False)

    def __call__(self) -> Starlette:
        return worker_app(self.database_url)


def worker_app(database_url: str) -> Starlette:
    supervisor = multiprocessing.parent_process()
    if sys.platform == "linux" and supervisor is not None:
        # Without this, a worker would survive a killed supervisor and keep the port in use.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor.pid:
            sys.exit(1)
    # By now, uvicorn handles the signal.
    release_interrupts()
    configure_logs(sys.stdout)
    configuration = replace(read_configuration(), database_url=database_url)
    BoundedProtocol.read_timeout_seconds = configuration.max_read_seconds
    app = app_of(configuration, tracing=start_tracing())
    tune_garbage_collector()
    return app


def app_of(configuration: Configuration, *, tracing: "Tracing | None" = None) -> Starlette:
    assert configuration.database_url is not None, "serve_forever names it"
    try:
        return create_app(
            Database(configuration.database_url, configuration.of_database()),
            settings=configuration.of_server(),
            renew_every=configuration.renew_every if configuration.renew else None,
            throttle=configuration.throttle(),
            deliver=configuration.deliver,
            tracing=tracing,
        )
    except TrustedDocumentsError as error:
        raise CommandError(str(error)) from None


def tune_garbage_collector() -> None:
    """Makes the garbage collector skip the schema and all imported modules, which are never freed.

    It also runs less often: a response creates many objects, but hardly any reference cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on the address. Raises `CommandError` with the reason if that fails."""
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
        # Two servers can bind the same port until one of them listens.
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
