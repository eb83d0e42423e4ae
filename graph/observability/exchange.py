"""What is known of the request that is being answered, for log lines, metrics and traces."""

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
"""What a client may call its request."""

NAME_CHARACTERS = 100
"""So much is written down of the name of an operation, which a client chooses."""


@dataclass(slots=True)
class Exchange:
    """A request and what has become of it so far.

    `operation` and `type` are those of the operation that was asked for, once it is known; `trusted`, whether it is one
    of a trusted document. `codes` are those of the errors in the answer, `refusals` those of its user errors. `failure`
    is what made the server fail, the first of all `failures`. `seconds` are those from the request to the answer,
    without the time in which its body came. `ended_at` is the end by the clock of the machine; `logged`, whether a line
    has said all that there is to say.
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
        """Notes the operation that is asked for."""
        self.operation = operation.name.value[:NAME_CHARACTERS] if operation.name else None
        self.type = operation.operation.value
        self.trusted = trusted

    def fails(self, cause: BaseException | None) -> None:
        """Notes that the server fails, and why; None, where that is all there is to say."""
        self.failures += 1
        if self.failure is None:
            self.failure = cause

    def answers(self, status: int) -> None:
        """Notes that the answer is there."""
        self.status = status
        self.seconds = perf_counter() - self.began - self.reading_seconds


EXCHANGE: ContextVar[Exchange | None] = ContextVar("EXCHANGE", default=None)


def current() -> Exchange:
    """The request that is being answered; where there is none, one that nobody is told of."""
    found = EXCHANGE.get()
    return Exchange(new_request_id()) if found is None else found


def request_id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """What the client calls its request, in `X-Request-Id`, or else a new name."""
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return new_request_id()


def new_request_id() -> str:
    return token_hex(16)
