"""`billing serve`, run as a separate process."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import ROOT, Serve, Served, billing
from tests.support import PATIENCE_SECONDS

CREATE_CUSTOMER = (
    'mutation ($email: String!) { createCustomer(input: {name: "Ada", email: $email}) '
    "{ customer { id } userErrors { code } } }"
)
COUNT = "{ customers { totalCount } }"


def customers(served: Served) -> int:
    counted = served.graphql(COUNT)["customers"]
    assert isinstance(counted, dict)
    return int(counted["totalCount"])


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Returns True if a process is running. A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def postmaster_of(data_dir: Path) -> int:
    """Returns the process id of the embedded PostgreSQL."""
    return int((data_dir / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_it_migrates_says_where_things_are_and_keeps_what_it_is_told(serve: Serve, new_folder: Path) -> None:
    first = serve("--data-dir", str(new_folder))
    first.graphql(CREATE_CUSTOMER, email="ada@example.com")
    assert first.stop() == 0
    second = serve("--data-dir", str(new_folder))

    assert customers(second) == 1
    assert "migrated from nothing" in first.said.read_text()
    assert "up to date" in second.said.read_text()
    assert f"PostgreSQL in {new_folder}" in second.said.read_text()
    assert second.stop(signal.SIGTERM) == 0


def test_two_servers_share_one_database_and_the_second_takes_over(serve: Serve, data_dir: Path) -> None:
    owner, other = serve("--data-dir", str(data_dir)), serve("--data-dir", str(data_dir))
    owner.graphql(CREATE_CUSTOMER, email="ada@example.com")
    assert customers(other) == 1

    owner.process.kill()
    owner.process.wait(PATIENCE_SECONDS)
    other.until("/health/db")

    assert customers(other) == 1
    other.graphql(CREATE_CUSTOMER, email="bob@example.com")
    assert customers(other) == 2
    assert "(shared)" in other.said.read_text()


def test_a_killed_database_comes_back_by_itself(serve: Serve, data_dir: Path) -> None:
    served = serve("--data-dir", str(data_dir))
    served.graphql(CREATE_CUSTOMER, email="ada@example.com")
    killed = postmaster_of(data_dir)

    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while postmaster_of_or(data_dir, killed) == killed and time.monotonic() < deadline:
        time.sleep(0.05)
    served.until("/ready")

    assert customers(served) == 1
    assert httpx.get(f"{served.url}/health").json() == {"status": "ok"}


def postmaster_of_or(data_dir: Path, otherwise: int) -> int:
    try:
        return postmaster_of(data_dir)
    except (FileNotFoundError, IndexError, ValueError):
        return otherwise


def test_several_workers_migrate_once_and_end_together(serve: Serve, new_folder: Path) -> None:
    served = serve("--data-dir", str(new_folder), "--workers", "2")

    for n in range(20):
        served.graphql(CREATE_CUSTOMER, email=f"customer-{n}@example.com")

    assert customers(served) == 20
    assert served.said.read_text().count("migrated from nothing") == 1
    assert served.stop(signal.SIGTERM) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/health")


@pytest.mark.skipif(sys.platform != "linux", reason="rests on /proc and the parent-death signal")
def test_workers_do_not_outlive_a_killed_supervisor(serve: Serve, data_dir: Path) -> None:
    served = serve("--data-dir", str(data_dir), "--workers", "2")
    children = children_of(served.process.pid)
    assert len(children) >= 3, "two workers and PostgreSQL"

    served.process.kill()
    served.process.wait(PATIENCE_SECONDS)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(runs, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [child for child in children if runs(child)] == []


def refusal_of(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the only line that a command wrote to stderr before it failed."""
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_a_taken_port_is_one_clear_line(new_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal_of(billing("serve", "--port", str(port), "--data-dir", str(new_folder)))

    assert f"port {port}: Address already in use" in line


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("garbage", "not a URL"),
        ("postgresql://user:secret@127.0.0.1:port/x", "not a URL"),
        ("postgresql://user:secret@127.0.0.1:99999/x", "not a URL"),
        ("postgresql://user@127.0.0.1:1/x?password=secret", "unsupported option"),
        ("postgresql://user:secret@127.0.0.1:1/x?sslmode=require&connect_timeout=5", "is not responding"),
        ("mysql://user:secret@127.0.0.1/x", "only postgresql:// is supported"),
        ("postgresql://user:secret@127.0.0.1:1/x", "is not responding"),
        ("postgresql://user:secret@nowhere.invalid/x", "is not responding"),
    ],
)
def test_a_wrong_database_url_is_one_clear_line(url: str, reason: str) -> None:
    line = refusal_of(billing("serve", "--port", "0", DATABASE_URL=url))

    assert reason in line
    assert "secret" not in line


def test_a_wrong_url_of_a_pgbouncer_is_one_clear_line() -> None:
    assert "not a URL" in refusal_of(billing("serve", "--port", "0", DATABASE_URL="garbage", BILLING_PGBOUNCER="on"))


def test_a_database_that_is_not_there_is_one_clear_line(database_url: str) -> None:
    missing = database_url.replace("/test_", "/missing_")

    assert "does not exist" in refusal_of(billing("serve", "--port", "0", DATABASE_URL=missing))


def test_data_of_another_major_version_is_one_clear_line(serve: Serve, data_dir: Path) -> None:
    assert serve("--data-dir", str(data_dir)).stop() == 0
    (data_dir / "data" / "PG_VERSION").write_text("15\n")

    line = refusal_of(billing("serve", "--port", "0", "--data-dir", str(data_dir)))

    assert "PostgreSQL 15" in line
    assert "PostgreSQL 18" in line


def test_a_folder_with_brackets_is_named_as_it_is(new_folder: Path) -> None:
    new_folder.joinpath("file").write_text("")

    line = refusal_of(billing("serve", "--port", "0", "--data-dir", str(new_folder / "file" / "[red]" / "[")))

    assert "[red]/[" in line


def test_a_server_that_is_told_to_end_says_so_before_it_goes(serve: Serve, data_dir: Path) -> None:
    served = serve("--data-dir", str(data_dir))
    served.process.send_signal(signal.SIGTERM)

    served.until("/ready", 503)

    assert httpx.get(f"{served.url}/ready").json() == {"ready": False, "reason": "shutting down"}
    assert served.process.wait(PATIENCE_SECONDS) == 0


def test_an_address_that_is_none_is_one_clear_line(data_dir: Path) -> None:
    assert "not an address" in refusal_of(billing("serve", "--host", "256.1.1.1", "--data-dir", str(data_dir)))


def test_the_schema_is_printed_without_a_database() -> None:
    assert billing("schema", DATABASE_URL="garbage").stdout == (ROOT / "schema.graphql").read_text()
