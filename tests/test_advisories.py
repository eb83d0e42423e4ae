"""`scripts/check_advisories.py` with the real pip-audit and npm, against a local advisory service."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]

KNOWN = {
    ("flask", "0.5"): ("PYSEC-2019-179", "1.0"),
    ("jinja2", "2.4.1"): ("PYSEC-2014-8", "2.7.2"),
    ("lodash", "4.17.4"): ("GHSA-p6mc-m468-83gw", "4.17.19"),
    ("minimist", "0.0.8"): ("GHSA-vh95-rmgr-6w4m", "0.2.1"),
}
"""Known advisories by package and version: the advisory's name and the first fixed version."""


class Advisories:
    """HTTP server that responds like OSV and npm's registry, from `known` and with `status`."""

    def __init__(self) -> None:
        self.known = KNOWN
        self.status = 200
        self.asked: list[str] = []
        advisories = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                answer = advisories.osv(asked) if self.path == "/osv" else advisories.npm(asked)
                self.answer(advisories.status, json.dumps(answer).encode())

            def do_GET(self) -> None:
                self.answer(404, b"{}")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def osv(self, asked: Any) -> Any:
        name, version = asked["package"]["name"], asked["version"]
        self.asked.append(name)
        if (name, version) not in self.known:
            return {}
        advisory, fixed = self.known[name, version]
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
        return {"vulns": [{"id": advisory, "summary": "What is wrong.", "affected": affected}]}

    def npm(self, asked: Any) -> Any:
        self.asked.extend(asked)
        return {
            name: [
                {
                    "id": 1,
                    "url": f"https://advisories.example.com/{advisory}",
                    "title": "What is wrong",
                    "severity": "high",
                    "vulnerable_versions": f"<{fixed}",
                }
            ]
            for (name, version), (advisory, fixed) in self.known.items()
            if version in asked.get(name, ())
        }


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    advisories = Advisories()
    thread = threading.Thread(target=advisories.server.serve_forever)
    thread.start()
    yield advisories
    advisories.server.shutdown()
    thread.join()
    advisories.server.server_close()


def check(advisories: Advisories, *locks: Path) -> tuple[int, list[str]]:
    """Runs the check on the lock files. Returns its exit code and the lines of its output."""
    service = {
        "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
        "PIP_AUDIT_OSV_URL": f"{advisories.url}/osv",
        "npm_config_registry": advisories.url,
        "NO_PROXY": "127.0.0.1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "scripts/check_advisories.py", *map(str, locks)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **service},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


def requirements(folder: Path, pinned: str) -> Path:
    """Writes a lock file that no other test has checked."""
    lock = folder / "requirements.lock"
    lock.write_text(f"# {uuid4()}\n{pinned}\n")
    return lock


def package_lock(folder: Path, name: str, version: str) -> Path:
    lock = folder / "package-lock.json"
    named = {"name": f"test-{uuid4()}", "dependencies": {name: version}}
    (folder / "package.json").write_text(json.dumps(named))
    lock.write_text(
        json.dumps({"lockfileVersion": 3, "packages": {"": named, f"node_modules/{name}": {"version": version}}})
    )
    return lock


def test_a_known_vulnerability_fails_and_is_named(advisories: Advisories, tmp_path: Path) -> None:
    locks = requirements(tmp_path, "six==1.17.0\njinja2==2.4.1"), package_lock(tmp_path, "minimist", "0.0.8")

    code, [python, npm] = check(advisories, *locks)

    assert code == 1
    assert python == f"error: {locks[0]}: jinja2 2.4.1: PYSEC-2014-8, fixed in 2.7.2"
    assert npm.startswith(f"error: {locks[1]}: minimist <0.2.1: What is wrong, https://")
    assert check(advisories, *locks)[0] == 1, "it is remembered as sound"


def test_what_is_sound_is_looked_up_once_a_day_and_when_it_changes(advisories: Advisories, tmp_path: Path) -> None:
    locks = requirements(tmp_path, "six==1.17.0"), package_lock(tmp_path, "left-pad", "1.3.0")

    assert check(advisories, *locks) == (0, [])
    assert sorted(advisories.asked) == ["flask", "left-pad", "lodash", "six"]
    assert check(advisories, *locks) == (0, [])
    assert len(advisories.asked) == 4

    assert check(advisories, requirements(tmp_path, "six==1.17.0\njinja2==2.4.1"), locks[1])[0] == 1


def become_unwilling(advisories: Advisories) -> None:
    advisories.status = 405


def become_ignorant(advisories: Advisories) -> None:
    advisories.known = {}


def go(advisories: Advisories) -> None:
    advisories.server.server_close()


@pytest.mark.parametrize("change", [become_unwilling, become_ignorant, go])
def test_where_nobody_can_be_asked_that_is_one_line_and_no_failure(
    advisories: Advisories, tmp_path: Path, change: Callable[[Advisories], None]
) -> None:
    locks = requirements(tmp_path, "jinja2==2.4.1"), package_lock(tmp_path, "minimist", "0.0.8")
    change(advisories)

    code, [python, npm] = check(advisories, *locks)

    assert code == 0
    assert python.startswith("Python packages were not checked for known vulnerabilities: ")
    assert npm.startswith("npm packages were not checked for known vulnerabilities: ")


def test_a_lock_file_that_is_none_is_no_want_of_advisories(advisories: Advisories, tmp_path: Path) -> None:
    code, said = check(advisories, requirements(tmp_path, "this is no requirement"))

    assert code == 1
    assert said[0].startswith("error: pip-audit of ")
