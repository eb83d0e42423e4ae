"""Reading the responses of endpoints, which may be hostile."""

import asyncio
from functools import partial
from typing import Any

from aiohttp import ClientPayloadError, TCPConnector
from aiohttp.client_proto import ResponseHandler

INTERIM_RESPONSES = 10
"""Maximum number of responses that wait to be read, such as 100 (Continue), on the connection of a single request."""


class BoundedResponseHandler(ResponseHandler):
    """aiohttp's side of a connection, which ends it if an endpoint sends response after response.

    aiohttp reads any number of interim responses, until the request's timeout. That would take all of the CPU.
    """

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self._buffer) > INTERIM_RESPONSES:
            self.set_exception(ClientPayloadError("too many responses"))
            if self.transport is not None:
                self.transport.abort()


class BoundedConnector(TCPConnector):
    """aiohttp's connections, whose responses are read by `BoundedResponseHandler`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        factory: Any = partial(BoundedResponseHandler, loop=asyncio.get_running_loop())
        self._factory = factory
