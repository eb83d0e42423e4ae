"""Subscriptions over WebSocket: the protocol graphql-transport-ws.

See https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverWebSocket.md. Only subscriptions are
executed: queries and mutations belong to HTTP, with its limits and status codes.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected, WebSocketState

from db.driver.errors import is_overloaded, is_unavailable
from graph.error_codes import ErrorCode
from graph.schema.fields.access import Access
from graph.schema.fields.scalars import is_storable
from graph.server.errors import error_document
from graph.server.live import RIGHTS_CHANGED, Interrupted, Live, Stream, TooSlow
from graph.server.live_results import Rejected, Subscription
from graph.server.requests import GraphQLRequest, Refusal, request_of

logger = logging.getLogger("billing.live")

PROTOCOL = "graphql-transport-ws"

INIT_SECONDS = 10
"""Timeout for the client's first message, in seconds."""
IDLE_SECONDS = 60
"""Time after which a connection without streams is closed, in seconds."""
HEARTBEAT_SECONDS = 20
"""Interval between two pings of the server, in seconds. Proxies close connections on which nothing is sent."""
RECHECK_SECONDS = 10
"""Interval at which the rights of a connection are checked again, in seconds."""
MAX_OPERATIONS = 20
"""Maximum number of streams on a connection."""
MAX_ID = 128
"""Maximum number of characters in the id of an operation."""
MAX_MESSAGE_BYTES = 64 * 1024
"""Maximum size of a message of the client, in bytes."""

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, WRONG_PROTOCOL = 4400, 4401, 4403, 4406
INIT_TIMEOUT, DUPLICATE, TOO_MANY_INITS = 4408, 4409, 4429
"""Close codes of the protocol. Most clients do not reconnect after them; graphql-ws does after 4403 and 4408."""
GOING_AWAY, RESTART, TRY_LATER, TOO_LARGE = 1001, 1012, 1013, 1009
"""Close codes registered with IANA for WebSocket. Clients reconnect after the first three."""

DISCONNECTED = (WebSocketDisconnect, WebSocketDisconnected)
"""Raised by a client's connection that is gone."""
MAX_REASON_BYTES = 123
"""Maximum size of the reason for a close, in bytes: RFC 6455, section 5.5."""

Admit = Callable[[str | None], Awaitable[Access]]
"""Returns the access for an `Authorization` header. Raises `Refusal`."""
Subscribe = Callable[[GraphQLRequest, Access], Subscription]
"""Returns the subscription that a request asks for. Raises `Refusal` and `Rejected`."""


class Closed(Exception):
    """Closes the connection with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


class Connection:
    """A connection of a client. `authorization` is its header, which browsers cannot set: see `connection_init`."""

    def __init__(
        self, socket: WebSocket, live: Live, authorization: str | None, admit: Admit, subscribe: Subscribe
    ) -> None:
        self._socket, self._live, self._admit, self._subscribe = socket, live, admit, subscribe
        self._authorization = authorization
        self._access: Access | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self._over: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Serves the connection until either side closes it."""
        if PROTOCOL not in self._socket.scope.get("subprotocols", ()):
            await self._socket.accept()
            await self._socket.close(WRONG_PROTOCOL, f"This server speaks {PROTOCOL}.")
            return
        await self._socket.accept(subprotocol=PROTOCOL)
        tasks = [asyncio.create_task(each) for each in (self._receive(), self._watch())]
        ending: list[asyncio.Future[Any]] = [*tasks, self._over]
        try:
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
            closed = self._over.result() if self._over.done() else None
            for task in tasks:
                error = task.exception() if task.done() else None
                if isinstance(error, Closed):
                    closed = error
                elif error is not None and not isinstance(error, DISCONNECTED):
                    logger.error("a live connection failed", exc_info=error)
                    closed = Closed(1011, "Internal server error.")
            # Before the connection is closed, so that nothing is sent after that.
            await self._end(tasks)
            if closed is not None and self._socket.client_state is WebSocketState.CONNECTED:
                with suppress(*DISCONNECTED):
                    await self._socket.close(closed.code, closed.reason)
        finally:
            await self._end(tasks)

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        running = [*tasks, *self._tasks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def close(self, code: int, reason: str) -> None:
        """Closes the connection."""
        if not self._over.done():
            self._over.set_result(Closed(code, reason))

    async def _receive(self) -> None:
        """Handles the client's messages until it disconnects. Raises `Closed` if the client breaks the protocol."""
        try:
            async with asyncio.timeout(INIT_SECONDS):
                await self._begin(await self._next())
        except TimeoutError:
            raise Closed(INIT_TIMEOUT, "Connection initialisation timeout") from None
        except WebSocketDisconnect:
            return
        while True:
            try:
                message = await self._next()
            except WebSocketDisconnect:
                return
            await self._handle(message)

    async def _next(self) -> Mapping[str, Any]:
        """Returns the client's next message. Raises `Closed` if it is not a valid message of the protocol."""
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", GOING_AWAY))
        text = received.get("text")
        if text is None:
            raise Closed(BAD_REQUEST, "Messages must be text.")
        if len(text) > MAX_MESSAGE_BYTES:
            raise Closed(TOO_LARGE, "The message is too large.")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise Closed(BAD_REQUEST, "The message is not JSON.") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(BAD_REQUEST, "A message must be an object with a type.")
        return message

    async def _begin(self, message: Mapping[str, Any]) -> None:
        while message["type"] == "ping":
            await self._send({"type": "pong"})
            message = await self._next()
        if message["type"] != "connection_init":
            raise Closed(UNAUTHORIZED, "Unauthorized")
        payload = message.get("payload")
        if payload is not None and not isinstance(payload, dict):
            raise Closed(BAD_REQUEST, "The payload of connection_init must be an object.")
        for name, value in (payload or {}).items():
            if name.lower() == "authorization" and isinstance(value, str):
                self._authorization = value
        self._access = await self._admitted()
        await self._send({"type": "connection_ack"})

    async def _require_rights(self) -> None:
        """Raises `Closed` if the client does not have the rights any more that it had at first."""
        if self._authorization is not None and await self._admitted() != self._access:
            raise Closed(FORBIDDEN, RIGHTS_CHANGED)

    async def _admitted(self) -> Access:
        """Returns the access of the client. Raises `Closed` if it has none, or none any more."""
        try:
            return await self._admit(self._authorization)
        except Refusal as refusal:
            if refusal.code in (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN):
                raise Closed(FORBIDDEN, refusal.message) from None
            raise Closed(TRY_LATER, refusal.message) from None

    async def _handle(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "connection_init":
                raise Closed(TOO_MANY_INITS, "Too many initialisation requests")
            case "subscribe":
                await self._start(message)
            case "complete":
                task = self._operations.pop(id_of(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise Closed(BAD_REQUEST, "Unknown message type.")

    async def _start(self, message: Mapping[str, Any]) -> None:
        """Starts an operation. Its errors are sent to the client."""
        assert self._access is not None, "the connection is initialised"
        id_, payload = id_of(message), message.get("payload")
        if not isinstance(payload, dict):
            raise Closed(BAD_REQUEST, "The payload of subscribe must be an object.")
        if id_ in self._operations:
            raise Closed(DUPLICATE, f"Subscriber for {id_} already exists")
        # Each operation counts like a request for the rate limit.
        access = await self._admitted()
        try:
            stream = self._stream(payload, access)
        except Rejected as error:
            await self._send({"type": "error", "id": id_, "payload": error.errors})
            return
        task = asyncio.create_task(self._run(id_, stream))
        self._operations[id_] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: self._forget(id_, done))

    def _forget(self, id_: str, task: asyncio.Task[None]) -> None:
        # The client may use the id for another operation by now.
        if self._operations.get(id_) is task:
            del self._operations[id_]

    def _stream(self, payload: dict[str, Any], access: Access) -> Stream:
        """Opens the stream that a payload asks for. Raises `Rejected`."""
        if len(self._operations) >= MAX_OPERATIONS:
            raise Rejected(
                error_document(f"A connection may have at most {MAX_OPERATIONS} streams.", ErrorCode.OVERLOADED)
            )
        try:
            return self._live.stream(self._subscribe(request_of(payload), access))
        except Refusal as refusal:
            raise Rejected(error_document(refusal.message, refusal.code)) from None

    async def _run(self, id_: str, stream: Stream) -> None:
        """Sends the results of a stream until it ends."""
        head = b'{"id":' + orjson.dumps(id_) + b',"type":"next","payload":'
        try:
            async for bodies in stream.messages():
                for body in bodies:
                    await self._send_text((head + body + b"}").decode())
                del bodies  # They need no memory while the stream waits.
                # The key may have reached its rate limit by now.
                await self._require_rights()
        except Closed as closed:
            self.close(closed.code, closed.reason)
        except Rejected as error:
            await self._send({"type": "error", "id": id_, "payload": error.errors})
        except TooSlow as error:
            self.close(TRY_LATER, str(error))
        except Interrupted as error:
            self.close(RESTART, str(error))
        except DISCONNECTED:
            pass
        except Exception as error:
            if is_overloaded(error):
                self.close(TRY_LATER, "The server is busy.")
            elif is_unavailable(error):
                self.close(TRY_LATER, "The database is unavailable at the moment.")
            else:
                logger.exception("a live stream failed")
                self.close(1011, "Internal server error.")

    async def _watch(self) -> None:
        """Sends heartbeats, checks the client's rights again, and closes the connection if it is idle."""
        idle = waited = 0
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            waited += RECHECK_SECONDS
            if self._access is None:
                continue
            idle = 0 if self._operations else idle + RECHECK_SECONDS
            if idle >= IDLE_SECONDS:
                raise Closed(GOING_AWAY, "The connection has no streams.")
            await self._require_rights()
            if waited >= HEARTBEAT_SECONDS:
                waited = 0
                await self._send({"type": "ping"})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _send_text(self, text: str) -> None:
        async with self._sending:
            await self._socket.send_text(text)


def id_of(message: Mapping[str, Any]) -> str:
    """Returns the id of an operation in a message. Raises `Closed` if it has none."""
    id_ = message.get("id")
    if not isinstance(id_, str) or not 1 <= len(id_) <= MAX_ID or not is_storable(id_):
        raise Closed(BAD_REQUEST, f"The id of an operation must be a string of 1 to {MAX_ID} characters.")
    return id_
