"""Serving: the processes, the socket they share, and what is printed at the start."""

import os
import socket

import uvicorn
from rich.console import Console
from uvicorn.supervisors import Multiprocess

from db.server import DatabaseServer

GRACEFUL_SHUTDOWN_SECONDS = 25
PR_SET_PDEATHSIG = 1


class ServeError(Exception):
    """The server cannot start. The message is one line for the person who started it."""


def serve_forever(server: DatabaseServer, *, host: str, port: int, workers: int, console: Console) -> None:
    """Serves until a signal ends it. The database is migrated and stays there meanwhile. Raises `ServeError`."""
    listening = bind(host, port)
    os.environ["DATABASE_URL"] = server.url
    config = uvicorn.Config(
        "graph.app:app_from_environment",
        factory=True,
        workers=workers,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        lifespan="on",
    )
    shown = f"[{host}]" if ":" in host else host
    console.print(f"Playground  http://{shown}:{port}/graphql", markup=False)
    console.print(f"Health      http://{shown}:{port}/health  /health/db  /ready", markup=False)
    console.print("Stop with Ctrl-C.")
    with listening:
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            Multiprocess(config, [listening]).run()


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on the address, or a `ServeError` that says why there is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ServeError(f"{host!r} is no address to listen on: {error.strerror}.") from None
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port."
        ) from None
    listening.set_inheritable(True)
    return listening
