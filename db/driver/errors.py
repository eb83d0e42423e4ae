"""What an error of the database says: who is to blame, and whether another try may do."""

from collections.abc import Iterator

from asyncpg import InterfaceError, InternalClientError
from sqlalchemy.exc import DBAPIError


class OutcomeUnknown(Exception):
    """The connection was lost while a transaction was being committed: it may be stored, or not."""


class Overloaded(Exception):
    """The server has more to do than it can: nothing was done, and another time may do."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what lies under it: the driver's own error, and each cause in turn."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__


def server_detail(error: BaseException, attribute: str) -> str | None:
    """What PostgreSQL says of `error` under the driver's name for it."""
    found = (getattr(cause, attribute, None) for cause in causes(error))
    return next((value for value in found if isinstance(value, str)), None)


def violated_constraint(error: BaseException) -> str | None:
    """The name of the constraint that PostgreSQL says `error` violates."""
    return server_detail(error, "constraint_name")


READ_ONLY = "25006"
ROLLED_BACK_SQLSTATES = ("40001", "40P01")
"""The database has undone a transaction for the sake of others: it could not be serialized with them; a deadlock."""

LOST_SQLSTATES = (
    *("08", "57P"),  # connections, shutting down and starting up
    *(READ_ONLY, "25P03", "25P04"),  # a primary that has become a standby, ended for idling or lasting too long
)
"""The connection is closed, or is to a server that has changed its part: a new one may do."""

UNAVAILABLE_SQLSTATES = (
    *("28", "3D", "53"),  # authorization, no such database, no resources
    "55P03",  # lock not to be had
    *LOST_SQLSTATES,
    *ROLLED_BACK_SQLSTATES,
)


def is_timeout(error: BaseException) -> bool:
    """Whether `error` says that a statement took longer than it may."""
    return server_detail(error, "sqlstate") == "57014"


def is_disk_full(error: BaseException) -> bool:
    """True if the database has no space left to write to."""
    return server_detail(error, "sqlstate") == "53100"


def is_lost(error: BaseException) -> bool:
    """Whether `error` says that the connection it was met on is closed, or of no more use."""
    for cause in causes(error):
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        # Of a value that cannot be sent the driver says the same, in a class that is a ValueError as well.
        if isinstance(cause, InterfaceError) and not isinstance(cause, ValueError):
            return True
    return (server_detail(error, "sqlstate") or "").startswith(LOST_SQLSTATES)


def retryable_sqlstate(error: BaseException, *, repeatable: bool) -> str | None:
    """The SQLSTATE for which a transaction that failed with `error` may be tried again; None where it may not."""
    if isinstance(error, OutcomeUnknown) and not repeatable:
        return None
    state = server_detail(error, "sqlstate")
    if state in ROLLED_BACK_SQLSTATES:
        return state
    if is_lost(error):
        return state or "08006"
    return None


def is_overloaded(error: BaseException) -> bool:
    """Whether `error` says that the server has too much to do. The database may be well."""
    return any(isinstance(cause, Overloaded) for cause in causes(error))


def is_unavailable(error: BaseException) -> bool:
    """Whether `error` says that the database cannot be reached, or that there is no way to it at the moment."""
    for cause in causes(error):
        if isinstance(cause, OSError | InternalClientError | OutcomeUnknown | Overloaded):
            return True
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
    return (server_detail(error, "sqlstate") or "").startswith(UNAVAILABLE_SQLSTATES)
