"""Settings: every declared setting can be set, is documented and is printed; unknown ones are rejected."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
import typer
from sqlalchemy import text

from cli.environment import format_value, hidden, settings_of
from cli.errors import CommandError
from cli.main import app
from cli.settings import Configuration, environment_of, read_configuration
from db.database import Database, single_connection
from db.driver.urls import OPTION, asyncpg_url, is_pgbouncer
from db.settings import DatabaseSettings
from graph.settings import Limits, Settings
from services.settings import RateLimit
from tests.cli.conftest import ROOT, Serve, billing

URL = "postgresql://ada:s3cret@127.0.0.1:5433/billing"
EVERYTHING = {
    "DATABASE_URL": URL,
    "BILLING_HOST": "::1",
    "BILLING_RENEW_EVERY": "0.25",
    "BILLING_RENEW": "off",
    "BILLING_HOSTS": "Billing.internal billing.example.com",
    "BILLING_CORS_ORIGINS": "https://a.example.com https://b.example.com",
    "BILLING_TRUSTED_DOCUMENTS": "/etc/billing/documents.json",
    "BILLING_TRUSTED_ONLY": "on",
    "BILLING_MAX_SECONDS": "2.5",
}


def options_of_serve() -> dict[str, str]:
    """Returns the options of `billing serve` as they are written, by the field of their setting."""
    [serve] = [command for name, command in typer.main.get_command(app).commands.items() if name == "serve"]  # type: ignore[attr-defined]
    return {each.name: ", ".join(f"`{said}`" for said in (*each.opts, *each.secondary_opts)) for each in serve.params}


def table_of_settings() -> list[str]:
    """Returns the rows that docs/configuration.md should contain."""
    options = options_of_serve()
    rows = []
    for each in settings_of(Configuration):
        value = format_value(each.default)
        default = each.otherwise or (f"`{value}`" if value else "none")
        rows.append(f"| `{each.variable}` | {options.get(each.field, '')} | {default} | {each.about} |")
    return rows


def test_the_table_of_the_settings_is_complete_and_true() -> None:
    """On failure, the assertion shows the rows as they should be."""
    documented = re.findall(r"^\| `\w+` \|.*", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)

    assert documented == table_of_settings()


def test_each_setting_reaches_what_it_is_a_setting_of() -> None:
    """Every field of the server's and the database's settings has a setting with the same default."""
    read = read_configuration({})

    assert read.of_database() == DatabaseSettings()
    assert read.of_server() == Settings()
    limits = {each.name: f"BILLING_MAX_{each.name.upper()}" for each in fields(Limits)}
    rates = {each.name: f"BILLING_RATE_{each.name.upper()}" for each in fields(RateLimit)}
    timeouts = {each.name: f"BILLING_{each.name.upper()}" for each in fields(DatabaseSettings)}
    other = read_configuration(dict.fromkeys((*limits.values(), *rates.values(), *timeouts.values()), "7"))
    assert other.of_server().limits == Limits(**dict.fromkeys(limits, 7))
    assert other.of_server().rate_limit == RateLimit(**dict.fromkeys(rates, 7))
    assert other.of_database() == DatabaseSettings(**dict.fromkeys(timeouts, 7))


async def test_timeouts_reach_every_connection_of_the_database(database_url: str) -> None:
    settings = DatabaseSettings(statement_timeout_ms=1234, lock_timeout_ms=2345, idle_in_transaction_timeout_ms=3456)
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    database = Database(database_url, settings)
    try:
        async with database.sessions() as reading, database.sessions.begin() as writing:
            for session in (reading, writing):
                shown = [await session.scalar(text(f"SHOW {name}")) for name in names]
                assert shown == ["1234ms", "2345ms", "3456ms"]
    finally:
        await database.close()


async def test_a_server_keeps_to_the_timeouts_that_are_set(serve: Serve, database_url: str) -> None:
    """With the default settings, the lock timeout would expire before the statement timeout."""
    there = {"DATABASE_URL": database_url, "BILLING_AUTH": "off", "BILLING_STATEMENT_TIMEOUT_MS": "300"}
    served = await asyncio.to_thread(serve, "--workers", "2", environment=there)

    async with single_connection(database_url) as connection, connection.begin(), httpx.AsyncClient() as client:
        await connection.execute(text("LOCK TABLE plans"))
        question = {"query": "{ plans { nodes { id } } }"}
        answer = await client.post(f"{served.url}/graphql", json=question, timeout=30)

    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["TIMEOUT"]


def test_a_server_gives_pages_of_the_size_that_is_set(serve: Serve, database_url: str) -> None:
    """Tests every worker over HTTP."""
    there = {"DATABASE_URL": database_url, "BILLING_AUTH": "off", "BILLING_MAX_PAGE": "5"}
    served = serve("--workers", "2", environment=there)
    customers = "query ($n: Int) { customers(first: $n) { nodes { events(first: $n) { totalCount nodes { id } } } } }"
    for number in range(6):
        created = 'mutation { createCustomer(input: {name: "Ada", email: "%s@example.com"}) { userErrors { code } } }'
        served.graphql(created % number)

    for _ in range(6):
        refused = httpx.post(f"{served.url}/graphql", json={"query": customers, "variables": {"n": 6}}, timeout=30)
        [error] = refused.json()["errors"]
        assert (error["message"], error["extensions"]["code"]) == (
            "`first` must be between 0 and 5.",
            "BAD_USER_INPUT",
        )
        for variables in ({}, {"n": 5}):
            taken = httpx.post(f"{served.url}/graphql", json={"query": customers, "variables": variables}, timeout=30)
            document = taken.json()
            assert len(document["data"]["customers"]["nodes"]) == 5
            assert document["extensions"]["cost"]["nodes"] == 5 + 5 * 5


@pytest.mark.skipif(sys.platform != "linux", reason="rests on /proc")
def test_the_password_of_the_database_is_in_no_environment(serve: Serve, database_url: str, tmp_path: Path) -> None:
    """Everyone who can inspect a process sees its environment, while the file can be readable by its owner only."""
    secret = tmp_path / "url"
    secret.write_text(database_url)

    served = serve("--workers", "2", environment={"DATABASE_URL_FILE": str(secret), "BILLING_AUTH": "off"})

    assert served.graphql("{ customers { totalCount } }") == {"customers": {"totalCount": 0}}
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    assert len(children) >= 2
    for pid in (served.process.pid, *children):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"DATABASE_URL=" not in environment
        assert secret.read_bytes() not in environment
        assert secret.read_bytes() not in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("number", ["0", "1001", "2.5"])
def test_a_page_that_cannot_be_is_refused(number: str) -> None:
    with pytest.raises(CommandError, match=r"^BILLING_MAX_PAGE must be a whole number from 1 to 1000, not '"):
        read_configuration({"BILLING_MAX_PAGE": number})


def test_what_is_in_force_can_be_handed_on_as_an_environment() -> None:
    """The supervisor passes its configuration to the workers this way."""
    for environment in ({}, EVERYTHING):
        read = read_configuration(environment)
        assert read_configuration(environment_of(read)) == read


def test_the_defaults_by_address_are_for_a_developers_own_server() -> None:
    def needs_key(**variables: str) -> bool:
        read = read_configuration(variables)
        assert read.suggestions is not read.auth
        return read.auth

    assert [needs_key(), needs_key(BILLING_HOST="::1"), needs_key(BILLING_HOST="localhost")] == [False, False, False]
    assert [needs_key(BILLING_HOST="0.0.0.0"), needs_key(DATABASE_URL=URL)] == [True, True]
    assert read_configuration({"BILLING_HOST": "0.0.0.0"}, host="127.0.0.1").auth is False


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("BILLING_PROT", "BILLING_PORT"),
        ("BILLING_MAX_DEPHT", "BILLING_MAX_DEPTH"),
        ("BILLING_STATEMENT_TIMEOUT", "BILLING_STATEMENT_TIMEOUT_MS"),
        ("BILLING_PORT_FILE", "BILLING_PORT"),
        ("BILLING_DATABASE_URL", "DATABASE_URL"),
    ],
)
def test_a_name_that_is_no_setting_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(CommandError, match=rf"^{name} is not a setting. The closest name is {nearest}\.$"):
        read_configuration({name: "1"})
    assert read_configuration({f"_{name}": "1", "PATH": "/bin"}) == read_configuration({})


@pytest.mark.parametrize("name", ["BILLING_FOO", "BILLING_"])
def test_a_name_that_is_like_no_setting_is_refused_without_one(name: str) -> None:
    with pytest.raises(CommandError) as refused:
        read_configuration({name: "1"})

    assert str(refused.value) == f"{name} is not a setting: unset it. `billing config` lists all settings."


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("migrate",), ("keys", "list"), ("config",)])
def test_every_command_that_is_configured_refuses_such_a_name(command: tuple[str, ...]) -> None:
    done = billing(*command, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", BILLING_PROT="1")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: BILLING_PROT is not a setting. The closest name is BILLING_PORT.\n"


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"BILLING_TRUSTED_ONLY": "on"}, "BILLING_TRUSTED_ONLY requires trusted documents"),
        ({"BILLING_PGBOUNCER": "on"}, "BILLING_PGBOUNCER requires DATABASE_URL"),
        ({"BILLING_HOSTS": "billing.internal https://x"}, "BILLING_HOSTS must list host names"),
        ({"BILLING_HOSTS": "billing.internal:8000"}, "BILLING_HOSTS must list host names"),
        ({"BILLING_HOSTS": "*.internal"}, "BILLING_HOSTS must list host names"),
    ],
)
def test_what_would_do_nothing_is_refused(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(CommandError, match=f"^{reason}"):
        read_configuration(environment)


@pytest.mark.parametrize(
    "url", [URL, "postgresql://ada:s3?cr&t@127.0.0.1/b", "postgres://ada:s%3Fc%40@/b?host=/run/x&sslmode=disable"]
)
def test_the_address_of_a_pgbouncer_stays_the_same(url: str) -> None:
    pooled = asyncpg_url(read_configuration({"DATABASE_URL": url, "BILLING_PGBOUNCER": "on"}).url() or "")

    assert is_pgbouncer(pooled)
    assert pooled.difference_update_query([OPTION]) == asyncpg_url(url)


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text(f"{URL}\n")

    assert read_configuration({"DATABASE_URL_FILE": str(secret)}).database_url == URL
    assert read_configuration({"DATABASE_URL_FILE": "", "DATABASE_URL": URL}).database_url == URL


@pytest.mark.parametrize(
    ("content", "environment", "reason"),
    [
        (None, {}, "cannot be read: No such file or directory"),
        (b"", {}, "which is empty"),
        (b"\xff", {}, "not UTF-8 text"),
        (URL.encode(), {"DATABASE_URL": URL}, "DATABASE_URL and DATABASE_URL_FILE are both set"),
        (b"mysql://ada:s3cret@h/b", {}, "only postgresql:// is supported"),
    ],
)
def test_a_file_that_holds_no_secret_is_one_clear_line(
    tmp_path: Path, content: bytes | None, environment: dict[str, str], reason: str
) -> None:
    secret = tmp_path / "url"
    if content is not None:
        secret.write_bytes(content)

    done = billing("config", DATABASE_URL_FILE=str(secret), **environment)

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert reason in line
    assert "s3cret" not in line


def test_what_is_in_force_is_printed_without_secrets(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text(URL)
    environment = EVERYTHING | {"DATABASE_URL": "", "DATABASE_URL_FILE": str(secret)}

    plain, programs = billing("config", **environment), billing("config", "--json", **environment)

    printed = dict(line.split("=", 1) for line in plain.stdout.splitlines())
    assert printed == environment_of(read_configuration(EVERYTHING)) | {"DATABASE_URL": URL.replace("s3cret", "***")}
    found = json.loads(programs.stdout)
    assert {name: each["value"] for name, each in found.items()} == printed
    assert found["DATABASE_URL"]["source"] == f"file {secret}"
    assert found["BILLING_HOST"]["source"] == "environment"
    assert found["BILLING_PORT"] == {"value": "8000", "source": "default"}
    assert found["BILLING_AUTH"] == {"value": "on", "source": "by address"}
    for said in (plain.stdout, plain.stderr, programs.stdout, programs.stderr):
        assert "s3cret" not in said


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("postgres://ada:s3cret@h/b", "postgres://ada:***@h/b"),
        ("postgresql+asyncpg://ada:s3cret@h/b?sslmode=require", "postgresql+asyncpg://ada:***@h/b?sslmode=require"),
        ("postgresql://ada@h/b", "postgresql://ada@h/b"),
        ("https://hooks.example.com/s3cret", "***"),
        ("s3cret", "***"),
        ("", ""),
    ],
)
def test_nothing_is_shown_of_a_secret_but_where_the_database_is(secret: str, shown: str) -> None:
    assert hidden(secret) == shown


def test_on_a_terminal_it_is_a_table() -> None:
    terminal, end = os.openpty()
    environment = os.environ | {"DATABASE_URL": URL, "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-m", "cli.main", "config"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=end) as process:
        os.close(end)
        said = b"".join(pieces_of(terminal))
    os.close(terminal)

    heading, first, *rest = [re.sub(r"\x1b\[\d*m", "", line).split() for line in said.decode().splitlines()]
    assert (process.returncode, heading) == (0, ["setting", "value", "from"])
    assert first == ["DATABASE_URL", URL.replace("s3cret", "***"), "environment"]
    assert [line[0] for line in rest] == [each.variable for each in settings_of(Configuration)][1:]


def pieces_of(terminal: int) -> Iterator[bytes]:
    """Yields everything written to a terminal until its last writer closes it, which raises an error on Linux."""
    try:
        while piece := os.read(terminal, 4096):
            yield piece
    except OSError:
        return
