"""Tests docker-compose.yml, as far as possible without Docker."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.serve import GRACEFUL_SHUTDOWN_SECONDS
from db.embedded.binaries import major_version
from db.embedded.cluster import TEXT
from tests.containers.compose import COMPOSE, VARIABLE, compose_postgres, read_compose


def test_the_file_is_one_of_compose() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(check, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_every_variable_has_a_default() -> None:
    text = re.sub(r"(?m)^\s*#.*", "", COMPOSE.read_text())

    assert VARIABLE.search(text)
    assert "$" not in VARIABLE.sub("", text)


def test_nothing_is_open_to_the_network() -> None:
    published = {name: service.get("ports") for name, service in read_compose()["services"].items()}

    assert published == {"postgres": None, "api": ["127.0.0.1:8000:8000"]}


def test_the_port_on_this_machine_can_be_chosen() -> None:
    assert read_compose({"BILLING_PORT": "9000"})["services"]["api"]["ports"] == ["127.0.0.1:9000:8000"]


def test_the_server_starts_when_postgresql_is_healthy() -> None:
    api = read_compose()["services"]["api"]

    assert api["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert (api["tmpfs"], api["init"]) == (["/tmp"], True)
    assert "healthcheck" not in api, "the image has its own"


def test_no_service_may_do_more_than_it_needs() -> None:
    for name, service in read_compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    # Root without capabilities could not switch to the user that the image runs PostgreSQL as.
    assert read_compose()["services"]["postgres"]["user"] == "999:999"
    assert read_compose()["services"]["postgres"]["tmpfs"] == ["/tmp", "/var/run/postgresql"]


def test_the_server_has_time_to_finish_its_requests() -> None:
    grace = read_compose()["services"]["api"]["stop_grace_period"]

    assert int(grace.removesuffix("s")) >= GRACEFUL_SHUTDOWN_SECONDS + 5


def test_postgresql_is_the_embedded_one_and_keeps_its_data() -> None:
    compose = read_compose()
    postgres = compose["services"]["postgres"]
    [volume] = postgres["volumes"]
    name, _, place = volume.partition(":")

    assert postgres["image"].split(":")[1].split(".")[0] == str(major_version())
    assert sorted(postgres["environment"]["POSTGRES_INITDB_ARGS"].split()) == sorted(TEXT)
    assert (name in compose["volumes"], place) == (True, "/var/lib/postgresql")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can access."""
    with tempfile.TemporaryDirectory(prefix="billing-compose-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_its_database_has_the_locale_of_the_embedded_one(folder: Path) -> None:
    with compose_postgres(read_compose()["services"]["postgres"], folder / "postgres") as postgres:
        locale = await postgres.ask(
            "SELECT pg_encoding_to_char(encoding), datlocprovider::text, datlocale, datcollate, datctype"
            " FROM pg_database WHERE datname = current_database()"
        )

    assert tuple(locale) == ("UTF8", "b", "C.UTF-8", "C", "C")
