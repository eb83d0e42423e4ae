"""Subscriptions and their results: what a subscription asks for, and the execution of its operation for events."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
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
from graph.observability.middleware import ENDPOINT
from graph.schema.fields.access import Access
from graph.schema.fields.context import Clock, Context
from graph.schema.root import core_schema
from graph.schema.types.events import FEED_LISTING, end_of_feed
from graph.server.errors import formatted
from graph.server.executing import execute_operation
from graph.server.query_documents import QueryDocument
from graph.settings import Settings

logger = logging.getLogger("billing.live")

EVENT_ROWS = 2_000
"""Maximum number of rows that are read for one event."""
EVENT_BYTES = 256_000
"""Maximum size of the result for one event, in bytes."""


class Rejected(Exception):
    """A subscription that does not start, or cannot go on, with the `errors` for its client, already formatted."""

    def __init__(self, *errors: Mapping[str, Any]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Message:
    """The result for an event, as JSON, and the number of rows read for it."""

    place: Place
    """The place of the event in the feed."""
    recorded_at: datetime
    body: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Page:
    """The next events that a subscription asks for, as edges of the feed, and the cursor after them."""

    edges: Sequence[Any]
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


class Results:
    """Reads events of the feed, and executes the operations of subscriptions for them."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database, self._clock, self._settings = database, clock, settings

    def subscription(
        self,
        text: str,
        document: QueryDocument,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        access: Access,
    ) -> Subscription:
        """Returns the subscription that an operation of a valid document asks for. Raises `Rejected`."""
        hidden = not self._settings.suggestions
        definitions = operation.variable_definitions or ()
        coerced = coerced_variables(core_schema, definitions, variables, hide_suggestions=hidden)
        if isinstance(coerced, list):
            raise Rejected(*map(self.formatted_error, coerced))
        try:
            assert document.plans is not None, "the document is valid"
            [field] = document.plans.of(operation, coerced).root.fields
            arguments = field.definition.extensions[BATCH].converter()(field.arguments(coerced))
            after, filter_ = arguments.get("after"), arguments.get("filter")
            FEED_LISTING.request_of(self._settings.limits, after=after, filter=filter_)
        except GraphQLError as error:
            raise Rejected(self.formatted_error(error)) from None
        return Subscription(text, document, operation, variables, after, filter_, access)

    async def end(self, subscription: Subscription) -> str:
        """Returns the cursor of the current end of the feed. Raises the errors of the database."""
        context = self._context(subscription, RowBudget(EVENT_ROWS))
        try:
            return await end_of_feed(context)
        finally:
            await context.close()

    async def page(self, subscription: Subscription, cursor: str) -> Page:
        """Reads the next events after a cursor.

        Raises the errors of the database, and `Rejected` if the list is too slow.
        """
        context = self._context(subscription, RowBudget(EVENT_ROWS))
        try:
            # Before the list is read, which therefore has all events up to here.
            end = await end_of_feed(context)
            arguments = {"after": cursor, "filter": subscription.filter}
            [listed] = await FEED_LISTING.load([None], context, arguments, None, cursors=True)
            if isinstance(listed, GraphQLError):
                raise Rejected(self.formatted_error(listed))
            if isinstance(listed, Exception):
                raise listed
        finally:
            await context.close()
        # With a filter, the end of the feed may be far after the last event found. The next page starts at that end.
        return Page(listed.edges, listed.end_cursor if listed.has_more else end, has_more=listed.has_more)

    async def message(self, subscription: Subscription, edge: Any) -> Message:
        """Executes the operation for an event."""
        event = edge.node
        rows = RowBudget(EVENT_ROWS)
        exchange = Exchange(new_request_id(), ENDPOINT)
        of_exchange = EXCHANGE.set(exchange)
        try:
            result = await self._executed(subscription, edge, rows)
            document: dict[str, Any] = {"data": result.data}
            if result.errors:
                document["errors"] = list(map(self.formatted_error, result.errors))
            if exchange.failures:
                logger.error("a live event failed", exc_info=exchange.failure)
            body = orjson.dumps(document)
            return Message((event.xid, event.position), datetime.fromisoformat(event.recorded_at), body, rows.read)
        finally:
            EXCHANGE.reset(of_exchange)

    async def _executed(self, subscription: Subscription, edge: Any, rows: RowBudget) -> ExecutionResult:
        """Executes the operation for an event, within the limits of an event."""
        context = self._context(subscription, rows)
        try:
            async with asyncio.timeout(self._settings.limits.seconds):
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
                f"The result took longer than {self._settings.limits.seconds:g} s. Select fewer fields.",
                ErrorCode.TIMEOUT,
            )
        finally:
            await context.close()

    def _context(self, subscription: Subscription, rows: RowBudget) -> Context:
        return Context(self._database, self._clock, self._settings, subscription.access, rows)

    def formatted_error(self, error: GraphQLError) -> Mapping[str, Any]:
        return formatted(error, suggestions=self._settings.suggestions)


def failed(message: str, code: ErrorCode) -> ExecutionResult:
    return ExecutionResult(None, [GraphQLError(message, extensions={"code": code})])
