"""What a request has of the database: how many statements, and how long it waits for them."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, ExceptionContext

Told = Callable[[str, float, BaseException | None], None]
"""Is told of a statement that is over: its text, the seconds that it took, and how it failed, if it did."""


@dataclass(slots=True)
class Usage:
    """`seconds` are those of statements, of the begin and end of transactions, and of waiting for a connection, which
    are `waited_seconds` as well.
    """

    statements: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0
    told: Told | None = None


USAGE: ContextVar[Usage | None] = ContextVar("USAGE", default=None)
"""That of the request for which something is done; None outside of requests."""

BEGIN, COMMIT = "BEGIN", "COMMIT"


class TimedStatement:
    """Counts the time of the block as that of a statement."""

    __slots__ = ("_began", "_text")

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        count_statement(self._text, self._began, error)


def count_statement(text: str, began: float, error: BaseException | None = None) -> None:
    """Counts a statement that is over."""
    usage = USAGE.get()
    if usage is not None:
        seconds = perf_counter() - began
        usage.statements += text not in (BEGIN, COMMIT)
        usage.seconds += seconds
        if usage.told is not None:
            usage.told(text, seconds, error)


def count_usage(engine: Engine) -> None:
    """Has the statements counted that SQLAlchemy sends itself."""
    event.listen(engine, "before_cursor_execute", statement_begins)
    event.listen(engine, "after_cursor_execute", statement_ends)
    event.listen(engine, "handle_error", statement_fails)


def statement_begins(
    _connection: Connection,
    _cursor: object,
    _statement: str,
    _parameters: object,
    context: Any,  # noqa: ANN401 - of any dialect: it takes attributes
    _executemany: bool,
) -> None:
    context.began = perf_counter()


def statement_ends(
    _connection: Connection,
    _cursor: object,
    statement: str,
    _parameters: object,
    context: Any,  # noqa: ANN401
    _executemany: bool,
) -> None:
    count_statement(statement, context.began)


def statement_fails(failure: ExceptionContext) -> None:
    began = getattr(failure.execution_context, "began", None)
    if began is not None and failure.statement is not None:
        count_statement(failure.statement, began, failure.original_exception)
