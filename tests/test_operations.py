"""docs/operations.md matches the product: its drill runs, and its commands, settings, addresses and metrics exist."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import pytest
import typer
import yaml
from rich.console import Console

from cli.demo import fill
from cli.environment import settings_of
from cli.main import app
from cli.settings import Configuration
from db.database import Database
from graph.observability.live_counts import LiveCounts
from graph.observability.metrics import DatabaseMetrics, Metrics
from graph.server.app import create_app
from graph.settings import Settings
from services.api_keys import KEY_SEEN_FOR
from tests.clients.node import unavailable
from tests.support import NOW, PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def console_lines(text: str) -> list[str]:
    """Returns the commands in a text as they are typed."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def section(heading: str) -> str:
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#)", OPERATIONS, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def test_a_revoked_key_is_refused_within_the_time_that_it_says() -> None:
    assert f"A revoked key is rejected within {KEY_SEEN_FOR.seconds} seconds." in " ".join(OPERATIONS.split())


def billing_commands() -> Iterator[list[str]]:
    """Yields the words of each `billing …` command, in code blocks and in prose."""
    for line in [*console_lines(OPERATIONS), *re.findall(r"`([^`\n]*billing [^`\n]+)`", OPERATIONS)]:
        words = shlex.split(line)
        for before, word, at in zip(["--", *words], words, range(1, len(words) + 1), strict=False):
            if word == "billing" and (before == "--" or before.endswith("/dev") or "=" in before):
                yield words[at:]


@pytest.mark.parametrize("words", list(billing_commands()), ids=" ".join)
def test_the_commands_are_there_and_take_what_they_are_given(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context: Any = click.Context(command)
    while isinstance(command, typer.core.TyperGroup) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
    options = {said for each in command.params for said in (*each.opts, *each.secondary_opts) if said.startswith("--")}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_unit_of_systemd_lets_the_service_do_little(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        unavailable("This test needs systemd-analyze (Debian's package: systemd).")
    [unit] = re.findall(r"```ini\n(\[Unit\].*?)```", OPERATIONS, re.DOTALL)
    (tmp_path / "billing.service").write_text(unit)

    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=29", str(tmp_path / "billing.service")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout.splitlines()[-1:]
    assert "WantedBy=multi-user.target" in unit
    assert "systemctl enable --now billing" in console_lines(OPERATIONS)


def test_the_manifest_for_kubernetes_asks_what_there_is() -> None:
    deployment, service = yaml.safe_load_all((ROOT / "docs" / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    startup = container["startupProbe"]

    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startupProbe": "/health",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }
    assert {probe["path"] for probe in asked.values()} <= set(re.findall(r"^\| `(/\S+)` \|", OPERATIONS, re.MULTILINE))
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600, "a migration tries for ten minutes"
    assert {each["name"] for each in container["env"]} <= {each.variable for each in settings_of(Configuration)}
    assert pod["enableServiceLinks"] is False
    assert pod["terminationGracePeriodSeconds"] >= 30
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert f"--image={container['image']}" in section("Kubernetes")


def test_the_settings_are_there() -> None:
    known = {each.variable for each in settings_of(Configuration)}
    named = set(re.findall(r"\b(?:BILLING_[A-Z_]+|DATABASE_URL(?:_FILE)?)\b", OPERATIONS))

    assert {name.removesuffix("_FILE") for name in named} <= known
    assert len(named) > 10


def test_each_metric_is_explained_and_no_other() -> None:
    metrics = Metrics(Database("postgresql://nobody@127.0.0.1:1/nothing"), LiveCounts())
    figures = DatabaseMetrics(
        holds=0, due_since=None, webhooks_since={uuid4(): None}, webhooks_disabled=0, now=datetime.now(UTC)
    )
    said = metrics.text(figures).decode()
    known = dict(re.findall(r"^# TYPE (\S+) (\S+)$", said, re.MULTILINE))

    assert set(re.findall(r"^\| `(billing_\w+)` \|", OPERATIONS, re.MULTILINE)) == known.keys()
    buckets = {f"{name}_bucket" for name, kind in known.items() if kind == "histogram"}
    assert set(re.findall(r"\bbilling_\w+", OPERATIONS)) - {"billing_b", "billing_server"} <= known.keys() | buckets


def test_the_addresses_are_there() -> None:
    app = create_app(Database("postgresql://nobody@127.0.0.1:1/nothing"), settings=Settings(metrics=True))
    known = {getattr(route, "path", "") for route in app.routes}

    assert set(re.findall(r"^\| `(/\S+)` \|", section("Health"), re.MULTILINE)) | {"/metrics"} <= known
    assert str(Settings().limits.body_bytes // 1024) + "k;" in section("Behind a proxy")


async def test_the_drill_is_as_it_says(database_url: str, tmp_path: Path) -> None:
    await fill(database_url, customers=20, as_of=NOW, console=Console(quiet=True))
    commands = console_lines(section("The drill"))
    *before, tidy_up = commands
    environment = {**os.environ, "DATABASE_URL": database_url, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}

    def typed(command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done

    said = [typed(command) for command in before]

    assert [command.partition("billing ")[2].split()[0] for command in before] == [
        "backup",
        "restore",
        "verify",
        "keys",
    ]
    assert said[2].stdout.count("  ok  ") == said[2].stdout.count("\n") > 20
    assert "20 customers" in said[1].stderr
    typed(tidy_up)
    assert list(tmp_path.iterdir()) == []


async def test_the_backup_of_every_night_runs(database_url: str, tmp_path: Path) -> None:
    [nightly] = [line for line in console_lines(section("Backups")) if "date" in line]
    environment = {**os.environ, "DATABASE_URL": database_url, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}

    subprocess.run(
        ["bash", "-c", nightly.replace("/var/backups/billing", str(tmp_path))],
        env=environment,
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )

    [made] = tmp_path.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.backup", made.name)
