"""Tests that common clients follow the events: each sees what others change, and goes on after it was killed."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.clients.node import Workspace
from tests.clients.python_packages import python_with_packages
from tests.support import PATIENCE_SECONDS

CLIENTS = ("graphql-ws", "graphql-sse", "apollo", "urql", "relay")
FEED = """
    query ($after: String) {
      events(after: $after) { edges { cursor node { id type version object { __typename id } } } }
    }
"""


def ask(endpoint: str, query: str, **variables: Any) -> Any:
    answer = httpx.post(endpoint, json={"query": query, "variables": variables}, timeout=PATIENCE_SECONDS).json()
    assert "errors" not in answer, answer
    return answer["data"]


def create_plans(endpoint: str, number: int) -> None:
    """Makes this many events."""
    create = "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { plan { id } } }"
    for _ in range(number):
        code = os.urandom(8).hex()
        ask(endpoint, create, input={"code": code, "name": "Pro", "amountCents": 1, "currency": "EUR"})


@contextmanager
def following(command: list[str], folder: Path) -> Iterator[Callable[[], Any]]:
    """Runs a client, and kills it at the end. Yields a function that waits for the next event."""
    # A group of its own: `node` may be a script that starts the real one.
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    lines: Queue[str] = Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()

    def event() -> Any:
        return json.loads(lines.get(timeout=PATIENCE_SECONDS))

    try:
        yield event
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
        reading.join(PATIENCE_SECONDS)
        process.stdout.close()
        process.stderr.close()


def follows_without_loss(endpoint: str, folder: Path, command: Callable[[str], list[str]]) -> None:
    start = cursor = ask(endpoint, "{ eventsCursor }")["eventsCursor"]
    got: list[Any] = []
    for _ in range(3):
        create_plans(endpoint, 2)
        with following(command(cursor), folder) as event:
            got += [event(), event()]
            create_plans(endpoint, 2)
            # The last event of each round is lost with the client that is killed.
            got.append(event())
            cursor = got[-1]["cursor"]
    expected = list(map(seen, ask(endpoint, FEED, after=start)["events"]["edges"]))
    assert list(map(seen, got)) == expected[: len(got)]
    with following(command(cursor), folder) as event:
        assert [seen(event()) for _ in expected[len(got) :]] == expected[len(got) :]


def seen(edge: Any) -> Any:
    """Returns what is compared of an event. Some clients add `__typename` everywhere."""
    node = edge["node"]
    return edge["cursor"], node["id"], node["version"], node["object"]["__typename"], node["object"]["id"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_resumes_after_it_was_killed(built: Workspace, endpoint: str, client: str) -> None:
    follows_without_loss(endpoint, built.folder, lambda cursor: ["node", "live.mjs", client, endpoint, cursor])


def test_gql_for_python_resumes_after_it_was_killed(built: Workspace, endpoint: str) -> None:
    python = str(python_with_packages())
    url = endpoint.replace("http", "ws")
    follows_without_loss(endpoint, built.folder, lambda cursor: [python, "python/live.py", url, cursor])
