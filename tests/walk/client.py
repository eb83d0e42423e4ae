"""HTTP client of the walk: sends requests and classifies their outcomes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.faults.processes import children_of
from tests.support import PATIENCE_SECONDS
from tests.walk import defects
from tests.walk.postgres import Postgres

ROOT = Path(__file__).parents[2]
RETRYABLE = "UNAVAILABLE"
MOST_TRIES = 20


class Failed(AssertionError):
    """The server violated a rule."""


class Unknown(Exception):
    """The request may or may not have been executed: there was no response, or it does not tell."""


class Client:
    """Client of a server under test. Starts that server."""

    def __init__(self, postgres: Postgres, *, defect: str | None = None, causes_faults: bool = True) -> None:
        self.causes_faults = causes_faults
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.now = datetime.min.replace(tzinfo=UTC)
        self.database = ""
        self.fired: Counter[str] = Counter()
        self._log = postgres.data.parent / "server.log"
        self._revive = postgres.revive
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.walk.server", str(self.port), str(postgres.data)],
                cwd=ROOT,
                env={**os.environ, defects.VARIABLE: defect or ""},
                stdout=output,
                stderr=output,
            )
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """Returns the end of the server's log."""
        return self._log.read_text(errors="replace")[-4000:]

    def kill_server(self) -> None:
        """Kills the process that serves requests. Its supervisor starts another one."""
        for pid in children_of(self._process.pid):
            os.kill(pid, signal.SIGKILL)

    def mutate(
        self, name: str, selection: str, fields: dict[str, Any], *, fault: str | None = None, token: str | None = None
    ) -> Any:
        """Sends a mutation and returns its payload. Raises `Unknown`, and `Failed` for an unexpected error."""
        input_type = f"{name[0].upper()}{name[1:]}Input"
        query = (
            f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ {selection} "
            "userErrors { code message field } } }"
        )
        return self.ask(query, fault=fault, token=token, input=fields)[name]

    def ask(self, query: str, *, fault: str | None = None, token: str | None = None, **variables: Any) -> Any:
        """Returns the `data` of the response. Raises `Unknown`, `Denied` or `Failed`."""
        answer = self.post("/graphql", {"query": query, "variables": variables}, fault=fault, token=token)
        document = answer.json()
        if "errors" not in document and answer.status_code == 200:
            return document["data"]
        codes = {error["extensions"]["code"] for error in document.get("errors", ())}
        if codes == {RETRYABLE}:
            raise Unknown(document)
        if codes & {"FORBIDDEN", "UNAUTHENTICATED"}:
            raise Denied(codes.pop())
        raise Failed(f"{query}\n{variables}\n{answer.status_code} {document}\n{self.log()}")

    def query(self, query: str, **variables: Any) -> Any:
        """Returns the `data` of the response to a query. Retries, because dead connections are only
        noticed when used.
        """
        for _ in range(MOST_TRIES):
            try:
                return self.ask(query, **variables)
            except Unknown as unknown:
                last = unknown
                self.recover()
        raise Failed(f"No answer to {query}: {last}\n{self.log()}")

    def recover(self) -> None:
        """Restarts the database if it was killed, and waits until the server is ready."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._revive()
            if self.is_ready():
                return
            time.sleep(0.01)
        raise Failed(f"The server is not ready again.\n{self.log()}")

    def is_ready(self) -> bool:
        try:
            return self._http.get("/ready", headers=self._headers()).status_code == 200
        except httpx.TransportError:
            return False

    def tick(self, *, fault: str | None = None) -> None:
        """Makes the server do its background work. Raises `Unknown`, and `Failed` for an unexpected error."""
        answer = self.post("/tick", {}, fault=fault)
        if answer.status_code == 503:
            raise Unknown(answer.text)
        if answer.status_code != 200:
            raise Failed(f"A run ends with {answer.text}\n{self.log()}")

    def post(
        self, path: str, body: dict[str, Any], *, fault: str | None = None, token: str | None = None
    ) -> httpx.Response:
        headers = self._headers()
        fault = fault if self.causes_faults else None
        if fault:
            headers["walk-fault"] = fault
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._http.post(path, json=body, headers=headers)
        except httpx.TransportError as error:
            self.note(fault)
            raise Unknown(repr(error)) from None
        if answer.headers.get("walk-fired") == "yes":
            self.note(fault)
        return answer

    def _headers(self) -> dict[str, str]:
        return {"walk-now": self.now.isoformat(), "walk-database": self.database}

    def note(self, fault: str | None) -> None:
        if fault:
            moment, _, action = fault.split(", ")
            self.fired[f"{action}, {moment}"] += 1


class Denied(Exception):
    """The token does not allow this. Carries the code of the top-level error."""
