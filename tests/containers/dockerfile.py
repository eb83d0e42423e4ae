"""Builds a Dockerfile without Docker: copies its files to a folder that replaces `/`, and runs its commands as written.

The base image is replaced by a Python of this machine and the programs in /bin. Unlike in a real build, absolute paths
refer to the folder, the user is the one who runs the tests unless that is root, and commands are not isolated. That is
why only known programs are run, and only on the folders in `MAPPED`.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from db.embedded.os_user import is_accessible_to_all

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "Dockerfile"

MAPPED = ("app", "data", "etc", "venv")
"""Folders of the image that are created in the test's folder."""
MENTIONED = ("/nonexistent", "/usr/sbin/nologin")
PROGRAMS = ("/venv/bin/python", "chmod", "echo", "install", "pip", "printf", "python")
ABSOLUTE = re.compile(r"(?<![\w/.=-])/[\w/.-]+")

MACHINES_OWN = re.compile(r"(?i)(https?|no|all)_proxy|PIP_(CERT|INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST)|SSL_CERT_\w+")
"""Environment variables that configure access to the package index from this machine."""

OFFLINE = re.compile(r"NewConnectionError|ConnectTimeoutError|NameResolutionError|ProxyError|Network is unreachable")


class BuildError(Exception):
    """A command of the Dockerfile failed. The message is its output."""

    @property
    def offline(self) -> bool:
        """True if the package index was unreachable."""
        return OFFLINE.search(str(self)) is not None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `COPY --from=builder /app /app` has the word COPY, a flag and two arguments."""

    word: str
    flags: Mapping[str, str]
    text: str

    def arguments(self) -> list[str]:
        return shlex.split(self.text)

    def command(self) -> list[str]:
        """Returns the words of a CMD or HEALTHCHECK in exec form."""
        words: list[str] = json.loads(self.text.removeprefix("CMD "))
        return words


@dataclass(frozen=True, slots=True)
class Stage:
    """A build stage, which starts with FROM."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.word == word]

    def last(self, word: str) -> Instruction:
        return self.all(word)[-1]


def read_dockerfile(path: Path = DOCKERFILE) -> list[Stage]:
    """Returns the stages in order. Does not support here-documents, ARG and the shell form of CMD,
    which are not used.
    """
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text())
    assert "<<" not in text
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        flags = {}
        while flag := re.match(r"--([\w-]+)=(\S+)\s+", rest := rest.strip()):
            flags[flag[1]] = flag[2]
            rest = rest[flag.end() :]
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].instructions.append(Instruction(word, flags, rest))
    return stages


def ignored(path: str, patterns: list[str]) -> bool:
    """Returns True if .dockerignore excludes `path`. The last pattern that matches it or a parent decides."""
    parts = path.split("/")
    parents = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    excluded = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        if any(_matches(parent, wanted) for parent in parents):
            excluded = not pattern.startswith("!")
    return excluded


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return any(_matches(tail, pattern[3:]) for tail in _tails(path))
    names, globs = path.split("/"), pattern.split("/")
    return len(names) == len(globs) and all(map(fnmatchcase, names, globs))


def _tails(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def ignore_patterns() -> list[str]:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def context_files(source: str) -> list[Path]:
    """Returns the files of `source` that Docker would send to the builder, relative to the repository."""
    start, patterns = REPOSITORY / source, ignore_patterns()
    paths = sorted(start.rglob("*")) if start.is_dir() else [start]
    files = [path.relative_to(REPOSITORY) for path in paths if path.is_file()]
    return [path for path in files if not ignored(path.as_posix(), patterns)]


def base_python(version: str) -> str:
    """Returns the Python to use as base image: of this version, if there is one that all users can run."""
    usable = []
    for name in (f"python{version}", sys.executable, "/usr/bin/python3", "python3.13"):
        try:
            asked = "import sys, venv, pip; print(sys._base_executable); sys.exit(sys.version_info < (3, 11))"
            answer = subprocess.run([name, "-I", "-c", asked], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        python = Path(answer.stdout.strip()).resolve()
        if os.geteuid() or is_accessible_to_all(python):
            return str(python)
        usable.append(python)
    raise AssertionError(f"no Python here has pip and can be run by all users: tried {usable}")


class Build:
    """A build in `folder`. Afterwards `root` contains the files of the last stage, and `environment` its variables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.stages = read_dockerfile()
        self.environment: dict[str, str] = {}
        self._workdir = self.root

    def run(self) -> None:
        """Builds all stages. Raises `BuildError`."""
        self._make_base_image()
        for stage in self.stages:
            # Scripts in a virtual environment contain its path, so each stage is built in the same place and then
            # moved.
            for path in MAPPED:
                (self.root / path).mkdir(parents=True)
            for name in ("passwd", "group"):
                (self.root / "etc" / name).touch()
            for path in ("app", "data", "venv"):
                (self.root / path).rmdir()
            self.environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
            self._workdir = self.root
            for instruction in stage.instructions:
                self._follow(instruction)
            if stage is not self.stages[-1]:
                self.root.rename(self.folder / stage.name)

    def mapped(self, text: str) -> str:
        """Replaces the image's paths in `text` by those in the folder, and its user by one to whom this process may
        give files.
        """
        paths = re.sub(rf"(?<![\w/.-])/({'|'.join(MAPPED)})\b", rf"{self.root}/\1", text)
        if os.geteuid() == 0:
            return paths
        return re.sub(r"\b10001\b", str(os.geteuid()), paths.replace("-g 10001", f"-g {os.getegid()}"))

    def _make_base_image(self) -> None:
        tag = re.fullmatch(r"python:(3\.\d+)-slim-\w+", self.stages[0].base)
        assert tag
        python = base_python(tag[1])
        programs = self.folder / "bin"
        programs.mkdir()
        (self.folder / "home").mkdir()
        for name, command in (("python", python), ("pip", f"{python} -m pip")):
            (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (programs / name).chmod(0o755)

    def _follow(self, instruction: Instruction) -> None:
        match instruction.word:
            case "WORKDIR":
                self._workdir = Path(self.mapped(instruction.text))
                self._workdir.mkdir(parents=True, exist_ok=True)
            case "ENV":
                for assignment in instruction.arguments():
                    name, _, value = assignment.partition("=")
                    old = self.environment.get(name, "")
                    self.environment[name] = ":".join(map(self.mapped, value.split(":"))).replace(f"${name}", old)
            case "COPY":
                self._copy(instruction)
            case "RUN":
                self._run(instruction.text)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.arguments()
        destination = self._workdir / self.mapped(target)
        if stage := instruction.flags.get("from"):
            [source] = sources
            # Moves instead of copying, which is faster. Nothing is copied twice.
            (self.folder / stage / source.removeprefix("/")).rename(destination)
            return
        for source in sources:
            files = context_files(source)
            assert files, f"COPY {source}: nothing of that is sent to the builder"
            for file in files:
                inside = file.relative_to(source) if (REPOSITORY / source).is_dir() else Path(file.name)
                copy = destination / inside
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / file, copy)
                # Simulates a checkout with a strict umask.
                copy.chmod(copy.stat().st_mode & 0o700)
                copy.parent.chmod(0o700)

    def _run(self, command: str) -> None:
        for part in command.split("&&"):
            assert part.split()[0] in PROGRAMS, f"not run outside of a container: {part}"
        for path in ABSOLUTE.findall(command):
            assert path.split("/")[1] in MAPPED or path in MENTIONED, f"not touched outside of a container: {path}"
        machines_own = {name: value for name, value in os.environ.items() if MACHINES_OWN.fullmatch(name)}
        done = subprocess.run(
            ["/bin/sh", "-c", self.mapped(command)],
            cwd=self._workdir,
            env=machines_own | self.environment | {"HOME": str(self.folder / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=0o022,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"{command}\nended with {done.returncode}:\n{done.stdout}")
