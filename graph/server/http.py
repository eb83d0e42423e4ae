"""GraphQL over HTTP: admits, reads and executes a request within its time limit, and returns the response.

See https://graphql.github.io/graphql-over-http/draft/.
"""

import asyncio
import math
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from db.access.scope import RowBudget
from db.database import Database
from graph.error_codes import ErrorCode
from graph.execution import ResponseTooLarge
from graph.observability.exchange import Exchange, current
from graph.schema.fields.access import Access
from graph.schema.fields.context import Clock, Context
from graph.schema.root import core_schema
from graph.server.authenticator import Authenticator, RateLimited, Unauthenticated
from graph.server.dashboard import dashboard_documents
from graph.server.errors import BUSY, MAYBE_CHANGED, error_document, formatted
from graph.server.executing import execute_operation
from graph.server.live import RIGHTS_CHANGED, Interrupted, Live
from graph.server.live_results import Rejected, Subscription
from graph.server.playground import playground_page
from graph.server.query_documents import QueryDocuments
from graph.server.requests import (
    GRAPHQL_JSON,
    JSON,
    GraphQLRequest,
    Refusal,
    accepts_event_stream,
    read_request,
    require_known_host,
    require_known_origin,
    response_media_type,
    wants_html,
)
from graph.server.responses import json_response, refusal_response
from graph.server.sse import ENDLESS, EVENT_STREAM, streaming_response
from graph.server.trusted import TrustedDocumentsError, read_trusted
from graph.server.websocket import Connection
from graph.settings import Settings

RETRY_SOON = {"Retry-After": "1"}
NOT_ACCEPTABLE = f"This endpoint responds with {GRAPHQL_JSON} or {JSON}, and to subscriptions with {EVENT_STREAM}."
ONLY_SUBSCRIPTIONS = "Only subscriptions run over a WebSocket. Send queries and mutations by HTTP."


@dataclass(frozen=True, slots=True)
class GraphQLAnswer:
    """A GraphQL response. `status` is None if it follows from the media type and `executed`.

    `body` is the document as JSON, if it is already serialized.
    """

    document: dict[str, Any]
    status: int | None = None
    executed: bool = True
    body: bytes | None = None


DISCONNECT_CHECK_DELAY_SECONDS = 0.05
"""Time that a query runs before its connection is watched for a disconnect, in seconds."""

MUTATIONS_SECONDS = 40
"""Maximum duration of all mutations of an operation together, in seconds. Each mutation also has its own limit."""


class ClientGone(Exception):
    """The client has disconnected, so no response is needed."""


class GraphQLEndpoint:
    """The endpoint `/graphql`, an ASGI application. A browser that requests HTML gets the playground."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._authenticator = Authenticator(database, clock, settings.rate_limit, requires_key=settings.requires_key)
        self.live = Live(database, clock, settings, self._charge_messages)
        own = {} if settings.trusted_documents is None else read_trusted(settings.trusted_documents)
        self._trusted = {**dashboard_documents(), **own}
        self._documents = QueryDocuments(
            core_schema,
            settings.limits,
            own.values(),
            trusted_when_used=dashboard_documents().values(),
            suggestions=settings.suggestions,
        )
        for key, text in own.items():
            if errors := self._documents.of(text).errors:
                raise TrustedDocumentsError(f"The trusted document {key} is not valid: {errors[0].message}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self.respond(request)
        except (ClientGone, ClientDisconnect):
            return
        except asyncio.CancelledError:
            # The server is shutting down, and the time for requests in progress is over.
            refusal = Refusal(503, "The server is shutting down. Try again.", code=ErrorCode.UNAVAILABLE)
            response = refusal_response(refusal, response_media_type(request.headers.get("accept")) or JSON)
        response.headers["Vary"] = "Accept, Authorization"
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        if request.method == "GET" and not request.query_params and wants_html(request):
            return playground_page()
        accept = request.headers.get("accept")
        media_type, streams = response_media_type(accept), accepts_event_stream(accept)
        if request.method not in ("GET", "POST"):
            refusal = Refusal(405, "This endpoint accepts GET and POST.", headers={"Allow": "GET, POST"})
            return refusal_response(refusal, media_type or JSON)
        try:
            require_acceptable(media_type or streams)
            access = await self.admit(request)
            asked = await self._read(request)
            if streams and self._asks_for_stream(asked, if_invalid=media_type is None):
                return self._streamed(request, access, asked)
            require_acceptable(media_type)
            answer = await self._answer(request, access, asked)
        except Rejected as rejected:
            return json_response({"errors": rejected.errors}, 400, media_type or JSON)
        except Refusal as refusal:
            return refusal_response(refusal, media_type or JSON)
        assert media_type is not None, "it is acceptable"
        status = answer.status or (200 if answer.executed or media_type == JSON else 400)
        response = json_response(
            answer.document, status, media_type, RETRY_SOON if status == 503 else {}, body=answer.body
        )
        self._authenticator.charge_bytes(access, len(response.body))
        return response

    def _asks_for_stream(self, asked: GraphQLRequest, *, if_invalid: bool) -> bool:
        """Returns True if a request is for a subscription, and `if_invalid` if its document is not valid."""
        document = self._documents.of(self._text_of(asked))
        try:
            operation = None if document.errors else document.operation(asked.operation_name)
        except GraphQLError:
            return if_invalid
        return if_invalid if operation is None else operation.operation is OperationType.SUBSCRIPTION

    def _streamed(self, request: Request, access: Access, asked: GraphQLRequest) -> Response:
        """Returns the response that sends the results of a subscription. Raises `Refusal` and `Rejected`."""
        stream = self.live.stream(self.subscription(asked, access))
        request.scope[ENDLESS] = True

        async def recheck() -> None:
            try:
                rights = await self.admit(request)
            except Refusal as refusal:
                if refusal.code in (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN):
                    raise Rejected(error_document(refusal.message, refusal.code)) from None
                raise Interrupted(refusal.message) from None
            if rights != access:
                raise Rejected(error_document(RIGHTS_CHANGED, ErrorCode.FORBIDDEN))

        return streaming_response(stream, recheck)

    def subscription(self, asked: GraphQLRequest, access: Access) -> Subscription:
        """Returns the subscription that a request asks for. Raises `Refusal` and `Rejected`."""
        text = self._text_of(asked)
        document = self._documents.of(text)
        planned = document.planned_rows
        charged = document.rows
        variables = asked.variables or {}
        try:
            try:
                operation = None if document.errors else document.operation(asked.operation_name)
            except GraphQLError as error:
                raise Rejected(*self._refused((error,)).document["errors"]) from None
            if operation is None:
                raise Rejected(*self._refused(document.errors).document["errors"])
            if operation.operation is not OperationType.SUBSCRIPTION:
                raise Rejected(error_document(ONLY_SUBSCRIPTIONS, ErrorCode.BAD_USER_INPUT))
            cost = document.cost(operation, variables, self._settings.limits)
            charged += cost.rows
            if cost.errors:
                raise Rejected(*self._refused(cost.errors).document["errors"])
            return self.live.results.subscription(text, document, operation, variables, access)
        finally:
            self._authenticator.charge(access, charged + document.planned_rows - planned, 0)

    async def websocket(self, socket: WebSocket) -> None:
        """Serves a connection for subscriptions. Rejects it if a page of another site opens it."""
        try:
            if not self._settings.requires_key:
                require_known_host(socket, self._settings.hosts)
            require_known_origin(socket, self._settings.cors_origins)
        except Refusal:
            await socket.close()
            return
        header = socket.headers.get("authorization")
        await Connection(socket, self.live, header, self._access_of, self.subscription).serve()

    async def admit(self, request: Request) -> Access:
        """Authenticates the request and returns its access. Raises `Refusal`."""
        if not self._settings.requires_key:
            require_known_host(request, self._settings.hosts)
        authorizations = request.headers.getlist("authorization")
        if len(authorizations) > 1:
            raise Refusal(400, "The request has several Authorization headers: send one.")
        return await self._access_of(authorizations[0] if authorizations else None)

    async def _access_of(self, authorization: str | None) -> Access:
        """Returns the access for an `Authorization` header. Raises `Refusal`."""
        try:
            access = await self._authenticator.admit(authorization)
        except Unauthenticated as error:
            headers = {"WWW-Authenticate": "Bearer"}
            raise Refusal(401, str(error), code=ErrorCode.UNAUTHENTICATED, headers=headers) from None
        except RateLimited as error:
            seconds = max(1, math.ceil(error.seconds))
            message = f"This API key has reached its rate limit. Try again in {seconds} s."
            headers = {"Retry-After": str(seconds)}
            raise Refusal(429, message, code=ErrorCode.RATE_LIMITED, headers=headers) from None
        except Exception as error:
            said = formatted(GraphQLError("", original_error=error))
            code = ErrorCode(said["extensions"]["code"])
            status = 500 if code is ErrorCode.INTERNAL_SERVER_ERROR else 503
            headers = RETRY_SOON if status == 503 else {}
            raise Refusal(status, str(said["message"]), code=code, headers=headers) from error
        current().key_id = None if access.key_id is None else str(access.key_id)
        return access

    async def _read(self, request: Request) -> GraphQLRequest:
        """Reads the GraphQL request, and notes the time that receiving the body took. Raises `Refusal`."""
        began = perf_counter()
        try:
            return await read_request(request, self._settings.limits.body_bytes, self._settings.cors_origins)
        finally:
            current().reading_seconds = perf_counter() - began

    async def _answer(self, request: Request, access: Access, asked: GraphQLRequest) -> GraphQLAnswer:
        exchange = current()
        document = self._documents.of(self._text_of(asked))
        rows = RowBudget(self._settings.limits.rows)
        planned = document.planned_rows
        charged = document.rows
        try:
            if document.errors:
                return self._refused(document.errors)
            try:
                operation = document.operation(asked.operation_name)
            except GraphQLError as error:
                return self._refused((error,))
            exchange.executes(operation, trusted=document.trusted)
            if operation.operation is OperationType.SUBSCRIPTION:
                raise Refusal(406, "Subscriptions need `Accept: text/event-stream`, or a WebSocket.")
            changes = operation.operation is OperationType.MUTATION
            if changes and request.method != "POST":
                raise Refusal(405, "Send mutations by POST.", headers={"Allow": "POST"})
            cost = document.cost(operation, asked.variables or {}, self._settings.limits)
            charged += cost.rows
            if cost.errors:
                return self._refused(cost.errors)
            context = Context(self._database, self._clock, self._settings, access, rows)
            began = asyncio.get_running_loop().time()
            execution = execute_operation(
                document, operation, asked.variables, context, max_bytes=self._settings.limits.response_bytes
            )
            if exchange.tracing is not None:
                execution = exchange.tracing.operation(execution)
            try:
                # A mutation runs to its end even if the client disconnects.
                result = await (run_mutations(execution) if changes else self._in_time(request, execution))
            except (TimeoutError, ResponseTooLarge, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and not context.changed:
                    raise
                # Closing cancels pending loads, which records how long they have waited for a connection.
                await context.close()
                return self._broken_off(error, exchange, changes=changes, changed=context.changed)
            finally:
                await context.close()
        finally:
            exchange.rows = rows.read
            charged += document.planned_rows - planned + rows.read
            self._authenticator.charge(access, charged, rows.slow_seconds)
        answer = self._answer_of(result, cost.nodes, rows, changed=context.changed)
        late = not changes and asyncio.get_running_loop().time() - began > self._settings.limits.seconds
        return self._broken_off(TimeoutError(), exchange, changes=False, changed=False) if late else answer

    def _charge_messages(self, access: Access, rows: int, size: int) -> None:
        """Charges messages of a stream, like small responses."""
        self._authenticator.charge(access, rows, 0)
        self._authenticator.charge_bytes(access, size)

    def _text_of(self, asked: GraphQLRequest) -> str:
        """Returns the text of the requested document. Raises `Refusal` if it is unknown or not trusted."""
        if asked.document_id is not None:
            text = self._trusted.get(asked.document_id.removeprefix("sha256:"))
            if text is not None:
                return text
            # Clients that have the full document send it in addition to the hash.
            if not asked.query or self._settings.trusted_only:
                # Clients recognize these messages, and then send the full document: always, or for this request.
                if self._settings.trusted_documents is None:
                    raise Refusal(400, "PersistedQueryNotSupported", code=ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED)
                raise Refusal(400, "PersistedQueryNotFound", code=ErrorCode.PERSISTED_QUERY_NOT_FOUND)
        if self._settings.trusted_only:
            raise Refusal(400, "This server accepts only trusted documents: send the id of one as `documentId`.")
        if not asked.query:
            raise Refusal(400, "The request has no `query`.")
        return asked.query

    async def _in_time(self, request: Request, execution: Coroutine[Any, Any, ExecutionResult]) -> ExecutionResult:
        """Returns the result of a query. Cancels it, with its SQL, at the time limit or if the client disconnects.

        Raises `TimeoutError` and `ClientGone`.
        """
        loop = asyncio.get_running_loop()
        watches: list[asyncio.Task[None]] = []
        gone = False

        async def watch() -> None:
            nonlocal gone
            await disconnected(request)
            gone = True
            time.reschedule(loop.time())

        # Most queries finish before watching the connection is worth its cost.
        later = loop.call_later(DISCONNECT_CHECK_DELAY_SECONDS, lambda: watches.append(loop.create_task(watch())))
        try:
            async with asyncio.timeout(self._settings.limits.seconds) as time:
                return await execution
        except TimeoutError:
            if gone:
                raise ClientGone from None
            raise
        finally:
            later.cancel()
            for each in watches:
                each.cancel()
            if watches:
                # Tasks must not outlive their request.
                await asyncio.wait(watches)

    def _refused(self, errors: Sequence[GraphQLError]) -> GraphQLAnswer:
        """Returns the response to a request that is not executed: errors without `data`."""
        suggestions = self._settings.suggestions
        said = [formatted(error, suggestions=suggestions, before=True) for error in errors]
        return GraphQLAnswer({"errors": said}, executed=False)

    def _broken_off(self, error: BaseException, exchange: Exchange, *, changes: bool, changed: bool) -> GraphQLAnswer:
        """Returns the response to an operation that was interrupted, or whose response could not be completed."""
        if isinstance(error, ResponseTooLarge):
            return self._too_large(changed=changed)
        if changed:
            # The client must not take this for a request that is safe to retry.
            return GraphQLAnswer({"data": None, "errors": [error_document(MAYBE_CHANGED, ErrorCode.UNAVAILABLE)]})
        # The server is busy, rather than the query too slow, if it waited long for a connection or if others wait.
        if self._database.is_busy or exchange.usage.waited_seconds > self._settings.limits.seconds / 10:
            return GraphQLAnswer({"errors": [error_document(BUSY, ErrorCode.OVERLOADED)]}, status=503)
        seconds = MUTATIONS_SECONDS if changes else self._settings.limits.seconds
        message = f"This took longer than {seconds:g} s. Request less at a time."
        return GraphQLAnswer({"errors": [error_document(message, ErrorCode.TIMEOUT)]}, status=504)

    def _too_large(self, *, changed: bool) -> GraphQLAnswer:
        limit = self._settings.limits.response_bytes
        message = f"The response would have more than {limit} bytes. Request less at a time."
        if changed:
            message = f"The request was applied, at least in part, but the response would have more than {limit} bytes."
        error = error_document(message, ErrorCode.COST_LIMIT)
        error["extensions"]["limit"] = limit
        return GraphQLAnswer({"errors": [error], "data": None})

    def _answer_of(self, result: ExecutionResult, nodes: int, rows: RowBudget, *, changed: bool) -> GraphQLAnswer:
        """Returns the response to a result. Without `data` if invalid variables prevented the execution.

        The status is 503 if the database is unavailable or the server is busy, and nothing was `changed` or read.
        """
        errors = result.errors or []
        executed = result.data is not None or any(error.path is not None for error in errors)
        document: dict[str, Any] = {}
        status = None
        if errors:
            suggestions = self._settings.suggestions
            document["errors"] = [formatted(error, suggestions=suggestions, changed=changed) for error in errors]
            if executed and not changed and is_empty(result.data) and any(map(is_retryable, document["errors"])):
                status = 503
        if executed:
            document["data"] = result.data
            document["extensions"] = {"cost": {"nodes": nodes, "rows": rows.read, "limit": rows.limit}}
        body = orjson.dumps(document)
        if len(body) > self._settings.limits.response_bytes:
            return self._too_large(changed=changed)
        return GraphQLAnswer(document, status, executed=executed, body=body)


def require_acceptable(acceptable: object) -> None:
    """Raises `Refusal` if the client accepts none of the media types of the response."""
    if not acceptable:
        raise Refusal(406, NOT_ACCEPTABLE)


async def run_mutations(execution: Coroutine[Any, Any, ExecutionResult]) -> ExecutionResult:
    """Returns the result of mutations. Raises `TimeoutError` after `MUTATIONS_SECONDS`."""
    async with asyncio.timeout(MUTATIONS_SECONDS):
        return await execution


async def disconnected(request: Request) -> None:
    """Returns when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def is_empty(data: Mapping[str, Any] | None) -> bool:
    """Returns True if no root field has a value."""
    return data is None or all(value is None for value in data.values())


def is_retryable(error: Mapping[str, Any]) -> bool:
    return error["extensions"]["code"] in (ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED)
