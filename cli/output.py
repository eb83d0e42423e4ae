"""Handles the output and the exit code of a command: usage errors and failed writes are reported in one line."""

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from typer import TyperException
from typer.core import TyperGroup


class OutputError(Exception):
    """Standard output cannot be written. `reason` is None if its reader has closed the pipe."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.reason = None if error.errno == errno.EPIPE else error.strerror


class Output(TextIOWrapper):
    """Standard output that raises `OutputError`, because an `OSError` could also come from the database."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputError(error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputError(error) from None


class CommandGroup(TyperGroup):
    """The command `billing`. Reports wrong arguments and failed writes to standard output in one line."""

    def main(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - overrides a method of TyperGroup
        run = super().main
        sys.exit(exit_code_of(lambda: run(*arguments, **{**options, "standalone_mode": False})))


def exit_code_of(run: Callable[[], int | None]) -> int:
    """Runs a command and returns its exit code. Prints usage errors and failed writes in one line."""
    if (output := sys.stdout) is sys.__stdout__ and isinstance(output, TextIOWrapper):
        output.flush()
        sys.stdout = Output(output.buffer, output.encoding, output.errors, line_buffering=output.line_buffering)
    try:
        code = run()
        sys.stdout.flush()
    except OutputError as error:
        # Python flushes standard output again at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.reason is not None:
            sys.stderr.write(f"error: Cannot write the output: {error.reason}.\n")
        return 1
    except TyperException as error:
        sys.stderr.write(usage_error_line(error))
        return error.exit_code
    return code or 0


def usage_error_line(error: TyperException) -> str:
    """Returns the error and a pointer to the help in one line. Empty if a command group has printed its help."""
    message = error.format_message()
    if not message:
        return ""
    message = " ".join(message.split())
    for formal, plain in (
        ("Value error, ", ""),
        ("Input should be", "it must be"),
        (", unable to parse string as an integer", ""),
        (", unable to parse string as a number", ""),
        ("a valid integer", "a whole number"),
        ("a valid number", "a number"),
    ):
        message = message.replace(formal, plain)
    context = getattr(error, "ctx", None)
    help_ = f" See `{context.command_path} --help`." if context is not None else ""
    return f"error: {message.rstrip('.')}.{help_}\n"
