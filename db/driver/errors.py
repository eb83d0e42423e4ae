"""Classification of database errors: what is at fault, and whether to retry."""

from collections.abc import Iterator

from asyncpg import InterfaceError, InternalClientError
from sqlalchemy.exc import DBAPIError


class OutcomeUnknown(Exception):
    """The connection was lost during a commit: the transaction may or may not be stored."""


class Overloaded(Exception):
    """The server is overloaded. Nothing was done, and a retry may succeed."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields `error` and its causes, outermost first. The cause of a SQLAlchemy error is the driver's error."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__


def server_detail(error: BaseException, attribute: str) -> str | None:
    """Returns a field of PostgreSQL's error message by the driver's name for it, or None if `error` has none."""
    found = (getattr(cause, attribute, None) for cause in causes(error))
    return next((value for value in found if isinstance(value, str)), None)


def violated_constraint(error: BaseException) -> str | None:
    """Returns the name of the constraint that was violated, or None if `error` has another cause."""
    return server_detail(error, "constraint_name")


READ_ONLY = "25006"
ROLLED_BACK_SQLSTATES = ("40001", "40P01")
"""The database rolled the transaction back because of a conflict: a serialization failure or a deadlock."""

LOST_SQLSTATES = (
    *("08", "57P"),  # connection errors, shutdown and startup
    *(READ_ONLY, "25P03", "25P04"),  # primary became a standby; transaction was idle or ran for too long
)
"""Prefixes. The connection is closed, or its server is no longer the primary: a new connection may work."""

UNAVAILABLE_SQLSTATES = (
    *("28", "3D", "53"),  # authorization, unknown database, insufficient resources
    "55P03",  # lock not available
    *LOST_SQLSTATES,
    *ROLLED_BACK_SQLSTATES,
)


def is_timeout(error: BaseException) -> bool:
    """Returns True if PostgreSQL canceled a statement, which it does on a statement timeout."""
    return server_detail(error, "sqlstate") == "57014"


def is_disk_full(error: BaseException) -> bool:
    """Returns True if the database server has no disk space left."""
    return server_detail(error, "sqlstate") == "53100"


def is_lost(error: BaseException) -> bool:
    """Returns True if the connection on which `error` occurred is closed or unusable."""
    for cause in causes(error):
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        # An InterfaceError that is also a ValueError reports a value that cannot be sent. The connection is fine.
        if isinstance(cause, InterfaceError) and not isinstance(cause, ValueError):
            return True
    return (server_detail(error, "sqlstate") or "").startswith(LOST_SQLSTATES)


def retryable_sqlstate(error: BaseException, *, repeatable: bool) -> str | None:
    """Returns the SQLSTATE of `error` if the transaction may be retried, otherwise None.

    A lost connection without a SQLSTATE counts as 08006. If the outcome of the commit is unknown, only a `repeatable`
    transaction may be retried.
    """
    if isinstance(error, OutcomeUnknown) and not repeatable:
        return None
    state = server_detail(error, "sqlstate")
    if state in ROLLED_BACK_SQLSTATES:
        return state
    if is_lost(error):
        return state or "08006"
    return None


def is_overloaded(error: BaseException) -> bool:
    """Returns True if this server is overloaded. The database may be healthy."""
    return any(isinstance(cause, Overloaded) for cause in causes(error))


def is_unavailable(error: BaseException) -> bool:
    """Returns True if the database cannot be reached or used at the moment. Includes `Overloaded`."""
    for cause in causes(error):
        if isinstance(cause, OSError | InternalClientError | OutcomeUnknown | Overloaded):
            return True
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
    return (server_detail(error, "sqlstate") or "").startswith(UNAVAILABLE_SQLSTATES)
