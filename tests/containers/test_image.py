"""The image, built without Docker: runs the commands of its Dockerfile, then the server they install."""

import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.containers.compose import await_success, compose_postgres, free_port, read_compose
from tests.containers.dockerfile import REPOSITORY, Build, BuildError, context_files, ignored, read_dockerfile
from tests.support import PATIENCE_SECONDS

AWKWARD_PASSWORD = "p@ss/w:rd #%41?"

CONFINE = """
    mount -t tmpfs -o mode=1777 tmpfs {tmp}
    for shell in $(readlink -f /bin/sh /bin/bash /bin/dash); do mount --bind /dev/null "$shell"; done
    mount -o remount,bind,ro /
    exec {setpriv} "$@"
"""
PROBE = """
import os, subprocess, sys
status = dict(line.split() for line in open("/proc/self/status") if len(line.split()) == 2)
print(os.getuid(), os.getgroups(), status["CapEff:"], status["CapBnd:"], status["NoNewPrivs:"])
for folder in sys.argv[1:]:
    try:
        open(os.path.join(folder, "written"), "w").close()
    except OSError as error:
        print(error.strerror)
    else:
        print("written to")
try:
    subprocess.run(["/bin/sh", "-c", "true"])
except OSError as error:
    print("no shell:", error.strerror)
"""


def test_the_image_runs_nothing_as_root() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", read_dockerfile()[-1].last("USER").text)


def test_all_stages_are_of_one_pinned_image() -> None:
    """The environment is copied from one stage to the other, so both need the same Python in the same place."""
    [base] = {stage.base for stage in read_dockerfile()}
    assert re.fullmatch(r"python:3\.12(\.\d+)?-slim-\w+(@sha256:[0-9a-f]{64})?", base)


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    copies = [copy for stage in read_dockerfile() for copy in stage.all("COPY") if "from" not in copy.flags]
    sources = [source for copy in copies for source in copy.arguments()[:-1]]

    assert [source for source in sources if not context_files(source)] == []


@pytest.mark.parametrize(
    "path", [".env", ".git/config", ".billing/data/PG_VERSION", "tests/support.py", "db/__pycache__/a.pyc", ".venv/a"]
)
def test_what_is_not_of_the_image_is_not_sent_to_the_builder(path: str) -> None:
    patterns = (REPOSITORY / ".dockerignore").read_text().splitlines()

    assert ignored(path, patterns)
    assert not ignored("db/database.py", patterns)


def test_the_commands_are_programs_and_no_shell_stands_before_them() -> None:
    """A shell as the first process would not forward SIGTERM."""
    image = read_dockerfile()[-1]

    assert image.last("CMD").command() == ["billing", "serve"]
    assert image.last("HEALTHCHECK").command()[0] == "python"
    assert "'GET', '/health')" in image.last("HEALTHCHECK").command()[-1], "no restart helps a server without database"
    assert image.last("STOPSIGNAL").text == "SIGTERM"
    assert image.all("ENTRYPOINT") == []


@dataclass(frozen=True, slots=True)
class Image:
    """The image that the Dockerfile builds."""

    build: Build

    def container(self, uid: int, variables: Mapping[str, str]) -> dict[str, Any]:
        """Returns the arguments for `subprocess` with which a process of the image is started."""
        user = {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = {**self.build.environment, "HOME": "/nonexistent", **variables}
        return {"env": environment, "cwd": self.build.root / "app", "start_new_session": True, **user}

    def confined(self, uid: int, tmp: Path) -> list[str]:
        """Returns a command prefix, to be started as root, that isolates a command as Docker would with the options
        named in the Dockerfile.

        The user has no name and no capabilities, and cannot gain any. `tmp` is a tmpfs, everything else is read-only,
        and there is no shell.
        """
        setpriv = f"setpriv --reuid={uid} --regid={uid} --clear-groups --no-new-privs --bounding-set=-all"
        return ["unshare", "--mount", "sh", "-euc", CONFINE.format(tmp=shlex.quote(str(tmp)), setpriv=setpriv), "sh"]

    @contextmanager
    def serving(self, uid: int, variables: Mapping[str, str], *, inside: Sequence[str] = ()) -> Iterator[httpx.Client]:
        """Starts the CMD, waits for the HEALTHCHECK, and finally stops it like Docker: it must exit with 0.

        Both are prefixed with the command `inside`.
        """
        stage, port = self.build.stages[-1], free_port()
        options = self.container(uid, {**variables, "BILLING_HOST": "127.0.0.1", "BILLING_PORT": str(port)})
        check = [*inside, *stage.last("HEALTHCHECK").command()]
        assert subprocess.run(check, **options, check=False, capture_output=True).returncode == 1, "nothing serves yet"
        with tempfile.TemporaryFile() as output:
            server = subprocess.Popen([*inside, *stage.last("CMD").command()], stdout=output, stderr=output, **options)
            try:
                await_success(check, server, **options)
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                    yield client
                server.terminate()
                assert server.wait(PATIENCE_SECONDS) == 0
            finally:
                if server.poll() is None:
                    os.killpg(server.pid, signal.SIGKILL)
                    server.wait()
                output.seek(0)
                print(output.read().decode())  # noqa: T201 - pytest shows it when the test fails

    def user(self) -> int:
        return int(self.build.stages[-1].last("USER").text.split(":")[0])

    def files(self) -> dict[Path, int]:
        """Returns the modification time of each file except data."""
        folders = [self.build.root / name for name in ("app", "venv", "etc")]
        assert all(any(folder.iterdir()) for folder in folders)
        return {path: path.lstat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # On the file system of `/`, which a test makes read-only, and accessible to the image's user.
    folder = Path(tempfile.mkdtemp(prefix="billing-image-"))
    folder.chmod(0o755)
    build = Build(folder)
    try:
        build.run()
        yield Image(build)
    except BuildError as error:
        if error.offline and os.environ.get("CI") != "true":
            pytest.skip("OFFLINE: the image cannot be built, since the package index does not answer.")
        raise
    finally:
        shutil.rmtree(folder)


def assert_it_serves(client: httpx.Client) -> None:
    """Asserts that the server responds and that its static files exist."""
    answer = client.post("/graphql", json={"query": "{ __typename }"})
    assert (answer.status_code, answer.json()["data"]) == (200, {"__typename": "Query"})

    page = client.get("/graphql", headers={"Accept": "text/html"})
    assert page.status_code == 200
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert client.get(asset).status_code == 200

    plan = {"code": "pro", "name": "Pro", "amountCents": 2900, "currency": "EUR"}
    mutation = "mutation ($plan: CreatePlanInput!) { createPlan(input: $plan) { plan { code } userErrors { code } } }"
    answer = client.post("/graphql", json={"query": mutation, "variables": {"plan": plan}})
    assert answer.json()["data"] == {"createPlan": {"plan": {"code": "pro"}, "userErrors": []}}


def test_the_image_has_what_runs_and_nothing_that_its_user_may_change(image: Image) -> None:
    root = image.build.root
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["billing"].partition(":")
    script = (root / "venv/bin/billing").read_text()
    sources = [path for folder in ("app", "venv/lib") for path in (root / folder).rglob("*.py")]
    modes = {path: path.lstat().st_mode for path in image.files() if not path.is_symlink()}

    assert f"from {module} import {name}\n" in script
    assert len(sources) > 1000
    assert [path for path in sources if not any((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))] == []
    assert [path for path, mode in modes.items() if mode & 0o022 or not mode & 0o004] == []
    assert not (root / "venv/bin/pip").exists()
    assert not {"tests", "web", ".git", ".env"} & {path.name for path in (root / "app").iterdir()}


def test_the_server_of_the_compose_file_migrates_serves_and_stops(image: Image) -> None:
    compose = read_compose({"POSTGRES_PASSWORD": AWKWARD_PASSWORD})["services"]
    before = image.files()

    with compose_postgres(compose["postgres"], image.build.folder / "postgres") as postgres:
        variables = compose["api"]["environment"]
        here = variables["DATABASE_URL"].replace("@postgres:5432/", f"@127.0.0.1:{postgres.port}/")
        variables |= {"DATABASE_URL": here}
        with image.serving(image.user(), variables) as client:
            assert_it_serves(client)
        alembic = subprocess.run(
            ["alembic", "current"],
            **image.container(image.user(), variables),
            capture_output=True,
            check=True,
            text=True,
        )

    assert alembic.stdout.endswith("(head)\n")

    assert image.files() == before


def test_with_a_database_url_it_needs_no_shell_no_name_and_nothing_to_write_to(image: Image) -> None:
    """The server can write to its tmpfs only. If this process may create mounts, everything else is read-only to any
    process.
    """
    root, tmp = image.build.root, image.build.folder / "tmp"
    tmp.mkdir()
    tmp.chmod(0o1777)
    uid = 200_000 + os.getpid() if os.geteuid() == 0 else os.geteuid()
    may_confine = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
    inside = image.confined(uid, tmp) if may_confine else []
    compose = read_compose()["services"]
    before = image.files()

    with compose_postgres(compose["postgres"], image.build.folder / "external") as postgres:
        url = f"postgresql://{postgres.user}:{postgres.password}@127.0.0.1:{postgres.port}/{postgres.database}"
        # Docker sets this home for a user without a name.
        variables = {
            "DATABASE_URL": url,
            "BILLING_AUTH": "off",
            "BILLING_WORKERS": "2",
            "HOME": "/",
            "TMPDIR": str(tmp),
        }
        options = image.container(uid, variables) | ({"user": 0, "group": 0} if inside else {})
        with image.serving(0 if inside else uid, variables, inside=inside) as client:
            assert_it_serves(client)
        for command in (["keys", "list"], ["config"], ["migrate"], ["renew"], ["verify"]):
            done = subprocess.run(
                [*inside, "billing", *command], **options, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr

    assert image.files() == before
    if inside:
        folders = (str(tmp), *(str(root / name) for name in ("app", "venv")), "/", "/tmp")
        probe = [*inside, "python", "-c", PROBE, *folders]
        done = subprocess.run(probe, **options, capture_output=True, text=True, check=False)
        nothing = "0" * 16
        assert done.stderr == ""
        assert done.stdout.splitlines() == [
            f"{uid} [] {nothing} {nothing} 1",
            "written to",
            *["Read-only file system"] * 4,
            "no shell: Permission denied",
        ]


def test_without_a_database_url_the_data_is_in_its_volume_and_outlives_the_container(image: Image) -> None:
    # PostgreSQL needs a user that exists on this machine, which the image's does not.
    uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    data = image.build.root / "data"
    assert data.stat().st_uid in {image.user(), uid}
    os.chown(data, uid, -1)

    with image.serving(uid, {"BILLING_WORKERS": "2"}) as client:
        assert_it_serves(client)
    with image.serving(uid, {}) as client:
        answer = client.post("/graphql", json={"query": '{ planByCode(code: "pro") { name } }'})

    assert answer.json()["data"] == {"planByCode": {"name": "Pro"}}
