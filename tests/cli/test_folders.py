"""The folder of an embedded PostgreSQL: which commands create it, and which only use an existing one."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Serve, billing
from tests.cli.test_keys import refusal_of

USES = (
    ("keys", "create", "--name", "x", "--scope", "read"),
    ("keys", "list"),
    ("keys", "revoke", "0198c0de-0000-7000-8000-000000000000"),
    ("renew",),
    ("verify",),
    ("backup", "never.backup"),
)


@pytest.mark.parametrize("command", USES, ids=" ".join)
def test_a_command_that_uses_a_database_makes_none(command: tuple[str, ...], new_folder: Path) -> None:
    there = new_folder / "none"

    line = refusal_of(billing(*command, "--data-dir", str(there)))

    assert line == f"error: There is no database in {there}. Create one with `serve` or `migrate`."
    assert list(new_folder.iterdir()) == []


@pytest.mark.parametrize("command", [*USES, ("serve",), ("migrate",), ("demo",)], ids=" ".join)
def test_two_databases_are_one_too_many(command: tuple[str, ...], new_folder: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"

    line = refusal_of(billing(*command, "--data-dir", str(new_folder), DATABASE_URL=url))

    assert line == "error: --data-dir and DATABASE_URL both name a database: use only one of them."
    assert list(new_folder.iterdir()) == []


def test_the_hint_for_a_key_can_be_typed_as_it_stands(serve: Serve, new_folder: Path) -> None:
    there = new_folder / "with a space"
    elsewhere = ("--host", "0.0.0.0", "--port", "0", "--data-dir", str(there))
    refused = refusal_of(billing("serve", *elsewhere))

    [typed] = re.findall(r"`billing (.*)`", refused)
    made = billing(*shlex.split(typed))
    served = serve(*elsewhere)
    by_dev = refusal_of(
        billing("serve", *elsewhere[:4], BILLING_DATA_DIR=str(new_folder), _BILLING_COMMAND="./dev billing")
    )

    assert (made.returncode, made.stdout[:3]) == (0, "bk_")
    assert "API keys    required\n" in served.said.read_text()
    assert "`./dev billing keys create --name admin --scope admin`" in by_dev


def test_a_file_that_is_no_backup_leaves_no_database_behind(new_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no backup")

    line = refusal_of(billing("restore", str(file), "--data-dir", str(new_folder / "new")))

    assert line.startswith(f"error: {file} is not a backup")
    assert list(new_folder.iterdir()) == []
