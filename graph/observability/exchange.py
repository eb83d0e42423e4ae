"""Facts about the current request, for log lines, metrics and traces."""

import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import token_hex
from time import perf_counter
from typing import TYPE_CHECKING

from db.driver.usage import Usage

if TYPE_CHECKING:
    from graphql import OperationDefinitionNode

    from graph.observability.tracing import Tracing

REQUEST_ID = re.compile(rb"[0-9A-Za-z._:=+/-]{1,128}")
"""Valid values of a client's `X-Request-Id`."""

NAME_CHARACTERS = 100
"""Maximum number of characters to record of an operation's name, which clients choose."""


@dataclass(slots=True)
class Exchange:
    """A request and its outcome so far.

    `operation` and `type` belong to the requested operation, once it is known. `trusted` is True if it is from a
    trusted document. `codes` are those of the top-level errors, `refusals` those of user errors. `failure` is the first
    error of the server, and `failures` counts all. `seconds` is the time from the request to the start of the response,
    without the time to receive the body. `ended_at` is the Unix time of the end. `logged` is True if a log line already
    describes the request.
    """

    request_id: str
    route: str = "other"
    key_id: str | None = None
    operation: str | None = None
    type: str | None = None
    trusted: bool = False
    rows: int = 0
    status: int | None = None
    codes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    failure: BaseException | None = None
    failures: int = 0
    usage: Usage = field(default_factory=Usage)
    tracing: "Tracing | None" = None
    trace_id: str | None = None
    began: float = field(default_factory=perf_counter)
    reading_seconds: float = 0.0
    seconds: float = 0.0
    ended_at: float = 0.0
    logged: bool = False

    def executes(self, operation: "OperationDefinitionNode", *, trusted: bool) -> None:
        """Records the requested operation."""
        self.operation = operation.name.value[:NAME_CHARACTERS] if operation.name else None
        self.type = operation.operation.value
        self.trusted = trusted

    def fails(self, cause: BaseException | None) -> None:
        """Records a failure of the server. `cause` is None if it is not known."""
        self.failures += 1
        if self.failure is None:
            self.failure = cause

    def answers(self, status: int) -> None:
        """Records the status of the response and the time it took."""
        self.status = status
        self.seconds = perf_counter() - self.began - self.reading_seconds


EXCHANGE: ContextVar[Exchange | None] = ContextVar("EXCHANGE", default=None)


def current() -> Exchange:
    """Returns the current request. Outside of requests, returns a new one that is never reported."""
    found = EXCHANGE.get()
    return Exchange(new_request_id()) if found is None else found


def request_id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Returns the client's `X-Request-Id` if it is valid, else a new id."""
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return new_request_id()


def new_request_id() -> str:
    return token_hex(16)
