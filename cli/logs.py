"""The log: lines of JSON, or of text on a terminal. All that any library logs takes this way.

What an exception says is not written down, but for those of which it is known that they name nobody: PostgreSQL puts
values of rows into its errors, and so does much else. Its type is, what PostgreSQL says of it beside values, and the
lines of code that led to it.
"""

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from traceback import StackSummary, walk_tb
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.typing import EventDict, ProcessorReturnValue

from db.database import said_of
from graph.observability.exchange import EXCHANGE

FRAMES = 60
"""So many lines of code of an exception are written down at most, the last ones."""

FIRST = ("time", "level", "event")
"""What a line begins with."""

SAID = frozenset({AttributeError, ImportError, ModuleNotFoundError, NameError, NotImplementedError, PoolTimeout})
SAID_BY_THE_SYSTEM = (OSError, socket.gaierror)
"""Exceptions that speak of code or of the system, never of rows."""

OF_POSTGRES = {"sqlstate": "SQLSTATE", "constraint_name": "constraint", "table_name": "table", "column_name": "column"}


def configure_logs(output: TextIO, level: int = logging.INFO) -> None:
    """Has everything logged to `output`, from `level` on."""
    handler = logging.StreamHandler(output)
    handler.setFormatter(Formatter(terminal=output.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # They say at INFO what they do at each look at the schema.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = log_crash
    threading.excepthook = lambda crash: log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def log_crash(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    logging.getLogger("billing").critical("crashed", exc_info=(kind, error or kind(), trace))


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats what the standard library's loggers are given."""

    def __init__(self, *, terminal: bool) -> None:
        render: Any = (
            structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=structlog.dev.plain_traceback)
            if terminal
            else structlog.processors.JSONRenderer(serializer=line_of_json)
        )
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", key="time"),
                add_facts,
                add_ids,
                add_exception,
            ],
            processors=[self.remove_processors_meta, render],
        )

    def format(self, record: logging.LogRecord) -> str:
        record = logging.makeLogRecord(record.__dict__)
        if isinstance(record.args, tuple):
            record.args = tuple(Said(each) if isinstance(each, BaseException) else each for each in record.args)
        if record.name == "asyncio":
            # After its first line it shows the task, and the exception in it.
            record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return super().format(record)


class Said:
    """An exception, in the words that may be said of it."""

    def __init__(self, error: BaseException) -> None:
        self._said = described(error)

    def __repr__(self) -> str:
        return self._said


def line_of_json(event: EventDict, **_: object) -> str:
    ordered = {**{name: event.pop(name, None) for name in FIRST}, **event}
    return orjson.dumps(ordered, default=lambda value: f"<{type(value).__name__}>").decode()


def add_facts(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Adds the `facts` that a line was logged with; nothing else that a library hangs on a record."""
    event.update(getattr(event["_record"], "facts", {}))
    return event


def add_ids(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Adds the ids of the request that is being answered, and the name of its operation."""
    exchange = EXCHANGE.get()
    if exchange is not None:
        event["request_id"] = exchange.request_id
        if exchange.type is not None:
            event["operation"] = exchange.operation
            event["operation_type"] = exchange.type
        if exchange.key_id is not None:
            event["key_id"] = exchange.key_id
        if exchange.trace_id is not None:
            event["trace_id"] = exchange.trace_id
    return event


def add_exception(_logger: object, _method: str, event: EventDict) -> ProcessorReturnValue:
    """Puts a traceback in the place of an exception."""
    found = event.pop("exc_info", None)
    if found:
        error = found if isinstance(found, BaseException) else (found[1] if isinstance(found, tuple) else None)
        if error is not None:
            event["error"] = described(error)
            event["exception"] = "".join(traceback_of(error, set()))
    return event


def described(error: BaseException) -> str:
    """The type of an exception, and what may be said of it: nothing that could be a value of somebody's."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind in SAID or (kind.__module__ in ("builtins", "socket") and isinstance(error, SAID_BY_THE_SYSTEM)):
        return f"{name}: {error}" if str(error) else name
    said = ((word, said_of(error, attribute)) for attribute, word in OF_POSTGRES.items())
    told = ", ".join(f"{word} {value}" for word, value in said if value)
    return f"{name}: {told}" if told else name


def traceback_of(error: BaseException, seen: set[int]) -> Iterator[str]:
    """The lines of a traceback, causes first, without the values of anything."""
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from traceback_of(earlier, seen)
        yield "\n\nand then:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from StackSummary.extract(walk_tb(error.__traceback__), limit=-FRAMES, capture_locals=False).format()
    yield described(error)
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield "\n\nand in it:\n\n"
            yield from traceback_of(each, seen)
