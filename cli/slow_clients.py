"""Closes the connections of clients that send nothing, send too slowly or too much, or do not read their response.
Offers to upgrade to another protocol are ignored, except WebSocket at `/graphql`.

uvicorn only closes connections that are idle after a response. It waits forever for the first request, for the rest of
a request, and for a client to read its response. It keeps all heads, trailers and pipelined requests that arrive. It
keeps the last request of a connection as long as the connection is idle, and longer if a reset ends it.
"""

import asyncio
from typing import Any, ClassVar

import httptools
import orjson
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from cli.incomplete_requests import IncompleteRequests
from graph.error_codes import ErrorCode
from graph.observability.middleware import ENDPOINT
from graph.server.http import RETRY_SOON
from graph.server.requests import Refusal
from graph.server.sse import ENDLESS

CONNECTION_CHECK_SECONDS = 1
"""Interval between two checks of a connection, in seconds. Cheaper than a timer for each request. Timeouts count checks
instead of elapsed time, so that data that arrived while this process was too busy to read it does not count as late.
"""

PARSED_AT_ONCE_BYTES = 1024
"""Maximum number of bytes to parse at once: parsed requests and headers take much more memory than their bytes."""

MAX_HEADER_FIELDS = 100
"""Maximum number of header fields of a request, and of its trailer fields. A field takes up to thirty times its bytes
in memory.
"""

MAX_HEAD_BYTES = 32 * 1024
"""Maximum number of bytes of a request outside of its body: head, trailer fields and chunk extensions. The first and
the last parsed piece of a request might not be counted.
"""

CHUNK_BYTES = 8
"""Number of bytes per chunk that do not count as outside of the body: its size and its line ends."""

MAX_LATE_BYTES = 64 * 1024
"""Maximum number of bytes of a request that are read and discarded after its response."""

MAX_UNPARSED_BYTES = 64 * 1024
"""Number of unparsed bytes after an unanswered request above which the server stops reading the connection."""

NOT_HTTP = 400
TIMED_OUT = 408
HEAD_TOO_LARGE = 431
NOT_IMPLEMENTED = 501
UNAVAILABLE = 503

TOO_MUCH_ARRIVES = "The server is busy: too many large or slow requests are arriving. Try again in a moment."

INCOMPLETE = IncompleteRequests()
"""Bytes of incomplete requests on all connections of this process."""


class BoundedFlow(FlowControl):
    """Flow control of uvicorn that does not resume reading while it is `full`."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class ResponseTransport:
    """Transport of one response. `close` calls `hang_up` of the protocol if the request is still arriving."""

    def __init__(self, protocol: "BoundedProtocol") -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        if self._protocol.is_body_open:
            self._protocol.hang_up()
        else:
            self._protocol.transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with timeouts and limits. It waits `read_timeout_seconds` for the head of a request,
    for its body, and for the client to read some of the response. It parses a request only after the response to the
    previous one is complete.
    """

    read_timeout_seconds: ClassVar[float] = 10.0

    scope: HTTPScope | None  # type: ignore[assignment]
    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    flow: BoundedFlow

    _is_hanging_up = False
    _is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = BoundedFlow(transport)
        # Connections over a unix socket have no address.
        self._address = self.client[0] if self.client else ""
        self._unparsed = b""
        self._running: RequestResponseCycle | None = None
        self._refusal: Refusal | None = None
        self._fields = 0
        self._bytes_around = 0
        self.is_body_open = False
        self._late_bytes = 0
        self._waits_for: object = None
        self._waited_seconds = 0
        self._look_again = self.loop.call_soon(self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_again.cancel()
        INCOMPLETE.drop(self._address, self._make_room)
        self._unparsed = b""
        if self._running is not None:
            # uvicorn tells only the last request that the client has disconnected. An earlier one may still be running.
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)
        # uvicorn leaves its keep-alive timer running after a reset, which would keep this object alive until it fires.
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        self.scope = self.cycle = self._running = self._refusal = None
        self.url, self.headers = b"", []

    def data_received(self, data: bytes) -> None:
        if self._is_hanging_up:
            self._discard(len(data))
            return
        self._unparsed = self._unparsed + data if self._unparsed else data
        self._parse()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        if self._is_hanging_up:
            self.transport.close()
            return
        super().shutdown()
        unanswered = self._unanswered()
        if unanswered is not None and unanswered.scope.get(ENDLESS):
            # As if the client had disconnected: the response would not end by itself.
            unanswered.disconnected = True
            unanswered.message_event.set()
            self.hang_up()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._forget_answered()
        self._parse()
        if not self._is_ended():
            self.flow.resume_reading()

    def _forget_answered(self) -> None:
        """Drops the head and the body of an answered request, so that idle connections hold neither."""
        if self.cycle is None or not self.cycle.response_complete:
            return
        INCOMPLETE.drop(self._address, self._make_room)
        if self.scope is self.cycle.scope:
            self.scope, self.url = None, b""
        self.cycle.scope, self.cycle.body = None, bytearray()  # type: ignore[assignment]

    def _parse(self) -> None:
        """Parses what has arrived, up to the end of the first request without a complete response."""
        while self._unparsed and not self._is_busy() and not self._is_over():
            received, self._unparsed = self._unparsed, b""
            position = 0
            while position < len(received) and not self._unparsed and not self._is_busy() and not self._is_over():
                piece = received[position : position + PARSED_AT_ONCE_BYTES]
                position += len(piece)
                self._count(self._feed(piece))
            self._unparsed += received[position:]
        if self._is_websocket:
            rest, self._unparsed = self._unparsed, b""
            if rest:
                self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]
            return
        if self._refusal is not None and not self._is_busy() and not self._is_ended():
            self._end(self._refusal)
        if self._is_ended():
            return
        self.flow.full = len(self._unparsed) > MAX_UNPARSED_BYTES
        if self.flow.full:
            self.flow.pause_reading()

    def _is_busy(self) -> bool:
        """Returns True if a request has arrived completely and its response is not complete."""
        return bool(self.pipeline) or ((unanswered := self._unanswered()) is not None and not unanswered.more_body)

    def _is_over(self) -> bool:
        """Returns True if nothing more is parsed: the connection is closed, or will be once the rejection is sent."""
        return self._refusal is not None or self._is_ended()

    def _is_ended(self) -> bool:
        """Returns True if no further request is answered on this connection."""
        return self._is_hanging_up or self._is_websocket or self.transport.is_closing()

    def _feed(self, piece: bytes) -> int:
        """Parses a piece and returns how many bytes of it were consumed. Notes the reason for a rejection.

        The bytes to parse again are in `_unparsed` afterwards.
        """
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as offer:
            [size] = offer.args
            if self._offers_websocket():
                self._become_websocket()
                # For the other protocol: see `_parse`.
                self._unparsed = piece[size:]
                return int(size)
            # The parser would treat the rest as the other protocol. A new one reads the head again without the offer.
            self._unparsed = self._head_without_offer() + piece[size:]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return int(size)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, Refusal):
                self.logger.warning("Invalid HTTP request received.")
                cause = Refusal(NOT_HTTP, "This is not HTTP/1.1.")
            # Without its traceback, which refers to this connection.
            self._refusal = cause.with_traceback(None)
        return len(piece)

    def _offers_websocket(self) -> bool:
        """Returns True if the request may go on as a WebSocket."""
        path, _, _ = self.url.partition(b"?")
        return path == ENDPOINT.encode() and self.parser.get_method() == b"GET" and self._should_upgrade()

    def _become_websocket(self) -> None:
        """Gives the connection to the WebSocket protocol. This one keeps nothing, and is not called any more."""
        self._look_again.cancel()
        assert self.scope is not None, "a request has begun"
        self.scope["method"] = "GET"
        self.handle_websocket_upgrade()
        self._is_websocket = True
        INCOMPLETE.drop(self._address, self._make_room)
        self.scope = self.cycle = self._running = None
        self.url, self.headers = b"", []

    def _head_without_offer(self) -> bytes:
        """Returns the head that has arrived, without the `Upgrade` field, which a server may ignore.

        See RFC 9110, section 7.8.
        """
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join([first, *fields, b"\r\n"])

    def _count(self, size: int) -> None:
        """Counts the bytes of a parsed piece, and rejects the request if they exceed a limit."""
        self._bytes_around += size
        if self._bytes_around > MAX_HEAD_BYTES and self._refusal is None:
            message = f"A request may have at most {MAX_HEAD_BYTES} bytes in addition to its body."
            self._refusal = Refusal(HEAD_TOO_LARGE, message)
        if self._is_arriving():
            INCOMPLETE.add(self._address, self._make_room, size)
        else:
            INCOMPLETE.drop(self._address, self._make_room)
        if self.is_body_open and self._unanswered() is None:
            self._discard(size)

    def _discard(self, size: int) -> None:
        """Counts bytes of a request that arrive after its response, and disconnects clients that send too many."""
        self._late_bytes += size
        if self._late_bytes > MAX_LATE_BYTES:
            self.transport.close()

    def _is_arriving(self) -> bool:
        """Returns True if a request has arrived only in part."""
        return self._begun_head() is not None or ((reading := self._unanswered()) is not None and reading.more_body)

    def _make_room(self) -> None:
        """Rejects the incomplete request, because all connections together hold too many bytes."""
        self._refusal = Refusal(UNAVAILABLE, TOO_MUCH_ARRIVES, code=ErrorCode.OVERLOADED, headers=RETRY_SOON)
        self._end(self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        INCOMPLETE.drop(self._address, self._make_room)
        self._fields = 0
        # The number of bytes of this piece that belong to the previous request is not known.
        self._bytes_around = -PARSED_AT_ONCE_BYTES

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > MAX_HEADER_FIELDS:
            raise Refusal(HEAD_TOO_LARGE, f"A request may have at most {MAX_HEADER_FIELDS} header fields.")
        # The parser reports trailer fields as headers, but they must not be merged with them: RFC 9110, section 6.5.1.
        if not self.is_body_open:
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
        if self.cycle is not None:
            self.cycle.transport = ResponseTransport(self)  # type: ignore[assignment]
        self.headers = []
        self._fields = 0
        self.is_body_open = True
        self._late_bytes = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._bytes_around -= len(body) + CHUNK_BYTES

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self.is_body_open = False

    def _begun_head(self) -> HTTPScope | None:
        """Returns the request whose head has arrived only in part, if any."""
        return self.scope if self.cycle is None or self.scope is not self.cycle.scope else None

    def _unanswered(self) -> RequestResponseCycle | None:
        """Returns the request whose head has arrived and whose response is not complete, if any."""
        return None if self.cycle is None or self.cycle.response_complete else self.cycle

    def _look(self) -> None:
        """Disconnects the client if the server has waited `read_timeout_seconds` for the same thing."""
        self._look_again = self.loop.call_later(CONNECTION_CHECK_SECONDS, self._look)
        waits_for = self._what_it_waits_for()
        if waits_for is None or waits_for != self._waits_for:
            self._waits_for, self._waited_seconds = waits_for, 0
            return
        self._waited_seconds += CONNECTION_CHECK_SECONDS
        if self._waited_seconds >= self.read_timeout_seconds:
            self._give_up()

    def _what_it_waits_for(self) -> object:
        """Returns what the server waits for: equal values as long as it waits for the same thing.

        Returns None while the client waits for the server.
        """
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return "taking", unsent
        if self._is_hanging_up:
            return "end"
        if (reading := self._unanswered()) is not None:
            # Reading pauses while the application does not take the body.
            return ("body", reading) if reading.more_body and not self.flow.read_paused else None
        # Between two requests, uvicorn's own keep-alive timer runs.
        if self.transport.is_closing() or self.timeout_keep_alive_task is not None:
            return None
        return "head", self.cycle

    def _give_up(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self._is_hanging_up:
            self.transport.close()
        else:
            message = f"The request did not arrive within {self.read_timeout_seconds:g} s."
            self._end(Refusal(TIMED_OUT, message, code=ErrorCode.TIMEOUT))

    def _end(self, refusal: Refusal) -> None:
        """Closes the connection. Sends `refusal` first if a request is arriving or unanswered."""
        is_first = refusal.status == NOT_HTTP and not self.is_body_open
        if is_first or self._begun_head() is not None or self._unanswered() is not None:
            self._refuse(refusal)
        else:
            # The client has sent nothing, and would take a response for that of its first request.
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Rejects a request that has not arrived completely, and closes the connection."""
        unanswered = self._unanswered()
        if unanswered is None or not unanswered.response_started:
            self.transport.write(response_to(refusal))
        if unanswered is not None:
            # Code that reads the body sees a disconnected client.
            unanswered.disconnected = True
            unanswered.message_event.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Ends the connection so that the client can read the response while it is still sending its request.

        What arrives is discarded until the client closes the connection, for at most `read_timeout_seconds`.
        Closing at once would reset the connection, and the client could lose the response: RFC 9112, section 9.6.
        """
        if self._is_ended():
            return
        self._is_hanging_up = True
        self._unparsed, self._late_bytes = b"", 0
        INCOMPLETE.drop(self._address, self._make_room)
        self.flow.full = False
        self.flow.resume_reading()
        self.transport.write_eof()


def response_to(refusal: Refusal) -> bytes:
    """Returns a complete response in the format of GraphQL errors."""
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
