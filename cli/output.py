"""How a command ends: its output is written, or one line says why not."""

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from typer import TyperException
from typer.core import TyperGroup


class OutputError(Exception):
    """The standard output takes nothing more. `reason` is None where nobody reads it any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.reason = None if error.errno == errno.EPIPE else error.strerror


class Output(TextIOWrapper):
    """The standard output. Its errors are its own: an `OSError` could be the database's as well."""

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
    """The command `billing`, which says in one line what is wrong with its words, or with the place it writes to."""

    def main(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as the method that it stands for
        run = super().main
        sys.exit(exit_code_of(lambda: run(*arguments, **{**options, "standalone_mode": False})))


def exit_code_of(run: Callable[[], int | None]) -> int:
    """Runs a command to its end, and says in one line why it could not be run."""
    if (output := sys.stdout) is sys.__stdout__ and isinstance(output, TextIOWrapper):
        output.flush()
        sys.stdout = Output(output.buffer, output.encoding, output.errors, line_buffering=output.line_buffering)
    try:
        code = run()
        sys.stdout.flush()
    except OutputError as error:
        # What is still to be written would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.reason is not None:
            sys.stderr.write(f"error: Cannot write the output: {error.reason}.\n")
        return 1
    except TyperException as error:
        sys.stderr.write(usage_error_line(error))
        return error.exit_code
    return code or 0


def usage_error_line(error: TyperException) -> str:
    """The line that says what is wrong, and where help is. Empty where a group has printed its help."""
    message = error.format_message()
    if not message:
        return ""
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
