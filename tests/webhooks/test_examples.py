"""The receivers in `examples/webhooks`, as programs that get webhooks from a server."""

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from db.database import Database
from tests.clients.node import installed_packages, run
from tests.faults.processes import free_port
from tests.support import NOW, PATIENCE_SECONDS, Api, TestClock
from tests.webhooks.conftest import an_endpoint, deliveries, delivering, until_attempted

EXAMPLES = Path(__file__).parents[2] / "examples" / "webhooks"


@asynccontextmanager
async def running(command: list[str], folder: Path, secret: str, port: int) -> AsyncIterator[None]:
    """Runs a receiver until the end of the block."""
    files = {"WEBHOOK_DATABASE": str(folder / "webhooks.db"), "WEBHOOK_FILE": str(folder / "webhooks.jsonl")}
    environment = {**os.environ, **files, "WEBHOOK_SECRET": secret, "PORT": str(port)}
    said = folder / "receiver.log"
    with said.open("w") as output:
        # A group of its own: `node` may be a script that starts the real one.
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not re.search(r"on http://\S+", said.read_text()):
                assert process.poll() is None, said.read_text()
                await asyncio.sleep(0.05)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def python_receiver(_folder: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "receiver.py")]


def typescript_receiver(folder: Path) -> list[str]:
    """Compiles the receiver with strict types, as its comment says."""
    packages = installed_packages()
    shutil.copy(EXAMPLES / "receiver.ts", folder)
    (folder / "node_modules").symlink_to(packages)
    (folder / "package.json").write_text('{"type": "module"}')
    options = ("--strict", "--module", "nodenext", "--target", "es2022", "--types", "node", "--skipLibCheck")
    compiled = run("node_modules/.bin/tsc", *options, "receiver.ts", folder=folder)
    assert compiled.returncode == 0, compiled.stdout
    return ["node", str(folder / "receiver.js")]


def kept_by_python(folder: Path) -> tuple[set[str], dict[str, int]]:
    with sqlite3.connect(folder / "webhooks.db") as database:
        ids = {row[0] for row in database.execute("SELECT id FROM messages")}
        return ids, dict(database.execute("SELECT id, version FROM objects").fetchall())


def kept_by_typescript(folder: Path) -> tuple[set[str], dict[str, int]]:
    lines = [json.loads(line) for line in (folder / "webhooks.jsonl").read_text().splitlines()]
    ids = [line["id"] for line in lines]
    assert len(ids) == len(set(ids)), "each message is kept once"
    newest: dict[str, int] = {}
    for line in lines:
        changed = line["message"]["data"]
        newest[changed["objectId"]] = max(changed["version"], newest.get(changed["objectId"], 0))
    return set(ids), newest


@pytest.mark.parametrize(
    ("receiver", "kept"),
    [(python_receiver, kept_by_python), (typescript_receiver, kept_by_typescript)],
    ids=["python", "typescript"],
)
async def test_a_receiver_keeps_each_message_once(
    api: Api, database: Database, tmp_path: Path, receiver: object, kept: object
) -> None:
    assert callable(receiver)
    assert callable(kept)
    command = receiver(tmp_path)
    clock = TestClock(NOW.now(NOW.tzinfo))  # The published libraries compare the time of a message with real time.
    port = free_port()
    endpoint = await an_endpoint(api, f"http://127.0.0.1:{port}/hooks")
    customer_id = await api.a_customer()
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="Grace")
    async with running(command, tmp_path, endpoint.secret, port):
        async with httpx.AsyncClient() as client:
            refused = await client.post(f"http://127.0.0.1:{port}/", content=b'{"type":"TEST"}')
        assert refused.status_code == 401
        async with delivering(database, clock):
            found = await until_attempted(api, endpoint, 99)
            assert [each["responseStatus"] for each in found] == [204, 204]
    # A restarted receiver gets a message again.
    async with running(command, tmp_path, endpoint.secret, port):
        again = [found[0]["id"]]
        async with delivering(database, clock):
            await api.mutate("replayWebhooks", "webhookEndpoint { id }", endpointId=endpoint.id, deliveryIds=again)
            await until_attempted(api, endpoint, 99)
            assert {each["status"] for each in await deliveries(api, endpoint)} == {"SUCCEEDED"}

    assert kept(tmp_path) == ({each["messageId"] for each in found}, {customer_id: 2})
