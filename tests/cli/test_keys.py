"""`billing keys`, and access control of a running server."""

import json
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import get_args

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from billing.enums import KEY_SCOPES, ApiKeyScope
from cli.errors import CommandError
from cli.keys import list_keys, require_keys
from cli.main import ScopeName, app
from cli.settings import read_configuration
from db.database import Database, single_connection
from services.api_keys import create_api_key, revoke_api_key
from services.customer_sessions import create_customer_session
from tests.cli.conftest import Serve, Served, billing
from tests.faults.processes import until
from tests.support import NOW, PATIENCE_SECONDS, a_customer, stored

TOKEN = re.compile(r"bk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}\n")
QUERY = "{ plans { nodes { id } } }"
DEEP = "{ plans { nodes { subscriptions { nodes { id } } } } }"
CREATE_PLAN = (
    'mutation { createPlan(input: {code: "pro", name: "Pro", amountCents: 1, currency: "EUR"}) { plan { id } } }'
)
NEEDED = "API keys    required\n"
NOT_NEEDED = "API keys    not required: anyone who can reach this address has full access"


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the only error line of a command that failed."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    *_, line = done.stderr.splitlines()
    assert done.stderr.count("error: ") == 1
    assert line.startswith("error: ")
    return line


def refusal_of(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the error line of a command that printed nothing else, except the database it uses."""
    line = error_of(done)
    assert [each for each in done.stderr.splitlines() if not each.startswith(("Database ", "Schema "))] == [line]
    return line


CLIENT = httpx.Client(headers={"connection": "close"}, timeout=30)
"""Opens a connection per request, so that any worker may get it."""


def send(served: Served, query: str, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return CLIENT.post(f"{served.url}/graphql", json={"query": query}, headers=headers)


def code_of(answer: httpx.Response) -> str | None:
    document = answer.json()
    return document["errors"][0]["extensions"]["code"] if "errors" in document else None


def created(scope: str, *arguments: str, **environment: str) -> str:
    """Creates an API key. Returns its token."""
    done = billing("keys", "create", "--name", f"for {scope}", "--scope", scope, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    assert TOKEN.fullmatch(done.stdout)
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def id_in(token: str) -> str:
    digits = token.split("_")[1]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def refused_in_the_end(served: Served, token: str) -> httpx.Response:
    """Repeats a query until the token is rejected. Returns that response."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := send(served, QUERY, token)).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def test_keys_open_a_server_until_they_are_revoked(serve: Serve, database_url: str) -> None:
    there = {"DATABASE_URL": database_url}
    without = refusal_of(billing("serve", "--port", "0", **there))
    reader, unused = created("read", **there), created("write", **there)
    served = serve(environment=there)

    opened = {token: send(served, QUERY, token).status_code for token in (reader, "nonsense", None)}
    written = code_of(send(served, CREATE_PLAN, reader))
    revoked = billing("keys", "revoke", id_in(reader), **there)
    again = refusal_of(billing("keys", "revoke", id_in(reader), **there))
    closed = refused_in_the_end(served, reader)
    listed = billing("keys", "list", **there).stdout

    assert "`billing keys create --name admin --scope admin`" in without
    assert "BILLING_AUTH=off" in without
    assert NEEDED in served.said.read_text()
    assert opened == {reader: 200, "nonsense": 401, None: 401}
    assert written == "FORBIDDEN"
    assert (revoked.returncode, revoked.stdout) == (0, "")
    assert id_in(reader) in revoked.stderr
    assert "already revoked" in again
    assert (closed.status_code, code_of(closed)) == (401, "UNAUTHENTICATED")
    assert send(served, QUERY, unused).status_code == 200
    first, second = listed.splitlines()
    instant = r"\d{4}-\d\d-\d\dT\d\d:\d\d"
    ended = rf"{id_in(reader)}  READ   {instant}:\d\dZ  used {instant}Z, revoked {instant}:\d\dZ  for read"
    assert re.fullmatch(ended, first)
    assert re.fullmatch(rf"{id_in(unused)}  WRITE  {instant}:\d\dZ  never used  for write", second)


def test_an_embedded_server_needs_no_key_on_loopback_and_one_elsewhere(serve: Serve, data_dir: Path) -> None:
    there = ("--data-dir", str(data_dir))
    local = serve(*there)
    elsewhere = refusal_of(billing("serve", "--host", "0.0.0.0", "--port", "0", *there))
    token = created("admin", *there)
    careful = serve("--host", "localhost", *there, environment={"BILLING_AUTH": "on"})
    listed = billing("keys", "list", *there).stdout

    assert NOT_NEEDED in local.said.read_text()
    assert f"`billing keys create --name admin --scope admin --data-dir {data_dir}`" in elsewhere
    assert NEEDED in careful.said.read_text()
    opened = [[send(served, QUERY, each).status_code for each in (None, token)] for served in (local, careful)]
    assert opened == [[200, 200], [401, 200]]
    assert [line.split()[:2] for line in listed.splitlines()] == [[id_in(token), "ADMIN"]]


async def test_a_key_that_opens_nothing_is_none(database: Database, database_url: str) -> None:
    customer = await stored(database.sessions, a_customer())
    async with database.sessions.begin() as session:
        issued = await create_api_key(session, name="old", scope=ApiKeyScope.ADMIN, now=NOW)
        await create_customer_session(session, customer_id=customer.id, seconds=3600, permissions=[], now=NOW)
    await require_keys(database_url)
    async with database.sessions.begin() as session:
        await revoke_api_key(session, api_key_id=issued.key.id, now=NOW)

    with pytest.raises(CommandError, match="none exists yet"):
        await require_keys(database_url)


def test_a_server_without_keys_says_so(serve: Serve, database_url: str) -> None:
    served = serve(environment={"DATABASE_URL": database_url, "BILLING_AUTH": "off"})

    assert NOT_NEEDED in served.said.read_text()
    assert send(served, CREATE_PLAN).json()["data"]["createPlan"]["plan"]["id"]
    # Suggestions would reveal names of the schema to anyone.
    assert "Did you mean" not in send(served, "{ plan_ { id } }").text


def test_settings_hold_in_each_worker(serve: Serve, database_url: str, tmp_path: Path) -> None:
    """The workers share one rate limit: 100 requests, and one more each second."""
    documents = tmp_path / "documents.json"
    documents.write_text(json.dumps({"known": QUERY}))
    token = created("read", DATABASE_URL=database_url)
    served = serve(
        "--workers",
        "2",
        environment={
            "DATABASE_URL": database_url,
            "BILLING_MAX_DEPTH": "3",
            "BILLING_RATE_ROWS_PER_SECOND": "1",
            "BILLING_RATE_BURST": "100",
            "BILLING_TRUSTED_DOCUMENTS": str(documents),
            "BILLING_CORS_ORIGINS": "https://app.example.com https://other.example.com",
        },
    )
    headers = {"authorization": f"Bearer {token}", "origin": "https://other.example.com"}

    begun = time.monotonic()
    deep = [send(served, DEEP, token).json()["errors"][0] for _ in range(20)]
    known = [CLIENT.post(f"{served.url}/graphql", json={"documentId": "known"}, headers=headers) for _ in range(20)]
    others = [send(served, QUERY, token) for _ in range(100)]
    allowed = 100 + time.monotonic() - begun
    let_in = 20 + 20 + len([answer for answer in others if answer.status_code == 200])

    assert [(error["extensions"]["asked"], error["extensions"]["limit"]) for error in deep] == [(4, 3)] * 20
    assert [answer.json()["data"] for answer in known] == [{"plans": {"nodes": []}}] * 20
    assert {answer.headers["access-control-allow-origin"] for answer in known} == {"https://other.example.com"}
    assert 90 <= let_in <= allowed * 1.1
    assert {(answer.status_code, code_of(answer)) for answer in others} <= {(200, None), (429, "RATE_LIMITED")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in others if answer.status_code == 429)


WRONG = [
    ("BILLING_MAX_DEPTH", "zero", "must be a whole number above 0, not 'zero'"),
    ("BILLING_MAX_DEPTH", "0", "must be a whole number above 0, not '0'"),
    ("BILLING_MAX_ROWS", "-5", "above 0, not '-5'"),
    ("BILLING_MAX_SECONDS", "inf", "above 0, not 'inf'"),
    ("BILLING_RATE_BURST", "nan", "above 0, not 'nan'"),
    ("BILLING_AUTH", "perhaps", "must be on or off, not 'perhaps'"),
    ("BILLING_AUTH", "yes", "must be on or off, not 'yes'"),
    ("BILLING_AUTH", "0", "must be on or off, not '0'"),
    ("BILLING_SUGGESTIONS", "2", "must be on or off, not '2'"),
    ("BILLING_CORS_ORIGINS", "*", "must list origins such as https://app.example.com, not '*'"),
    ("BILLING_CORS_ORIGINS", "https://a.test null", "not 'null'"),
    ("BILLING_CORS_ORIGINS", "https://a.test/", "not 'https://a.test/'"),
    ("BILLING_CORS_ORIGINS", "https://a.test,https://b.test", "not 'https://a.test,https://b.test'"),
    ("BILLING_CORS_HEADERS", "X-Tenant, X-Other", "must list header names such as X-Tenant, not 'X-Tenant,'"),
    ("BILLING_TRUSTED_ONLY", "on", "set BILLING_TRUSTED_DOCUMENTS to their file"),
]


@pytest.mark.parametrize(("name", "said", "reason"), WRONG)
def test_a_wrong_setting_is_one_clear_line(name: str, said: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, which runs in this process, reports it before it connects to its database."""
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", name: said}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    done = CliRunner().invoke(app, ["serve", "--port", "0"])

    [line] = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (1, "")
    assert line.startswith(f"error: {name} ")
    assert reason in line


def test_a_wrong_setting_ends_the_command(database_url: str) -> None:
    line = refusal_of(billing("serve", "--port", "0", DATABASE_URL=database_url, BILLING_MAX_DEPTH="zero"))

    assert line == "error: BILLING_MAX_DEPTH must be a whole number above 0, not 'zero'."


def test_seconds_and_a_rate_may_be_fractions() -> None:
    read = read_configuration({"BILLING_MAX_SECONDS": "0.5", "BILLING_RATE_ROWS_PER_SECOND": "0.5"})
    settings = read.of_server()

    assert (settings.limits.seconds, settings.rate_limit.rows_per_second) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("content", "reason", "workers"),
    [
        ("no JSON", "cannot be read from", "1"),
        ('{"one": "{ nothing }"}', "The trusted document one is not valid", "2"),
    ],
)
def test_trusted_documents_that_cannot_be_used_are_one_clear_line(
    database_url: str, tmp_path: Path, content: str, reason: str, workers: str
) -> None:
    file = tmp_path / "documents.json"
    file.write_text(content)
    settings = {"DATABASE_URL": database_url, "BILLING_AUTH": "off", "BILLING_TRUSTED_DOCUMENTS": str(file)}

    done = billing("serve", "--port", "0", "--workers", workers, **settings)

    assert reason in error_of(done)


@pytest.mark.parametrize("command", [list_keys, require_keys])
async def test_a_command_that_fails_leaves_no_connection_open(
    empty_database_url: str, command: Callable[[str], Awaitable[None]]
) -> None:
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    # The error keeps what was open from being collected.
    with pytest.raises(ProgrammingError, match='relation "api_keys" does not exist') as failed:
        await command(empty_database_url)

    async with single_connection(empty_database_url) as connection:

        async def is_alone() -> bool:
            return bool(await connection.scalar(others) == 0)

        await until(is_alone, what="the connection is closed")
    assert failed.tb is not None


def test_the_command_names_each_scope_of_a_key() -> None:
    assert get_args(ScopeName) == tuple(scope.value.lower() for scope in KEY_SCOPES)


def test_a_wrong_command_about_keys_is_one_clear_line(database_url: str) -> None:
    there = {"DATABASE_URL": database_url}

    nameless = refusal_of(billing("keys", "create", "--name", " ", "--scope", "read", **there))
    malformed = refusal_of(billing("keys", "revoke", "none", **there))

    assert nameless == "error: Name must not be empty."
    assert malformed == "error: 'none' is not an API key id: see `billing keys list`."
    assert CliRunner().invoke(app, ["keys", "create", "--name", "x", "--scope", "customer"]).exit_code == 2
