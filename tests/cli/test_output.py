"""Output of commands: errors are a single line on stderr, without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import __version__
from tests.cli.conftest import ROOT, billing

COMMANDS = (["schema"], ["config"], ["config", "--json"], ["--help"], ["--version"])


def test_it_says_its_version() -> None:
    assert billing("--version").stdout == f"billing {__version__}\n"


@pytest.mark.parametrize("command", [[], ["serve"], ["keys"], ["keys", "create"]], ids=" ".join)
def test_short_help_is_help(command: list[str]) -> None:
    short, long = billing(*command, "-h"), billing(*command, "--help")

    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert " ".join(["Usage: billing", *command]) in short.stdout


WRONG = {
    ("serve", "--port", "x"): "Invalid value for '--port': it must be a whole number. See `billing serve --help`.",
    ("serve", "--renew-every", "x"): "Invalid value for '--renew-every': it must be a number."
    " See `billing serve --help`.",
    ("serve", "--workers", "99"): "Invalid value for '--workers': it must be less than or equal to 16."
    " See `billing serve --help`.",
    ("renew", "--as-of", "x"): "Invalid value for '--as-of': 'x' does not match the formats '%Y-%m-%dT%H:%M:%SZ',"
    " '%Y-%m-%d'. See `billing renew --help`.",
    ("keys", "create", "--name", "x", "--scope", "all"): "Invalid value for '--scope': 'all' is not one of 'read',"
    " 'write', 'admin'. See `billing keys create --help`.",
    ("keys", "create", "--name", "x"): "Missing option '--scope'. Choose from: read, write, admin."
    " See `billing keys create --help`.",
    ("restore", "/nowhere"): "Invalid value for 'file': file '/nowhere' does not exist. See `billing restore --help`.",
    ("verify", "--all"): "No such option: --all. See `billing verify --help`.",
    ("bill",): "No such command 'bill'. See `billing --help`.",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_words_are_one_plain_line(words: tuple[str, ...]) -> None:
    done = billing(*words)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {WRONG[words]}\n")


def test_a_group_without_a_command_shows_its_help() -> None:
    done = billing("keys")

    assert (done.returncode, done.stderr) == (2, "")
    assert "revoke" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_output_that_is_full_is_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *command],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (1, "error: Cannot write the output: No space left on device.\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_output_that_nobody_reads_is_no_error_worth_a_word(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")


def test_a_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        count = str(len(words.split(" ")) - 1)
        return billing(_BILLING_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count).stdout.split()

    assert completed("billing re") == ["renew", "restore", "recover"]
    assert completed("billing keys re") == ["revoke"]
    assert "--data-dir" in completed("billing verify --")
