"""Log output: JSON lines, or text on a terminal. Everything that any library logs passes through here.

Messages of exceptions are not logged, except for types that cannot contain personal data: PostgreSQL and others put
values of rows into their messages. An exception is logged as its type, the error fields of PostgreSQL that hold no
values, and the traceback.
"""

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from traceback import StackSummary, walk_tb
from types import TracebackType
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from db.driver.errors import Overloaded, server_detail
from graph.observability.exchange import EXCHANGE

FRAMES = 60
"""Maximum number of stack frames to log for each exception. The innermost frames are kept."""

SAFE_ERRORS = frozenset({AttributeError, ImportError, ModuleNotFoundError, NameError, NotImplementedError, Overloaded})
SAFE_SYSTEM_ERRORS = (OSError, socket.gaierror)
"""Exceptions whose messages are safe to log: they describe code or the operating system, never rows."""

POSTGRES_ERROR_FIELDS = {
    "sqlstate": "SQLSTATE",
    "constraint_name": "constraint",
    "table_name": "table",
    "column_name": "column",
}


def configure_logs(output: TextIO, level: int = logging.INFO) -> None:
    """Sends all log records of `level` or higher to `output`."""
    # If a line cannot be written, there is nowhere to report it: one traceback for each would flood stderr.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(output)
    handler.setFormatter(Formatter(terminal=output.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Alembic logs at INFO whenever the schema is checked.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = log_crash
    threading.excepthook = lambda crash: log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def log_crash(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    logging.getLogger("billing").critical("crashed", exc_info=(kind, error or kind(), trace))


class Formatter(logging.Formatter):
    """Formats records of the standard library's loggers: in color on a `terminal`, else as JSON."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._render: Processor = (
            structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=structlog.dev.plain_traceback)
            if terminal
            else structlog.processors.JSONRenderer(serializer=line_of_json)
        )

    def format(self, record: logging.LogRecord) -> str:
        event: EventDict = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "event": message_of(record),
            "logger": record.name,
            # Other attributes that libraries attach to a record are dropped.
            **getattr(record, "facts", {}),
            **ids(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            event["error"] = safe_description(record.exc_info[1])
            event["exception"] = "".join(traceback_of(record.exc_info[1], set()))
        return str(self._render(None, event["level"], event))


def message_of(record: logging.LogRecord) -> str:
    """Returns the message of a record, with exceptions among its arguments replaced by safe descriptions."""
    arguments = record.args
    if isinstance(arguments, tuple) and any(isinstance(each, BaseException) for each in arguments):
        arguments = tuple(SafeDescription(each) if isinstance(each, BaseException) else each for each in arguments)
        return str(record.msg) % arguments
    message = record.getMessage()
    # asyncio appends the task and its exception after the first line.
    return message.partition("\n")[0] if record.name == "asyncio" else message


class SafeDescription:
    """Stands for an exception in a log message, without its unsafe text."""

    def __init__(self, error: BaseException) -> None:
        self._said = safe_description(error)

    def __repr__(self) -> str:
        return self._said


def line_of_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=lambda value: f"<{type(value).__name__}>").decode()


def ids() -> dict[str, str | None]:
    """Returns the ids of the current request and the name of its operation. Empty outside of requests."""
    exchange = EXCHANGE.get()
    if exchange is None:
        return {}
    found: dict[str, str | None] = {"request_id": exchange.request_id}
    if exchange.type is not None:
        found["operation"] = exchange.operation
        found["operation_type"] = exchange.type
    if exchange.key_id is not None:
        found["key_id"] = exchange.key_id
    if exchange.trace_id is not None:
        found["trace_id"] = exchange.trace_id
    return found


def safe_description(error: BaseException) -> str:
    """Returns the type of an exception and the details that are safe to log, without any customer's data."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind in SAFE_ERRORS or (kind.__module__ in ("builtins", "socket") and isinstance(error, SAFE_SYSTEM_ERRORS)):
        return f"{name}: {error}" if str(error) else name
    said = ((word, server_detail(error, attribute)) for attribute, word in POSTGRES_ERROR_FIELDS.items())
    told = ", ".join(f"{word} {value}" for word, value in said if value)
    return f"{name}: {told}" if told else name


def traceback_of(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Yields the pieces of a traceback, causes first, without the values of variables."""
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from traceback_of(earlier, seen)
        yield "\n\nThat exception led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from StackSummary.extract(walk_tb(error.__traceback__), limit=-FRAMES, capture_locals=False).format()
    yield safe_description(error)
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield "\n\nSub-exception of the group:\n\n"
            yield from traceback_of(each, seen)
