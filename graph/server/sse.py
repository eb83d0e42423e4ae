"""Subscriptions as server-sent events: the distinct connections mode of the GraphQL over SSE protocol.

See https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import orjson
from starlette.responses import StreamingResponse

from db.driver.errors import is_overloaded, is_unavailable
from graph.server.live import Interrupted, Stream
from graph.server.live_results import Rejected

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15
"""Time without an event after which a comment is sent, in seconds. Proxies close connections that are silent."""

ENDLESS = "billing.endless"
"""Key in the scope of a request whose response does not end by itself. A server that shuts down ends it."""

CHUNK_BYTES = 64 * 1024
"""Size from which on events are sent without waiting for more, in bytes."""

COMPLETE = b"event: complete\ndata: \n\n"


def streaming_response(stream: Stream, recheck: Callable[[], Awaitable[None]]) -> StreamingResponse:
    """Returns the response that sends the results of a stream, until `recheck` raises `Rejected` or `Interrupted`."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(sent(stream, recheck), media_type=EVENT_STREAM, headers=headers)


async def sent(stream: Stream, recheck: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """Yields the events of the response.

    If the stream is interrupted, the response ends without `complete`, so that the client subscribes again.
    """
    messages = stream.messages()
    following: asyncio.Task[Sequence[bytes]] | None = None
    yield b":\n\n"
    try:
        while True:
            following = following or asyncio.ensure_future(anext(messages))
            done, _ = await asyncio.wait([following], timeout=HEARTBEAT_SECONDS)
            interrupted = False
            try:
                await recheck()
            except Interrupted:
                interrupted = True
            if done:
                # They are sent even to a key that has just reached its rate limit, for it was charged for them.
                for chunk in chunks(following.result()):
                    yield chunk
                following = None
            elif not interrupted:
                yield b":\n\n"
            if interrupted:
                return
    except Rejected as error:
        yield b"event: next\ndata: " + orjson.dumps({"errors": error.errors}) + b"\n\n" + COMPLETE
    except Interrupted:
        return
    except Exception as error:
        if not is_unavailable(error) and not is_overloaded(error):
            raise
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await messages.aclose()


def chunks(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Yields the events of results, several in a chunk unless they are large."""
    chunk = b""
    for body in bodies:
        chunk += b"event: next\ndata: " + body + b"\n\n"
        if len(chunk) >= CHUNK_BYTES:
            yield chunk
            chunk = b""
    if chunk:
        yield chunk
