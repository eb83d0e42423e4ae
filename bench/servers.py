"""The servers to compare, each as one process on the same database."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.database import BILLING, BenchDatabase
from bench.dialects import Dialect, Floor, GraphQL, Request, Rest, wire
from bench.operations import Operation, Variables
from bench.postgraphile import DOCUMENTS
from bench.processes import confined
from tests.clients.node import installed_packages

PEERS = Path(__file__).parent / "peers"
PACKAGES = Path(__file__).parents[1] / ".tools" / "bench"
START_SECONDS = 60
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server. `{port}` in `command` is replaced by its port. `javascript` needs the packages of the peers."""

    name: str
    title: str
    command: Sequence[str]
    dialect: Dialect
    javascript: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def uvicorn(app: str) -> Sequence[str]:
    loop = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return (sys.executable, "-m", "uvicorn", app, "--port", "{port}", *loop)


KINDS = (
    Kind(
        "ours",
        "ours",
        (*BILLING, "serve", "--port", "{port}", "--no-renew"),
        GraphQL(),
        # As in production, with a rate limit too high for any load to reach: counting rows costs the same.
        environment={
            "BILLING_AUTH": "on",
            "BILLING_RATE_BURST": "2000000000",
            "BILLING_RATE_ROWS_PER_SECOND": "2000000000",
            "BILLING_WEBHOOK_PRIVATE_TARGETS": "on",
        },
    ),
    Kind(
        "postgraphile",
        "PostGraphile",
        ("node", "postgraphile.mjs"),
        GraphQL(DOCUMENTS),
        javascript=True,
        environment={"GRAPHILE_ENV": "production"},
    ),
    Kind("mercurius", "Mercurius, JIT", ("node", "mercurius.mjs"), GraphQL(), javascript=True),
    Kind("apollo", "Apollo Server", ("node", "apollo.mjs"), GraphQL(), javascript=True),
    Kind("idiomatic", "idiomatic Strawberry", uvicorn("bench.peers.idiomatic:app"), GraphQL()),
    Kind("rest", "FastAPI REST", uvicorn("bench.peers.rest:app"), Rest()),
    Kind("floor", "one statement (floor)", uvicorn("bench.peers.floor:app"), Floor()),
)


def kind_of(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    kind: Kind
    process: subprocess.Popen[bytes]
    port: int
    headers: Mapping[str, str]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def name(self) -> str:
        return self.kind.name

    def request(self, operation: Operation, variables: Variables) -> str:
        """Returns a request as text to send."""
        return wire(self.kind.dialect.request(operation, variables), self.port, self.headers)

    def ask(self, operation: Operation, variables: Variables) -> object:
        """Sends the operation and returns the data of the response."""
        return self.kind.dialect.answer(operation, self._document(self.kind.dialect.request(operation, variables)))

    def _document(self, request: Request) -> object:
        body = None if request.body is None else json.dumps(request.body).encode()
        headers = {**self.headers, "Accept": "application/json", "Content-Type": "application/json"}
        sent = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{request.path}", body, headers, method=request.method
        )
        try:
            with urllib.request.urlopen(sent, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{self.name}: {error.code} {error.read().decode()[:2000]}") from None


@contextmanager
def running(
    kinds: Sequence[Kind], database: BenchDatabase, folder: Path, processors: set[int]
) -> Iterator[list[Server]]:
    """Starts the servers on the given processors, waits until they listen, and stops them afterwards."""
    javascript = folder / "javascript"
    if any(kind.javascript for kind in kinds):
        shutil.copytree(PEERS, javascript, ignore=shutil.ignore_patterns("*.py", "*.sql", "__pycache__"))
        (javascript / "node_modules").symlink_to(installed_packages(PEERS, PACKAGES))
    with ExitStack() as stack:
        servers = [stack.enter_context(started(kind, database, folder, processors)) for kind in kinds]
        for server in servers:
            wait_for(server, folder)
        yield servers


@contextmanager
def started(kind: Kind, database: BenchDatabase, folder: Path, processors: set[int]) -> Iterator[Server]:
    port = free_port()
    headers = {}
    if tuple(kind.command[: len(BILLING)]) == BILLING:
        token = database.billing("keys", "create", "--name", "bench", "--scope", "admin")
        headers["Authorization"] = f"Bearer {token}"
    environment = {
        **os.environ,
        **database.parts,
        **kind.environment,
        "DATABASE_URL": database.url,
        "PORT": str(port),
        "NODE_ENV": "production",
    }
    command = [node() if part == "node" else part.format(port=port) for part in kind.command]
    with log_of(kind, folder).open("wb") as log, confined(processors):
        process = subprocess.Popen(
            command,
            cwd=folder / "javascript" if kind.javascript else PEERS.parents[1],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Server(kind, process, port, headers)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def node() -> str:
    """Returns the path of the Node.js binary. `node` on PATH may be a wrapper, whose CPU time says nothing."""
    asked = subprocess.run(["node", "-p", "process.execPath"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def log_of(kind: Kind, folder: Path) -> Path:
    return folder / f"{kind.name}.log"


def wait_for(server: Server, folder: Path) -> None:
    """Returns when the server listens. Exits if it does not start in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{server.kind.title} does not listen: {log_of(server.kind, folder).read_text()}")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
