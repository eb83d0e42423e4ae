"""Clients that say nothing, say it slowly, or do not take their answer: their connections are closed in time.

uvicorn closes a connection on which nothing is asked after an answer. For a first request, for the rest of one, and for
a client to take what it was sent, it waits for ever.
"""

import asyncio
from typing import Any, ClassVar

import orjson
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from graph.error_codes import ErrorCode

LOOK_SECONDS = 1
"""So often each connection is looked at: which costs the others nothing, as a timer for each request would."""

MAX_HEAD_BYTES = 64 * 1024
"""So much of a head is taken after the first piece that has arrived of it."""

TIMED_OUT = 408
HEAD_TOO_LARGE = 431


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn that waits `patience_seconds` for the head of a request, as long for its body, and as long
    for the client to take anything of an answer.
    """

    patience_seconds: ClassVar[float] = 10.0

    scope: HTTPScope | None  # type: ignore[assignment]
    cycle: RequestResponseCycle | None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_bytes = 0
        self._waits_for: object = None
        self._waits_since = self.loop.time()
        self._look_again = self.loop.call_soon(self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_again.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        head = self._begun_head()
        super().data_received(data)
        # The piece in which a head begins is not counted: it may be the end of a body for the most part.
        if head is None or self._begun_head() is not head:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE, f"The head of a request must have at most {MAX_HEAD_BYTES} bytes.")

    def _begun_head(self) -> HTTPScope | None:
        """The request that has begun, if its head has not come to its end."""
        return self.scope if self.cycle is None or self.scope is not self.cycle.scope else None

    def _unanswered(self) -> RequestResponseCycle | None:
        """The request of which the head has arrived and the answer is not complete."""
        return None if self.cycle is None or self.cycle.response_complete else self.cycle

    def _look(self) -> None:
        """Gives the client up where it has been waited for the same thing for too long."""
        self._look_again = self.loop.call_later(LOOK_SECONDS, self._look)
        now = self.loop.time()
        waits_for = self._what_it_waits_for()
        if waits_for is None or waits_for != self._waits_for:
            self._waits_for, self._waits_since = waits_for, now
        elif now - self._waits_since >= self.patience_seconds:
            self._give_up()

    def _what_it_waits_for(self) -> object:
        """What the client owes; None where it is the client that waits. It is the same for as long as nothing comes of
        it.
        """
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return "taking", unsent
        if (reading := self._unanswered()) is not None:
            return ("body", reading) if reading.more_body else None
        # Between two requests uvicorn's own timer runs.
        if self.transport.is_closing() or self.timeout_keep_alive_task is not None:
            return None
        return "head", self.cycle

    def _give_up(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self._begun_head() is not None or self._unanswered() is not None:
            self._refuse(TIMED_OUT, f"The request has not arrived within {self.patience_seconds:g} s.")
        else:
            # It has said nothing, and may take an answer for that of its first request.
            self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answers a request that has not arrived, and closes the connection."""
        unanswered = self._unanswered()
        if unanswered is None or not unanswered.response_started:
            self.transport.write(refusal(status, message))
        if unanswered is not None:
            # Who reads the body is told that the client has gone.
            unanswered.disconnected = True
            unanswered.message_event.set()
        self.transport.close()


def refusal(status: int, message: str) -> bytes:
    """A whole response, in the form that errors have."""
    code = ErrorCode.TIMEOUT if status == TIMED_OUT else ErrorCode.BAD_USER_INPUT
    error: dict[str, Any] = {"message": message, "extensions": {"code": code}}
    body = orjson.dumps({"errors": [error]})
    head = (
        b"content-type: application/json; charset=utf-8\r\n"
        b"cache-control: no-store\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    return STATUS_LINE[status] + head + body
