"""GraphQL subscriptions: the events of the feed, as they appear.

Streams that ask for the same with the same rights share a `Channel`, which reads and executes each event once. A stream
that starts in the past reads by itself until it has reached its channel.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from graphql import GraphQLError

from db.database import Database
from db.models.events import Place
from graph.error_codes import ErrorCode
from graph.observability.live_counts import LiveCounts
from graph.schema.fields.access import Access
from graph.schema.fields.context import Clock
from graph.schema.fields.errors import bad_user_input
from graph.schema.types.events import place_of
from graph.server.feed_watch import FeedWatch
from graph.server.live_results import Message, Rejected, Results, Subscription
from graph.settings import Settings

MAX_STREAMS = 1_000
"""Maximum number of streams of a process."""
MAX_STREAMS_PER_CALLER = 200
"""Maximum number of streams of a process for one API key, or for all callers without a key."""
MAX_STREAMS_PER_SESSION = 10
"""Maximum number of streams of a process for one customer session."""
MAX_WAITING = 1_000
MAX_WAITING_BYTES = 1_000_000
"""Maximum number of messages, and of bytes in them, that wait while earlier ones are sent. Beyond, the stream ends."""
KEPT_EVENTS = 500
KEPT_BYTES = 1_000_000
"""Maximum number of events, and of bytes of their results, that a channel keeps, so that streams that are catching up
can join it.
"""
BATCH_SECONDS = 0.05
BATCH_BYTES = 100_000
"""Maximum time for which a channel collects results before streams get them, and number of bytes that it collects."""
BATCH_EVENTS = 20
"""Maximum number of results that are sent at once to a stream that is catching up."""
RIGHTS_CHANGED = "The rights of this key have changed."


class Interrupted(Exception):
    """A stream ended before its client ended it. The client can continue after the last event that it received."""


class TooSlow(Interrupted):
    """The client does not read as fast as events appear."""


class Live:
    """The streams of a process. `run` must run while there are any."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, charge: Callable[[Access, int, int], None]
    ) -> None:
        """`charge` charges a caller for a number of rows and of bytes."""
        self._clock, self._charge = clock, charge
        self.watch = FeedWatch(database)
        self.counts = LiveCounts()
        self.results = Results(database, clock, settings)
        self._channels: dict[object, Channel] = {}
        self._streams: set[Stream] = set()
        self._callers: Counter[str] = Counter()

    async def run(self) -> None:
        """Watches the feed until cancelled."""
        await self.watch.run()

    def stream(self, subscription: Subscription) -> "Stream":
        """Opens a stream, which must be iterated. Raises `Rejected` if there are too many."""
        self._require_room(subscription)
        return Stream(self, subscription)

    def _require_room(self, subscription: Subscription) -> None:
        most = MAX_STREAMS_PER_SESSION if subscription.access.is_session else MAX_STREAMS_PER_CALLER
        if self._callers[subscription.access.name] >= most:
            message = f"You already have {most} streams on this server process. Close one first."
        elif len(self._streams) >= MAX_STREAMS:
            message = "The server has too many streams. Try again later."
        else:
            return
        raise Rejected(self.results.formatted_error(GraphQLError(message, extensions={"code": ErrorCode.OVERLOADED})))

    @contextmanager
    def counted(self, stream: "Stream") -> Iterator["Channel"]:
        """Counts a stream during the block. Yields its channel, which is closed after its last stream.

        Raises `Rejected` if there are too many.
        """
        subscription = stream.subscription
        # Others may have begun since it was opened.
        self._require_room(subscription)
        name, key = subscription.access.name, subscription.key
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(self, subscription)
            self.watch.begin()
        self._streams.add(stream)
        self._callers[name] += 1
        channel.users += 1
        try:
            yield channel
        finally:
            self._streams.discard(stream)
            self._callers[name] -= 1
            if not self._callers[name]:
                del self._callers[name]
            channel.users -= 1
            if not channel.users:
                channel.close()
                if self._channels.get(key) is channel:
                    del self._channels[key]
            if not self._streams:
                self.watch.rest()

    def took(self, stream: "Stream", messages: Sequence[Message]) -> Sequence[bytes]:
        """Counts messages that a stream took, and charges its caller, as if it alone had caused them to be read.

        Returns their bodies.
        """
        self.counts.messages += len(messages)
        bodies = [message.body for message in messages]
        rows = sum(1 + message.rows for message in messages)
        self._charge(stream.subscription.access, rows, sum(map(len, bodies)))
        return bodies

    def published(self, messages: Sequence[Message]) -> None:
        """Tells the metrics the ages of events whose results are ready."""
        now = self._clock()
        for call in self.counts.on_result:
            for message in messages:
                call((now - message.recorded_at).total_seconds())

    def forget(self, channel: "Channel") -> None:
        """Makes new streams open another channel: this one has failed."""
        for key, each in [*self._channels.items()]:
            if each is channel:
                del self._channels[key]


class Channel:
    """Reads and executes new events for all streams with equal subscriptions, from the moment that it is opened."""

    def __init__(self, live: Live, subscription: Subscription) -> None:
        self._live, self._subscription = live, subscription
        self._streams: set[Stream] = set()
        self._kept: deque[Message] = deque()
        self._kept_bytes = 0
        self._batch: list[Message] = []
        self._batch_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._next_publish = 0.0
        """Earliest time of the event loop at which a small batch is published."""
        self._dropped: Place | None = None
        self._error: Exception | None = None
        self._task = asyncio.create_task(self._run())
        self.begun: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        """The place in the feed from which it reads, once it is known."""
        self.users = 0

    def reaches(self, place: Place) -> bool:
        """Returns True if the channel has, or will read, all events after this place, so that a stream can join it."""
        return place >= (self._dropped or self.begun.result())

    def join(self, stream: "Stream") -> None:
        """Gives a stream the events after its place, and all later ones."""
        if self._error is not None:
            stream.end(self._error)
        self._streams.add(stream)
        stream.put(self._kept)

    def leave(self, stream: "Stream") -> None:
        self._streams.discard(stream)

    def close(self) -> None:
        self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    async def _run(self) -> None:
        try:
            results = self._live.results
            cursor = await results.end(self._subscription)
            self.begun.set_result(place_of(cursor, "after"))
            while True:
                # Taken before the events are read, so that none is overlooked.
                change = self._live.watch.change()
                page = await results.page(self._subscription, cursor)
                for edge in page.edges:
                    self._add(await results.message(self._subscription, edge))
                    await asyncio.sleep(0)
                cursor = page.cursor
                if not page.has_more:
                    await change
        except Exception as error:  # noqa: BLE001 - each stream raises it
            self._publish()
            self._error = error
            self._live.forget(self)
            if not self.begun.done():
                self.begun.set_exception(error)
                self.begun.exception()  # Perhaps no stream waits for it.
            for stream in self._streams:
                stream.end(error)

    def _add(self, message: Message) -> None:
        self._batch.append(message)
        self._batch_bytes += len(message.body)
        if self._batch_bytes >= BATCH_BYTES:
            self._publish()
        elif self._timer is None:
            # At once after a pause. Otherwise many small transactions would wake all streams for each of them.
            self._timer = asyncio.get_running_loop().call_at(self._next_publish, self._publish)

    def _publish(self) -> None:
        """Gives the streams what was collected. Each of them is woken once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._batch:
            return
        messages, self._batch, self._batch_bytes = self._batch, [], 0
        self._next_publish = asyncio.get_running_loop().time() + BATCH_SECONDS
        self._live.published(messages)
        self._kept.extend(messages)
        self._kept_bytes += sum(len(message.body) for message in messages)
        while len(self._kept) > KEPT_EVENTS or self._kept_bytes > KEPT_BYTES:
            dropped = self._kept.popleft()
            self._kept_bytes -= len(dropped.body)
            self._dropped = dropped.place
        for stream in self._streams:
            stream.put(messages)


class Stream:
    """The results for one client, in the order of the feed."""

    def __init__(self, live: Live, subscription: Subscription) -> None:
        self.subscription = subscription
        self._live = live
        self._waiting: list[Message] = []
        self._bytes = 0
        self._wake = asyncio.Event()
        self._ended: Exception | None = None
        self._place: Place = (0, 0)

    def put(self, messages: Iterable[Message]) -> None:
        """Adds the messages that the stream has not got yet, in their order. Ends the stream if too many wait."""
        if self._ended is not None:
            return
        for message in messages:
            if message.place > self._place:
                self._place = message.place
                self._waiting.append(message)
                self._bytes += len(message.body)
        if not self._waiting:
            return
        if len(self._waiting) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._waiting.clear()
            self._live.counts.too_slow += 1
            self.end(TooSlow("The client reads too slowly. Continue after the last event that you received."))
        self._wake.set()

    def end(self, error: Exception) -> None:
        """Ends the stream with an error, after the messages that wait."""
        self._ended = self._ended or error
        self._wake.set()

    async def messages(self) -> AsyncGenerator[Sequence[bytes], None]:
        """Yields the results as JSON: each time, all that wait.

        Raises `Rejected`, `Interrupted`, and the errors of the database.
        """
        with self._live.counted(self) as channel:
            async for messages in self._catch_up(channel):
                yield self._live.took(self, messages)
            channel.join(self)
            self._live.counts.streams += 1
            try:
                while True:
                    while self._waiting:
                        yield self._live.took(self, self._take())
                    if self._ended is not None:
                        raise self._ended
                    self._wake.clear()
                    await self._wake.wait()
            finally:
                channel.leave(self)
                self._live.counts.streams -= 1

    def _take(self) -> Sequence[Message]:
        messages, self._waiting, self._bytes = self._waiting, [], 0
        return messages

    async def _catch_up(self, channel: Channel) -> AsyncIterator[Sequence[Message]]:
        """Yields the messages about events that the channel has not kept. Afterwards, the stream can join it."""
        results = self._live.results
        end = await results.end(self.subscription)
        cursor = self.subscription.after or end
        self._place = place_of(cursor, "after")
        if self._place > place_of(end, "after"):
            raise Rejected(bad_user_input("`after` is a cursor of another database.").formatted)
        began = await asyncio.shield(channel.begun)
        while not channel.reaches(self._place) and self._ended is None:
            page = await results.page(self.subscription, cursor)
            cursor = page.cursor
            # In small pieces: each is charged, sent and forgotten before the next one is read.
            for edge in page.edges:
                self.put([await results.message(self.subscription, edge)])
                if self._bytes >= BATCH_BYTES or len(self._waiting) >= BATCH_EVENTS:
                    yield self._take()
            if self._waiting:
                yield self._take()
            if not page.has_more:
                # It was read after the channel began, so nothing before that is missing.
                self._place = max(self._place, began)
