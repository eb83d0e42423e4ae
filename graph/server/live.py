"""GraphQL subscriptions: the events of the feed, as they appear.

Streams that ask for the same with the same rights share a `Channel`, which reads and executes each event once. A stream
that starts in the past reads by itself until it has reached its channel.
"""

import asyncio
import json
import logging
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from graphql import ExecutionResult, FieldNode, GraphQLError, OperationDefinitionNode, VariableNode

from db.access.scope import RowBudget
from db.database import Database
from db.models.events import Place
from graph.error_codes import ErrorCode
from graph.execution import BATCH, ResponseTooLarge
from graph.execution.variables import coerced_variables
from graph.observability.exchange import EXCHANGE, Exchange, new_request_id
from graph.observability.live_counts import LiveCounts
from graph.observability.middleware import ENDPOINT
from graph.schema.fields.access import Access
from graph.schema.fields.context import Clock, Context
from graph.schema.fields.errors import bad_user_input
from graph.schema.root import core_schema
from graph.schema.types.events import FEED_LISTING, end_of_feed, place_of
from graph.server.errors import formatted
from graph.server.executing import execute_operation
from graph.server.feed_watch import FeedWatch
from graph.server.query_documents import QueryDocument
from graph.settings import Settings

logger = logging.getLogger("billing.live")

MAX_STREAMS = 1_000
"""Maximum number of streams of a process."""
MAX_STREAMS_PER_CALLER = 200
"""Maximum number of streams of a process for one API key, or for all callers without a key."""
MAX_STREAMS_PER_SESSION = 10
"""Maximum number of streams of a process for one customer session."""
MAX_WAITING = 1_000
MAX_WAITING_BYTES = 1_000_000
"""Maximum number of messages, and of bytes in them, that wait for a client to read. Then its stream ends."""
KEPT_EVENTS = 500
KEPT_BYTES = 1_000_000
"""Maximum number of events, and of bytes of their results, that a channel keeps, so that streams that come from behind
can join it.
"""
PUBLISH_SECONDS = 0.05
"""Time for which results are collected before streams get them, in seconds. Each time, every stream is woken."""
EVENT_ROWS = 2_000
"""Maximum number of rows that are read for one event."""
EVENT_BYTES = 256_000
"""Maximum size of the result for one event, in bytes."""

RIGHTS_CHANGED = "The rights of this key have changed."


class Rejected(Exception):
    """A subscription that does not start, or cannot go on, with the `errors` for its client, already formatted."""

    def __init__(self, *errors: Mapping[str, Any]) -> None:
        super().__init__(errors)
        self.errors = errors


class Interrupted(Exception):
    """A stream ended before its client ended it. The client can continue after the last event that it received."""


class TooSlow(Interrupted):
    """The client does not read as fast as events appear."""


@dataclass(frozen=True, slots=True)
class Message:
    """The result for an event, as JSON, the place of the event in the feed, and when it was recorded."""

    place: Place
    recorded_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Results for the next events, and the cursor after them."""

    messages: Sequence[Message]
    cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class Subscription:
    """A valid subscription: its operation, its variables and arguments, and the rights of its caller."""

    text: str
    document: QueryDocument
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    after: str | None
    filter: Any
    access: Access

    @property
    def key(self) -> object:
        """Equal for subscriptions with equal results for an event, wherever in the feed they start."""
        start = self._start_variable()
        same = {name: value for name, value in self.variables.items() if name != start}
        name = self.operation.name.value if self.operation.name else None
        return self.text, name, json.dumps(same, sort_keys=True), self.access

    def _start_variable(self) -> str | None:
        """Returns the name of the variable for `after`, if it is used for nothing else."""
        fields = [node for node in self.operation.selection_set.selections if isinstance(node, FieldNode)]
        for argument in fields[0].arguments or () if fields else ():
            if argument.name.value == "after" and isinstance(argument.value, VariableNode):
                name: str = argument.value.name.value
                return name if len(re.findall(rf"\${name}\b", self.text)) == 2 else None
        return None


class Live:
    """The streams of a process. `run` must run while there are any."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, charge: Callable[[Access, int], None]
    ) -> None:
        """`charge` charges a caller for a message of so many bytes."""
        self._database, self._clock, self.settings = database, clock, settings
        self._charge = charge
        self.watch = FeedWatch(database)
        self.counts = LiveCounts()
        self._channels: dict[object, Channel] = {}
        self._streams: set[Stream] = set()
        self._callers: Counter[str] = Counter()

    async def run(self) -> None:
        """Watches the feed until cancelled."""
        await self.watch.run()

    def subscription(
        self,
        text: str,
        document: QueryDocument,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        access: Access,
    ) -> Subscription:
        """Returns the subscription that an operation of a valid document asks for. Raises `Rejected`."""
        hidden = not self.settings.suggestions
        definitions = operation.variable_definitions or ()
        coerced = coerced_variables(core_schema, definitions, variables, hide_suggestions=hidden)
        if isinstance(coerced, list):
            raise Rejected(*map(self._formatted, coerced))
        try:
            assert document.plans is not None, "the document is valid"
            [field] = document.plans.of(operation, coerced).root.fields
            arguments = field.definition.extensions[BATCH].converter()(field.arguments(coerced))
            after, filter_ = arguments.get("after"), arguments.get("filter")
            FEED_LISTING.request_of(self.settings.limits, after=after, filter=filter_)
        except GraphQLError as error:
            raise Rejected(self._formatted(error)) from None
        return Subscription(text, document, operation, variables, after, filter_, access)

    def stream(self, subscription: Subscription) -> "Stream":
        """Opens a stream, which must be iterated. Raises `Rejected` if there are too many."""
        most = MAX_STREAMS_PER_SESSION if subscription.access.is_session else MAX_STREAMS_PER_CALLER
        if self._callers[subscription.access.name] >= most:
            message = f"You already have {most} streams on this server process. Close one first."
        elif len(self._streams) >= MAX_STREAMS:
            message = "The server has too many streams. Try again later."
        else:
            return Stream(self, subscription)
        raise Rejected(self._formatted(GraphQLError(message, extensions={"code": ErrorCode.OVERLOADED})))

    @contextmanager
    def counted(self, stream: "Stream") -> Iterator["Channel"]:
        """Counts a stream during the block. Yields its channel, which is closed after its last stream."""
        subscription = stream.subscription
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

    def took(self, stream: "Stream", bodies: Sequence[bytes]) -> None:
        """Counts messages that a stream took, and charges its caller."""
        self.counts.messages += len(bodies)
        self._charge(stream.subscription.access, sum(map(len, bodies)))

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

    async def page(
        self,
        subscription: Subscription,
        cursor: str | None,
        publish: Callable[[Sequence[Message]], None] = lambda _messages: None,
    ) -> Page:
        """Reads and executes the next events after a cursor. None: returns the current end of the feed.

        Calls `publish` with all results, every `PUBLISH_SECONDS`, and lets others run in between.
        Raises the errors of the database, and `Rejected` if the list is too slow.
        """
        context = self._context(subscription)
        try:
            if cursor is None:
                return Page((), await end_of_feed(context), has_more=False)
            arguments = {"after": cursor, "filter": subscription.filter}
            [listed] = await FEED_LISTING.load([None], context, arguments, None, cursors=True)
            if isinstance(listed, GraphQLError):
                raise Rejected(self._formatted(listed))
            if isinstance(listed, Exception):
                raise listed
            edges = listed.edges
        finally:
            await context.close()
        messages: list[Message] = []
        published, now = 0, asyncio.get_running_loop().time
        until = now() + PUBLISH_SECONDS
        for edge in edges:
            event = edge.node
            body = await self._result(subscription, edge)
            messages.append(Message((event.xid, event.position), datetime.fromisoformat(event.recorded_at), body))
            if now() >= until:
                publish(messages[published:])
                published, until = len(messages), now() + PUBLISH_SECONDS
            await asyncio.sleep(0)
        publish(messages[published:])
        return Page(messages, listed.end_cursor or cursor, has_more=listed.has_more)

    async def _result(self, subscription: Subscription, edge: Any) -> bytes:
        """Executes the operation for an event. Returns the result as JSON."""
        exchange = Exchange(new_request_id(), ENDPOINT)
        of_exchange = EXCHANGE.set(exchange)
        try:
            result = await self._executed(subscription, edge)
            document: dict[str, Any] = {"data": result.data}
            if result.errors:
                document["errors"] = list(map(self._formatted, result.errors))
            if exchange.failures:
                logger.error("a live event failed", exc_info=exchange.failure)
            return orjson.dumps(document)
        finally:
            EXCHANGE.reset(of_exchange)

    async def _executed(self, subscription: Subscription, edge: Any) -> ExecutionResult:
        """Executes the operation for an event, within the limits of an event."""
        context = self._context(subscription)
        try:
            async with asyncio.timeout(self.settings.limits.seconds):
                return await execute_operation(
                    subscription.document,
                    subscription.operation,
                    subscription.variables,
                    context,
                    root_value=edge,
                    max_bytes=EVENT_BYTES,
                )
        except ResponseTooLarge:
            return failed(
                f"The result would have more than {EVENT_BYTES} bytes. Select fewer fields.", ErrorCode.COST_LIMIT
            )
        except TimeoutError:
            return failed(
                f"The result took longer than {self.settings.limits.seconds:g} s. Select fewer fields.",
                ErrorCode.TIMEOUT,
            )
        finally:
            await context.close()

    def _context(self, subscription: Subscription) -> Context:
        return Context(self._database, self._clock, self.settings, subscription.access, RowBudget(EVENT_ROWS))

    def _formatted(self, error: GraphQLError) -> Mapping[str, Any]:
        return formatted(error, suggestions=self.settings.suggestions)


class Channel:
    """Reads and executes new events for all streams with equal subscriptions, from the moment that it is opened."""

    def __init__(self, live: Live, subscription: Subscription) -> None:
        self._live, self._subscription = live, subscription
        self._streams: set[Stream] = set()
        self._kept: deque[Message] = deque()
        self._kept_bytes = 0
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

    async def _run(self) -> None:
        try:
            cursor = (await self._live.page(self._subscription, None)).cursor
            self.begun.set_result(place_of(cursor, "after"))
            while True:
                # Taken before the events are read, so that none is overlooked.
                change = self._live.watch.change()
                page = await self._live.page(self._subscription, cursor, self._add)
                cursor = page.cursor
                if not page.has_more:
                    await change
        except Exception as error:  # noqa: BLE001 - each stream raises it
            self._error = error
            self._live.forget(self)
            if not self.begun.done():
                self.begun.set_exception(error)
                self.begun.exception()  # Perhaps no stream waits for it.
            for stream in self._streams:
                stream.end(error)

    def _add(self, messages: Sequence[Message]) -> None:
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
        self._waiting: list[bytes] = []
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
                self._waiting.append(message.body)
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
            async for bodies in self._catch_up(channel):
                self._live.took(self, bodies)
                yield bodies
            channel.join(self)
            self._live.counts.streams += 1
            try:
                while True:
                    while self._waiting:
                        bodies, self._waiting, self._bytes = self._waiting, [], 0
                        self._live.took(self, bodies)
                        yield bodies
                    if self._ended is not None:
                        raise self._ended
                    self._wake.clear()
                    await self._wake.wait()
            finally:
                channel.leave(self)
                self._live.counts.streams -= 1

    async def _catch_up(self, channel: Channel) -> AsyncIterator[Sequence[bytes]]:
        """Yields the results for events that the channel has not kept. Afterwards, the stream can join it."""
        page = self._live.page
        end = (await page(self.subscription, None)).cursor
        cursor = self.subscription.after or end
        self._place = place_of(cursor, "after")
        if self._place > place_of(end, "after"):
            raise Rejected(bad_user_input("`after` is a cursor of another database.").formatted)
        began = await asyncio.shield(channel.begun)
        while not channel.reaches(self._place) and self._ended is None:
            read = await page(self.subscription, cursor)
            cursor = read.cursor
            if read.messages:
                self._place = read.messages[-1].place
                yield [message.body for message in read.messages]
            if not read.has_more:
                # It was read after the channel began, so nothing before that is missing.
                self._place = max(self._place, began)


def failed(message: str, code: ErrorCode) -> ExecutionResult:
    return ExecutionResult(None, [GraphQLError(message, extensions={"code": code})])
