"""WebSockets that send several messages at once, and that are closed if the client does not read them."""

import asyncio
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from cli.slow_clients import CONNECTION_CHECK_SECONDS, BoundedProtocol

MAX_JOINED_BYTES = 64 * 1024
"""The transport sends at once when this many bytes wait."""


class JoinedWrites(asyncio.Transport):
    """A transport that sends with one system call what is written in one turn of the event loop.

    A live stream often gets several messages at once. A system call for each would take longer than to make them.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(bytes(data))
        self._bytes += len(data)
        if self._bytes >= MAX_JOINED_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts, self._bytes = [], 0
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + self._bytes

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        return self._transport.get_extra_info(name, default)


MAX_SMALL_FRAMES = 200
"""Maximum number of pings, pongs and parts of messages that a client may send between two checks of its connection."""

BAD_UPGRADE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with limits on what a client may send, and on what waits for it and for how long.

    uvicorn responds to each ping, and closes a connection only after everything was sent. So a client that sends pings
    and reads nothing could fill the memory, and hold the connection forever. uvicorn also waits forever for the end
    of a handshake that it cannot read, and reads any number of empty parts of a message.
    """

    _unsent = 0
    _waited_seconds = 0
    _small_frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        super().connection_made(JoinedWrites(cast("asyncio.Transport", transport), self.loop))
        self._look_again = self.loop.call_later(CONNECTION_CHECK_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        if self.close_sent and not self.handshake_initiated:
            return
        if self.handshake_initiated and not self.handshake_complete:
            # A client must wait for the response to its handshake.
            self.transport.abort()
            return
        super().data_received(data)
        if not self.handshake_initiated:
            # The HTTP server has read the whole head, so nothing is missing: this is not a valid handshake.
            self.close_sent = self.handshake_complete = True
            self.transport.write(BAD_UPGRADE)
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        if self._may_send_another():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if self._may_send_another():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._may_send_another():
            super().handle_pong(event)

    def _may_send_another(self) -> bool:
        """Counts a small frame. Closes the connection and returns False if there were too many since the last check."""
        self._small_frames += 1
        if self._small_frames <= MAX_SMALL_FRAMES:
            return True
        self._fail(CloseCode.POLICY_VIOLATION, "Too many frames.")
        return False

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "The text is not UTF-8.")
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Closes the connection at once. Nothing more is read from it."""
        self.frames = []
        if self.close_sent or self.transport.is_closing():
            return
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": reason})
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_again.cancel()
        super().connection_lost(exc)

    async def send(self, message: ASGISendEvent) -> None:
        if self.close_sent:
            # For example, the client did not respond to a ping in time.
            raise ClientDisconnected
        await super().send(message)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    def _look(self) -> None:
        """Disconnects a client that has read nothing for as long as it may take to read a response."""
        self._look_again = self.loop.call_later(CONNECTION_CHECK_SECONDS, self._look)
        self._small_frames = 0
        unsent = self.transport.get_write_buffer_size()
        self._waited_seconds = self._waited_seconds + CONNECTION_CHECK_SECONDS if 0 < self._unsent <= unsent else 0
        self._unsent = unsent
        if self._waited_seconds >= BoundedProtocol.read_timeout_seconds:
            self.transport.abort()
