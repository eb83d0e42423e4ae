"""Reads docker-compose.yml as Docker would, and runs its PostgreSQL with the embedded server's programs."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from db.embedded import binaries
from db.embedded.os_user import server_account, spawn
from tests.containers.dockerfile import REPOSITORY
from tests.support import PATIENCE_SECONDS

COMPOSE = REPOSITORY / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def read_compose(variables: Mapping[str, str] | None = None) -> Any:
    """Returns the parsed file, with `variables` as the contents of `.env`."""
    given = variables or {}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        if isinstance(value, str):
            return VARIABLE.sub(lambda found: given.get(found[1]) or found[2], value)
        return value

    return filled(yaml.safe_load(COMPOSE.read_text()))


@dataclass(frozen=True, slots=True)
class ComposePostgres:
    """The service `postgres`, on a port of 127.0.0.1."""

    port: int
    user: str
    password: str
    database: str

    async def ask(self, question: str) -> asyncpg.Record:
        """Returns the only row of the result."""
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=self.user, password=self.password, database=self.database
        )
        try:
            [row] = await connection.fetch(question)
        finally:
            await connection.close()
        return row


@contextmanager
def compose_postgres(service: Any, folder: Path) -> Iterator[ComposePostgres]:
    """Creates and runs the PostgreSQL described by the service's environment, as its image would.

    Uses `folder`, which must not exist yet.
    """
    account, environment, port = server_account(), service["environment"], free_port()
    user, password = environment["POSTGRES_USER"], environment["POSTGRES_PASSWORD"]
    folder.mkdir()
    os.chown(folder, account.uid, account.gid)
    password_file = folder / "password"
    password_file.write_text(password)
    data = str(folder / "data")

    def program(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return spawn(account, [str(binaries() / name), *arguments], output=subprocess.PIPE)

    asked = environment["POSTGRES_INITDB_ARGS"].split()
    as_the_image_does = (f"--username={user}", f"--pwfile={password_file}", "--auth-host=scram-sha-256")
    finish(program("initdb", "-D", data, "--no-sync", *as_the_image_does, *asked))
    server = program("postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off")
    try:
        check = [f"--port={port}" if word.startswith("--dbname=") else word for word in service["healthcheck"]["test"]]
        assert check[0] == "CMD"
        await_success([str(binaries() / check[1]), *check[2:]], server)
        create = ("createdb", "--host=127.0.0.1", f"--port={port}", f"--username={user}", environment["POSTGRES_DB"])
        subprocess.run(
            [str(binaries() / create[0]), *create[1:]], check=True, env={"PGPASSWORD": password}, capture_output=True
        )
        yield ComposePostgres(port, user, password, environment["POSTGRES_DB"])
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE_SECONDS)


def finish(process: subprocess.Popen[bytes]) -> None:
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output.decode()


def await_success(command: list[str], server: subprocess.Popen[bytes], **options: Any) -> None:
    """Repeats `command` until it succeeds, like a Docker health check. Fails if the server exits or after a timeout."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        check = subprocess.run(command, check=False, capture_output=True, text=True, **options)
        if check.returncode == 0:
            return
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < give_up_at, f"not healthy yet: {check.stderr}"
        time.sleep(0.25)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
