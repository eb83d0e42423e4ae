"""Closes WebSockets of clients that do not read what they are sent, and reads no more from them meanwhile."""

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from cli.slow_clients import CONNECTION_CHECK_SECONDS, BoundedProtocol


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with a limit on what waits for a client, and on how long it waits.

    uvicorn responds to each ping, and closes a connection only after everything was sent. So a client that sends pings
    and reads nothing could fill the memory, and hold the connection forever.
    """

    _unsent = 0
    _waited_seconds = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._look_again = self.loop.call_later(CONNECTION_CHECK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_again.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    def _look(self) -> None:
        """Disconnects the client if it has read nothing for the time that it also has to read a response."""
        self._look_again = self.loop.call_later(CONNECTION_CHECK_SECONDS, self._look)
        unsent = self.transport.get_write_buffer_size()
        self._waited_seconds = self._waited_seconds + CONNECTION_CHECK_SECONDS if 0 < self._unsent <= unsent else 0
        self._unsent = unsent
        if self._waited_seconds >= BoundedProtocol.read_timeout_seconds:
            self.transport.abort()
