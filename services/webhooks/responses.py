"""Reading the responses of endpoints, which may be hostile."""

import asyncio
from functools import partial
from typing import Any

from aiohttp import ClientPayloadError, TCPConnector
from aiohttp.client_proto import ResponseHandler

INTERIM_RESPONSES = 10
"""Maximum number of responses that wait to be read, such as 100 (Continue), on the connection of a single request."""
RESPONSE_BYTES = 1_000_000
"""Maximum number of bytes that are received in response to one request. A long body does not reach it: aiohttp pauses
until the body is read.
"""


class BoundedResponseHandler(ResponseHandler):
    """aiohttp's side of a connection. Closes it if an endpoint sends endless responses, or one that never ends.

    aiohttp reads interim responses and chunk extensions until the request's timeout. That would take all of the
    CPU.
    """

    _received = 0

    def set_response_params(self, **options: Any) -> None:  # noqa: ANN401
        self._received = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._received += len(data)
        if len(self._buffer) > INTERIM_RESPONSES or self._received > RESPONSE_BYTES:
            self.set_exception(ClientPayloadError("the response does not end"))
            if self.transport is not None:
                self.transport.abort()


class BoundedConnector(TCPConnector):
    """aiohttp's connections, whose responses are read by `BoundedResponseHandler`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        factory: Any = partial(BoundedResponseHandler, loop=asyncio.get_running_loop())
        self._factory = factory
