"""Serving: the socket, the processes that share it, and what is printed at the start."""

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys

import uvicorn
from rich.console import Console
from starlette.applications import Starlette

from cli.errors import CommandError
from cli.settings import read_settings
from cli.workers import Workers
from db.database import Database
from db.server import DatabaseServer
from graph.app import create_app
from graph.trusted import TrustedDocumentsError

GRACEFUL_SHUTDOWN_SECONDS = 20
"""What is under way has so long to be finished. With what comes before and after, a server ends within 25 seconds."""

PR_SET_PDEATHSIG = 1
COLLECTOR_THRESHOLDS = (50_000, 20, 10)
"""Objects that are made before the young are looked at; and how often, before older ones are."""

RENEW_SECONDS = "_BILLING_RENEW_SECONDS"
"""Tells the worker processes how often to look for what is due."""


def serve_forever(
    server: DatabaseServer,
    listening: socket.socket,
    *,
    workers: int,
    renew_every: float | None,
    console: Console,
) -> None:
    """Serves on `listening` until SIGINT or SIGTERM ends it, and returns. The database is migrated and stays there.

    Each process looks for what is due every `renew_every` seconds; never, where that is None.
    """
    os.environ["DATABASE_URL"] = server.url
    os.environ[RENEW_SECONDS] = "" if renew_every is None else str(renew_every)
    config = uvicorn.Config(
        "cli.serve:worker_app",
        factory=True,
        workers=workers,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        lifespan="on",
    )
    url = address_of(listening)
    console.print(f"Playground  {url}/graphql")
    console.print(f"Health      {url}/health  /health/db  /ready")
    console.print(f"Renewals    {'off' if renew_every is None else f'every {renew_every:g} s'}")
    console.print("Stop with Ctrl-C.")
    # uvicorn raises the signal that ended it once more when it is done: we go on from there, and exit with 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    # What is wrong with settings or program shows here: a supervisor would start such workers again without end.
    worker_app()
    if workers == 1:
        uvicorn.Server(config).run(sockets=[listening])
    else:
        Workers(config, [listening]).run()


def worker_app() -> Starlette:
    """The server of one process, over the database that DATABASE_URL names."""
    supervisor = multiprocessing.parent_process()
    if sys.platform == "linux" and supervisor is not None:
        # A worker whose supervisor was killed would serve on, and hold the port against the next start.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor.pid:
            sys.exit(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    every = os.environ.get(RENEW_SECONDS)
    try:
        app = create_app(
            Database(os.environ["DATABASE_URL"]),
            settings=read_settings(),
            renew_every=float(every) if every else None,
        )
    except TrustedDocumentsError as error:
        raise CommandError(str(error)) from None
    spare_the_collector()
    return app


def spare_the_collector() -> None:
    """Keeps the garbage collector from looking at what stays: the schema, and all that is imported.

    And has it look less often: an answer makes many objects, and hardly any that refer to each other in circles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on the address. Raises a `CommandError` that says why there is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CommandError(f"{host!r} is no address to listen on: {error.strerror}.") from None
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
