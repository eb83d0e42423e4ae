"""The wheel contains what the server needs and nothing else, and an installed wheel serves."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.cli.conftest import ROOT, Served
from tests.clients.conftest import listening_at
from tests.clients.python_packages import uv
from tests.folders import open_folder

PACKAGES = ("billing", "cli", "db", "graph", "services")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

pytestmark = pytest.mark.slow


def install_commands() -> list[str]:
    """Returns the commands of docs/operations.md that install the server from a wheel."""
    found = re.search(r"^### From a wheel\n.*?```console\n(.*?)```", OPERATIONS, re.DOTALL | re.MULTILINE)
    assert found
    return [line.removeprefix("$ ") for line in found[1].splitlines()]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("wheel") as folder:
        yield folder


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    build, *_ = install_commands()
    words = shlex.split(build.removeprefix("./dev run python "))
    built = subprocess.run(
        [sys.executable, *words, "--directory", str(folder / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    [wheel] = (folder / "dist").iterdir()
    return wheel


def files_of(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def sources(package: str, *patterns: str) -> set[str]:
    """Returns the files in a folder of the checkout, as paths relative to its root."""
    found = (path for pattern in patterns for path in (ROOT / package).rglob(pattern) if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found}


def test_the_wheel_has_the_packages_and_no_other_top_level_name(wheel: Path) -> None:
    """A top-level folder `alembic` would be installed into the library of that name."""
    tops = {name.split("/")[0] for name in files_of(wheel)}

    assert tops == {*PACKAGES, wheel.name.replace("-py3-none-any.whl", ".dist-info")}


def test_the_wheel_has_all_that_runs_and_nothing_else(wheel: Path) -> None:
    files = {name for name in files_of(wheel) if ".dist-info/" not in name}
    code = {path for package in PACKAGES for path in sources(package, "*.py")}
    migrations = {f"db/{path}" for path in sources("alembic", "*.py", "*.mako")}
    static = {
        path for path in sources("graph/static", "*") if Path(path).name not in (".gitattributes", "sources.sha256")
    }

    assert "db/alembic/versions/2026_11_22_0001_first_tables.py" in files
    assert "graph/static/playground/index.html" in files
    assert files == code | migrations | static | {f"{package}/py.typed" for package in PACKAGES}


@pytest.fixture(scope="module")
def environment(folder: Path, wheel: Path) -> Path:
    """A new virtual environment with the wheel, created as docs/operations.md says, but by uv."""
    _, make, *installs, _ = install_commands()
    target = make.split()[-1]
    uv("venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(folder / "environment"))
    for install in installs:
        pip, *words = shlex.split(install.replace(f"dist/{wheel.name}", str(wheel)))
        assert pip == f"{target}/bin/pip"
        known = [str(ROOT / word) if word.endswith(".lock") else word for word in words]
        uv("pip", *known, "--quiet", "--compile-bytecode", "--python", str(folder / "environment" / "bin" / "python"))
    return folder / "environment"


def own_variables() -> dict[str, str]:
    """Returns the environment variables without those that would lead Python to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def test_an_installed_wheel_leaves_the_libraries_alone(environment: Path, folder: Path) -> None:
    names = [*PACKAGES, "alembic"]
    asked = f"import {', '.join(names)}; print(*({'.__file__, '.join(names)}.__file__), sep='\\n')"
    said = subprocess.run(
        [environment / "bin" / "python", "-c", asked],
        cwd=folder,
        env=own_variables(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    [site] = (environment / "lib").glob("python3.*/site-packages")
    assert said.splitlines() == [str(site / name / "__init__.py") for name in names]
    assert not (site / "alembic" / "versions").exists()


def test_an_installed_wheel_prints_the_schema(environment: Path, folder: Path) -> None:
    printed = subprocess.run(
        [environment / "bin" / "billing", "schema"], cwd=folder, env=own_variables(), capture_output=True, check=True
    ).stdout

    assert printed == (ROOT / "schema.graphql").read_bytes()


def test_an_installed_wheel_migrates_an_empty_folder_and_serves(environment: Path, folder: Path) -> None:
    *_, serve = install_commands()
    assert Path(serve.split()[0]).name == "billing"
    work = folder / "work"
    work.mkdir()
    said = folder / "serve.log"
    with said.open("w") as output:
        process = subprocess.Popen(
            [environment / "bin" / "billing", *serve.split()[1:], "--port", "0", "--data-dir", str(work / "data")],
            cwd=work,
            env=own_variables(),
            stdout=output,
            stderr=output,
            text=True,
        )
    served = Served(process, said, "")
    try:
        served.url = listening_at(served)
        served.until("/ready")
        page = httpx.get(f"{served.url}/graphql", headers={"Accept": "text/html"})
        assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)

        assert served.graphql("{ plans { totalCount } }") == {"plans": {"totalCount": 0}}
        assert (page.status_code, len(assets) > 2) == (200, True)
        assert {httpx.get(served.url + asset).status_code for asset in assets} == {200}
        assert served.stop(signal.SIGTERM) == 0, said.read_text()
    finally:
        if process.poll() is None:
            served.stop(signal.SIGTERM)
