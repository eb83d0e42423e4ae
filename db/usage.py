"""What a request has of the database: how many statements, and how long it waits for them."""

import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util.queue import QueueCommon

from db.fair_queue import FairQueue

Told = Callable[[str, float, BaseException | None], None]
"""Is told of a statement that is over: its text, the seconds that it took, and how it failed, if it did."""


@dataclass(slots=True)
class Usage:
    """`seconds` are those of statements, of the begin and end of transactions, and of waiting for a connection."""

    statements: int = 0
    seconds: float = 0.0
    told: Told | None = None


USAGE: ContextVar[Usage | None] = ContextVar("USAGE", default=None)
"""That of the request for which something is done; None outside of requests."""

BEGIN, COMMIT = "BEGIN", "COMMIT"


class Sent:
    """Counts the time of the block as that of a statement."""

    __slots__ = ("_began", "_text")

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        note(self._text, self._began, error)


def note(text: str, began: float, error: BaseException | None = None) -> None:
    """Counts a statement that is over."""
    usage = USAGE.get()
    if usage is not None:
        seconds = perf_counter() - began
        usage.statements += text not in (BEGIN, COMMIT)
        usage.seconds += seconds
        if usage.told is not None:
            usage.told(text, seconds, error)


class Pool(AsyncAdaptedQueuePool):
    """A pool in which all come to their turn, and that counts how long they wait for it. `waited` are told as well."""

    _queue_class: type[QueueCommon[ConnectionPoolEntry]] = FairQueue

    waited: Sequence[Callable[[float], None]] = ()

    def recreate(self) -> "Pool":
        pool = super().recreate()
        assert isinstance(pool, Pool)
        pool.waited = self.waited
        return pool

    def connect(self) -> PoolProxiedConnection:
        began = perf_counter()
        try:
            return super().connect()
        finally:
            seconds = perf_counter() - began
            usage = USAGE.get()
            if usage is not None:
                usage.seconds += seconds
            for told in self.waited:
                told(seconds)


# As SQLAlchemy's own pools, it is not to say each time that it is disposed of.
logging.getLogger(f"{__name__}.{Pool.__name__}").setLevel(logging.WARNING)


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
    note(statement, context.began)


def statement_fails(failure: ExceptionContext) -> None:
    began = getattr(failure.execution_context, "began", None)
    if began is not None and failure.statement is not None:
        note(failure.statement, began, failure.original_exception)
