"""Clients that say nothing, say it slowly, say too much, or do not take their answer: their connections are closed.
Those that offer another protocol are served by this one.

uvicorn closes a connection on which nothing is asked after an answer. For a first request, for the rest of one, and for
a client to take what it was sent, it waits for ever. It keeps all heads, trailers and pipelined requests that arrive,
and the last request of a connection for as long as the connection is idle, and longer where a reset ends it.
"""

import asyncio
from typing import Any, ClassVar

import httptools
import orjson
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from cli.arriving import Arriving
from graph.error_codes import ErrorCode
from graph.server.http import RETRY_SOON
from graph.server.requests import Refusal

CONNECTION_CHECK_SECONDS = 1
"""So often each connection is looked at: which costs the others nothing, as a timer for each request would."""

PIECE_BYTES = 16 * 1024
"""Number of bytes that are parsed at once: parsed requests and headers take many times the memory of their bytes."""

MAX_HEADER_FIELDS = 100
"""Maximum number of header fields of a request, and of its trailer fields: the memory of a field is up to thirty times
its bytes.
"""

MAX_HEAD_BYTES = 32 * 1024
"""Maximum of bytes of a request that are no body: its head, its trailer fields, the extensions of its chunks. The
pieces in which it begins and ends may not count.
"""

CHUNK_BYTES = 8
"""Number of bytes around a chunk that do not count: its size and line ends."""

MAX_LATE_BYTES = 64 * 1024
"""Maximum of bytes of a request that are read and discarded after its answer."""

MAX_UNPARSED_BYTES = 64 * 1024
"""Number of bytes behind an unanswered request, beyond which no more is read from the connection."""

NOT_HTTP = 400
TIMED_OUT = 408
HEAD_TOO_LARGE = 431
NOT_IMPLEMENTED = 501
UNAVAILABLE = 503

TOO_MUCH_ARRIVES = "The server is busy: too many large or slow requests are arriving. Try again in a moment."

ARRIVING = Arriving()
"""What is arriving on all connections of this process."""


class BoundedFlow(FlowControl):
    """Flow control of uvicorn that does not read on while it is `full`."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn that waits `patience_seconds` for the head of a request, as long for its body, and as long
    for the client to take anything of an answer. It parses a request after it has answered the one before.
    """

    patience_seconds: ClassVar[float] = 10.0

    scope: HTTPScope | None  # type: ignore[assignment]
    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    flow: BoundedFlow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = BoundedFlow(transport)
        self._unparsed = b""
        self._running: RequestResponseCycle | None = None
        self._refusal: Refusal | None = None
        self._fields = 0
        self._bytes_around = 0
        self._body_open = False
        self._late_bytes = 0
        self._waits_for: object = None
        self._waits_since = self.loop.time()
        self._look_again = self.loop.call_soon(self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_again.cancel()
        ARRIVING.drop(self._make_room)
        self._unparsed = b""
        if self._running is not None:
            # uvicorn tells the last request that has arrived. This may be another, which would write an answer.
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)
        # uvicorn leaves its timer to run after a reset: it would keep all of this for as long as an idle connection.
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        self.scope = self.cycle = self._running = self._refusal = None
        self.url, self.headers = b"", []

    def data_received(self, data: bytes) -> None:
        self._unparsed = self._unparsed + data if self._unparsed else data
        self._parse()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._forget_answered()
        self._parse()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _forget_answered(self) -> None:
        """Drops the head and the body of a request that is answered: an idle connection holds neither."""
        if self.cycle is None or not self.cycle.response_complete:
            return
        if self.scope is self.cycle.scope:
            self.scope, self.url = None, b""
        self.cycle.scope, self.cycle.body = None, bytearray()  # type: ignore[assignment]

    def _parse(self) -> None:
        """Parses what has arrived, up to the end of a request that is not answered."""
        while self._unparsed and not self._is_busy() and not self._is_over():
            piece, self._unparsed = self._unparsed[:PIECE_BYTES], self._unparsed[PIECE_BYTES:]
            self._feed(piece)
            self._count(len(piece))
        if self._refusal is not None and not self._is_busy() and not self.transport.is_closing():
            self._end(self._refusal)
        self.flow.full = len(self._unparsed) > MAX_UNPARSED_BYTES
        if self.flow.full and not self.transport.is_closing():
            self.flow.pause_reading()

    def _is_busy(self) -> bool:
        """Whether a request has arrived as a whole, and its answer is not complete."""
        return bool(self.pipeline) or ((unanswered := self._unanswered()) is not None and not unanswered.more_body)

    def _is_over(self) -> bool:
        """True if nothing more is read: the connection is closed, or will be once a refusal is sent."""
        return self._refusal is not None or self.transport.is_closing()

    def _feed(self, piece: bytes) -> None:
        """Parses a piece, up to what is to be refused."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as offer:
            # The parser takes what follows for the other protocol. Another reads the head again, without the offer.
            [size] = offer.args
            self._unparsed = self._head_without_offer() + piece[size:] + self._unparsed
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, Refusal):
                self.logger.warning("Invalid HTTP request received.")
                cause = Refusal(NOT_HTTP, "This is not HTTP/1.1.")
            # Its traceback holds this connection.
            self._refusal = cause.with_traceback(None)

    def _head_without_offer(self) -> bytes:
        """Returns the head that has arrived, without the field `Upgrade`, which a server may ignore: RFC 9110, section
        7.8.
        """
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join([first, *fields, b"\r\n"])

    def _count(self, size: int) -> None:
        """Counts a piece that was parsed, and refuses what was one too many."""
        self._bytes_around += size
        if self._bytes_around > MAX_HEAD_BYTES and self._refusal is None:
            message = f"A request may have at most {MAX_HEAD_BYTES} bytes in addition to its body."
            self._refusal = Refusal(HEAD_TOO_LARGE, message)
        if self._is_arriving():
            ARRIVING.add(self._make_room, size)
        else:
            ARRIVING.drop(self._make_room)
        if self._body_open and self._unanswered() is None:
            self._late_bytes += size
            if self._late_bytes > MAX_LATE_BYTES:
                self.transport.close()

    def _is_arriving(self) -> bool:
        """True if a part of a request has arrived, and the rest is to come."""
        return self._begun_head() is not None or ((reading := self._unanswered()) is not None and reading.more_body)

    def _make_room(self) -> None:
        """Refuses the request that is arriving, since too much of others is arriving too."""
        self._refusal = Refusal(UNAVAILABLE, TOO_MUCH_ARRIVES, code=ErrorCode.OVERLOADED, headers=RETRY_SOON)
        self._end(self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields = 0
        # How much of this piece comes before the request is not known.
        self._bytes_around = -PIECE_BYTES

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > MAX_HEADER_FIELDS:
            raise Refusal(HEAD_TOO_LARGE, f"A request may have at most {MAX_HEADER_FIELDS} header fields.")
        # Trailer fields come as headers do. They are none: RFC 9110, section 6.5.1.
        if not self._body_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refusal(NOT_IMPLEMENTED, "This server is not a proxy.")
            return
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise Refusal(NOT_IMPLEMENTED, "The only supported Transfer-Encoding is chunked.")
        super().on_headers_complete()
        self.headers = []
        self._fields = 0
        self._body_open = True
        self._late_bytes = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._bytes_around -= len(body) + CHUNK_BYTES

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self._body_open = False

    def _begun_head(self) -> HTTPScope | None:
        """The request that has begun, if its head has not come to its end."""
        return self.scope if self.cycle is None or self.scope is not self.cycle.scope else None

    def _unanswered(self) -> RequestResponseCycle | None:
        """The request of which the head has arrived and the answer is not complete."""
        return None if self.cycle is None or self.cycle.response_complete else self.cycle

    def _look(self) -> None:
        """Gives the client up where it has been waited for the same thing for too long."""
        self._look_again = self.loop.call_later(CONNECTION_CHECK_SECONDS, self._look)
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
        else:
            message = f"The request did not arrive within {self.patience_seconds:g} s."
            self._end(Refusal(TIMED_OUT, message, code=ErrorCode.TIMEOUT))

    def _end(self, refusal: Refusal) -> None:
        """Closes the connection, with a refusal of the request that is arriving."""
        is_first = refusal.status == NOT_HTTP and not self._body_open
        if is_first or self._begun_head() is not None or self._unanswered() is not None:
            self._refuse(refusal)
        else:
            # It has said nothing, and may take an answer for that of its first request.
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answers a request that has not arrived, and closes the connection."""
        unanswered = self._unanswered()
        if unanswered is None or not unanswered.response_started:
            self.transport.write(response_to(refusal))
        if unanswered is not None:
            # Who reads the body is told that the client has gone.
            unanswered.disconnected = True
            unanswered.message_event.set()
        self.transport.close()


def response_to(refusal: Refusal) -> bytes:
    """Returns a whole response, in the form that errors have."""
    error: dict[str, Any] = {"message": refusal.message, "extensions": {"code": refusal.code}}
    body = orjson.dumps({"errors": [error]})
    fields = b"".join(
        b"%b: %b\r\n" % (name.lower().encode(), value.encode()) for name, value in refusal.headers.items()
    )
    head = fields + (
        b"content-type: application/json; charset=utf-8\r\n"
        b"cache-control: no-store\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    return STATUS_LINE[refusal.status] + head + body
