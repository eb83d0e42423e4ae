"""One-line messages for errors that the user of a command can fix."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cli.errors import CommandError
from db.backup import BackupError
from db.driver.errors import Overloaded, is_unavailable
from db.driver.urls import DatabaseUrlError
from db.embedded import EmbeddedPostgresError
from db.migrations import ExtensionMissingError, MigrationBlockedError, UnknownRevisionError

ONE_LINE = (
    Overloaded,
    BackupError,
    CommandError,
    DatabaseUrlError,
    EmbeddedPostgresError,
    ExtensionMissingError,
    MigrationBlockedError,
    UnknownRevisionError,
)
"""Errors whose message is already one line for the user."""


def line_of(error: Exception) -> str | None:
    """Returns the line to print for an error, or None if the error is a bug."""
    if isinstance(error, ONE_LINE):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, (OSError, SQLAlchemyError)) and is_unavailable(error):
        return f"The database is not responding: {first_line(error)}"
    if isinstance(error, DBAPIError):
        return f"The database returned an error: {first_line(error)}"
    return None


def first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause.__cause__ or cause).splitlines()[0] if str(cause) else type(cause).__name__
