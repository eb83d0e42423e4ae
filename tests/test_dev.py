"""`./dev` in a fresh copy of the project: what it installs, and how it fails if it cannot."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT
from tests.clients.node import unavailable

pytestmark = pytest.mark.slow

SIZE = re.compile(r"Installing (\d+) packages of (\S+) into \.venv \((\d+) MB\)")
PATH_WITH_UV = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.fixture
def project() -> Iterator[Path]:
    """Copy of all files under version control, accessible to every user."""
    folder = Path(tempfile.mkdtemp(prefix="billing-dev-"))
    folder.chmod(0o755)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(("tests/", "bench/", "web/")) and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def dev(project: Path, *words: str, user: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        ["./dev", *words],
        cwd=project,
        env={**kept, "PATH": PATH_WITH_UV, **environment},
        user=user,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def packages(project: Path) -> set[str]:
    [site] = (project / ".venv" / "lib").glob("python3*/site-packages")
    return {path.name for path in site.glob("*.dist-info")}


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def set_up(project: Path, *words: str) -> str:
    """Runs a command that has to install something. Returns its stderr."""
    done = dev(project, *words)
    if "index does not respond" in done.stderr:
        unavailable("This test needs packages that are not in uv's cache, and no index was reached.")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_server_needs_the_short_lock_and_the_tests_add_to_it(project: Path) -> None:
    said = SIZE.search(set_up(project, "billing", "schema"))
    assert said
    small = packages(project)
    assert (int(said[1]), said[2]) == (len(small), "requirements.lock")
    assert int(said[3]) == pytest.approx(megabytes(project / ".venv"), rel=0.25)
    assert set_up(project, "run", "billing", "schema") == ""

    said = SIZE.search(set_up(project, "run", "pytest", "--version"))
    assert said
    large = packages(project)
    assert (int(said[1]), said[2]) == (len(large), "requirements-dev.lock")
    assert int(said[3]) == pytest.approx(megabytes(project / ".venv"), rel=0.25)
    assert small < large

    assert set_up(project, "billing", "schema") == ""
    assert packages(project) == large


def test_a_server_starts_from_any_folder_and_finds_the_project(project: Path, tmp_path: Path) -> None:
    set_up(project, "billing", "schema")
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "main.py").write_text("raise SystemExit('the wrong one')")

    printed = subprocess.run([project / ".venv/bin/billing", "schema"], cwd=tmp_path, capture_output=True, check=True)

    assert printed.stdout == (ROOT / "schema.graphql").read_bytes()


@pytest.mark.parametrize("path", [PATH_WITH_UV, None], ids=["with-uv", "without-uv"])
def test_without_a_network(project: Path, tmp_path: Path, path: str | None) -> None:
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    home = {"HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv"), "PIP_CACHE_DIR": str(tmp_path / "pip")}
    alone = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "UV_FIND_LINKS": "", "NO_PROXY": "", "no_proxy": ""}

    ended = dev(project, "serve", PATH=path or path_of_python(tmp_path), **nowhere, **home, **alone)

    *_, last = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"error: (Fetching|Installing) .*: the package index does not respond\. Check the net.*", last)
    assert not (project / ".venv" / "in-sync").exists()


def path_of_python(folder: Path) -> str:
    """Returns a PATH that has this Python but no uv."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    return f"{programs}:/usr/bin:/bin"


def test_in_a_folder_that_is_read_only(project: Path) -> None:
    user = "nobody" if os.geteuid() == 0 else None
    if user is None:
        project.chmod(0o555)
    try:
        ended = dev(project, "serve", user=user)
    finally:
        project.chmod(0o755)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"error: Cannot write to {project}, where .venv must be created. Copy the project to a folder that you own.\n"
    )


@pytest.mark.parametrize("megabytes", [1, 40], ids=["at-once", "while-installing"])
def test_on_a_full_disk(project: Path, megabytes: int) -> None:
    disk = project / "disk"
    disk.mkdir()
    copy = "mount -t tmpfs -o size={0}m none disk && cp -r dev *.lock disk && cd disk && {1} ./dev serve"
    fill = "head -c 100m /dev/zero > zeros 2>/dev/null;" if megabytes == 1 else ""
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        unavailable("This test mounts a small disk, which is not permitted here.")

    ended = subprocess.run(
        [*unshare, "bash", "-c", copy.format(megabytes, fill)],
        cwd=project,
        env={**os.environ, "PATH": PATH_WITH_UV},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    *_, last = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert re.fullmatch(rf"error: (Creating|Installing) .*: the disk is full\. Free some space for {disk} .*", last)
