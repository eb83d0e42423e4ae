"""Fails if a package in the lock files has a known vulnerability.

First looks up a version that is known to be vulnerable, because a service without advisories would report nothing
either. If no service can be reached, prints one line and does not fail. A result without findings is reused for a day.

    python scripts/check_advisories.py [REQUIREMENTS | package-lock.json ...]
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = (
    "requirements-dev.lock",
    "web/dashboard/package-lock.json",
    "web/graphiql/package-lock.json",
    "tests/clients/package-lock.json",
    "bench/peers/package-lock.json",
)
RECORDS = ROOT / ".tools" / "audited"
DAY_SECONDS = 24 * 3600
ANSWER_SECONDS = 10
AUDIT_SECONDS = 120

KNOWN_REQUIREMENTS = "flask==0.5\n"
KNOWN_PACKAGES = {"": {"dependencies": {"lodash": "4.17.4"}}, "node_modules/lodash": {"version": "4.17.4"}}
UNREACHABLE = re.compile(r"requests\.exceptions|urllib3\.exceptions|[Cc]ould not connect")


class NoAdvisories(Exception):
    """Advisories cannot be looked up. The message is the reason."""


def audit(lock: Path) -> list[str]:
    """Returns a line for each known vulnerability of the packages in a lock file. Raises `NoAdvisories`."""
    return audit_packages(lock) if lock.name == "package-lock.json" else audit_requirements(lock)


def audit_requirements(lock: Path) -> list[str]:
    options = ("--disable-pip", "--no-deps", "--format=json", "--desc=off", "--progress-spinner=off")
    done = run("pip-audit", f"--requirement={lock}", f"--timeout={ANSWER_SECONDS}", *options, folder=ROOT)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except ValueError:
        if UNREACHABLE.search(done.stderr):
            raise NoAdvisories(done.stderr.strip().rpartition("\n")[2]) from None
        sys.exit(f"error: pip-audit of {lock} failed:\n{done.stderr}")
    return [
        f"{each['name']} {each['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for each in dependencies
        for found in each.get("vulns", ())
    ]


def audit_packages(lock: Path) -> list[str]:
    options = ("--package-lock-only", "--json", "--fetch-retries=0", f"--fetch-timeout={ANSWER_SECONDS * 1000}")
    done = run("npm", "audit", *options, folder=lock.parent)
    report = json.loads(done.stdout)
    if "message" in report:  # a failed request; errors in the file or the command have a code
        raise NoAdvisories(report["message"])
    if "vulnerabilities" not in report:
        sys.exit(f"error: npm audit of {lock} failed:\n{done.stderr}")
    return [
        f"{each['name']} {found['range']}: {found['title']}, {found['url']}"
        for each in report["vulnerabilities"].values()
        for found in each["via"]
        if isinstance(found, dict)
    ]


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, timeout=AUDIT_SECONDS, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise NoAdvisories(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NoAdvisories(f"{command[0]} did not finish within {AUDIT_SECONDS} s") from None


def require_advisories(name: str) -> None:
    """Raises `NoAdvisories` if a version known to be vulnerable has no advisory."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder, name)
        if name == "package-lock.json":
            lock.write_text(json.dumps({"lockfileVersion": 3, "packages": KNOWN_PACKAGES}))
            lock.with_name("package.json").write_text(json.dumps(KNOWN_PACKAGES[""]))
        else:
            lock.write_text(KNOWN_REQUIREMENTS)
        if not audit(lock):
            raise NoAdvisories("the service returned no advisory for a version known to have some")


@dataclass(frozen=True, slots=True)
class Record:
    """Records for a day that lock files have no findings. Bound to their content by a hash."""

    path: Path

    @classmethod
    def of(cls, locks: Sequence[Path]) -> "Record":
        return cls(RECORDS / hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest())

    def holds(self) -> bool:
        return self.path.exists() and time.time() - self.path.stat().st_mtime < DAY_SECONDS

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for each in self.path.parent.iterdir():
            if not Record(each).holds():
                each.unlink(missing_ok=True)
        self.path.touch()


def main() -> None:
    locks = [Path(argument).absolute() for argument in sys.argv[1:]] or [ROOT / lock for lock in LOCKS]
    packages = [lock for lock in locks if lock.name == "package-lock.json"]
    requirements = [lock for lock in locks if lock not in packages]
    vulnerable = False
    for kind, group in (("Python", requirements), ("npm", packages)):
        record = Record.of(group)
        if not group or record.holds():
            continue
        try:
            require_advisories(group[0].name)
            found = [f"{lock}: {line}" for lock in group for line in audit(lock)]
        except NoAdvisories as reason:
            sys.stderr.write(f"{kind} packages were not checked for known vulnerabilities: {reason}\n")
            continue
        vulnerable |= bool(found)
        sys.stderr.writelines(f"error: {line}\n" for line in found)
        if not found:
            record.write()
    sys.exit(vulnerable)


if __name__ == "__main__":
    main()
