"""Database usage of a request: the number of its statements, and the time it waits for them."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, ExceptionContext

StatementListener = Callable[[str, float, BaseException | None], None]
"""Called after each statement with its SQL, its duration in seconds, and its error or None."""


@dataclass(slots=True)
class Usage:
    """Database usage of one request.

    `statements` does not count BEGIN and COMMIT. `seconds` covers statements, BEGIN, COMMIT and the wait for a
    connection. `waited_seconds` covers only this wait. `on_statement` is called after each statement.
    """

    statements: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0
    on_statement: StatementListener | None = None


USAGE: ContextVar[Usage | None] = ContextVar("USAGE", default=None)
"""Usage of the current request. None outside of requests."""

BEGIN, COMMIT = "BEGIN", "COMMIT"


class TimedStatement:
    """Counts its block as one statement with this SQL."""

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
    """Adds a finished statement to `USAGE`. `began` is its start by `perf_counter`."""
    usage = USAGE.get()
    if usage is not None:
        seconds = perf_counter() - began
        usage.statements += text not in (BEGIN, COMMIT)
        usage.seconds += seconds
        if usage.on_statement is not None:
            usage.on_statement(text, seconds, error)


def count_usage(engine: Engine) -> None:
    """Counts the statements that SQLAlchemy sends through `engine`."""
    event.listen(engine, "before_cursor_execute", statement_begins)
    event.listen(engine, "after_cursor_execute", statement_ends)
    event.listen(engine, "handle_error", statement_fails)


def statement_begins(
    _connection: Connection,
    _cursor: object,
    _statement: str,
    _parameters: object,
    context: Any,  # noqa: ANN401 - its class depends on the dialect
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
