"""GraphQL over HTTP: Strawberry's ASGI view, held to the specification's status codes and media types.

See https://graphql.github.io/graphql-over-http/draft/.
"""

import json
from collections.abc import Iterator
from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError, GraphQLSyntaxError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from db.database import Database
from graph.context import Clock, Context
from graph.errors import formatted
from graph.playground import playground_page
from graph.scalars import UNSTORABLE_TEXT, is_storable
from graph.schema import schema

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
MAX_BODY_BYTES = 256 * 1024


class GraphQLEndpoint(GraphQL[Context, None]):
    """The endpoint `/graphql`. A browser that asks for HTML gets the playground."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(schema, graphql_ide=None, subscription_protocols=())
        self._database = database
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, at_most(MAX_BODY_BYTES, receive))
        response = await self.respond(request)
        response.headers["Vary"] = "Accept"
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        if request.method == "GET" and "query" not in request.query_params and wants_html(request):
            return playground_page()
        media_type = response_media_type(request.headers.get("accept"))
        if media_type is None:
            return refusal(406, f"This endpoint answers with {GRAPHQL_JSON} or {JSON}.", JSON)
        context = Context(self._database, self._clock)
        try:
            response: Response = await self.run(request, context=context)
        except HTTPException as error:
            status = 415 if error.reason == "Unsupported content type" else error.status_code
            return refusal(status, error.reason, media_type)
        finally:
            await context.close()
        response.headers["Content-Type"] = f"{media_type}; charset=utf-8"
        response.headers["Cache-Control"] = "no-store"
        if media_type == GRAPHQL_JSON and getattr(request.state, "not_executed", False):
            response.status_code = 400
        return response

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        raise AssertionError("`respond` hands the context in")

    def should_render_graphql_ide(self, request: object) -> bool:
        return False

    def decode_json(self, data: str | bytes) -> object:
        try:
            return json.loads(data, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            raise HTTPException(400, "The request is not valid JSON.") from None

    def parse_json(self, data: str | bytes) -> Any:
        document = self.decode_json(data)
        if not isinstance(document, dict):
            raise HTTPException(400, "The request must be one JSON object.")
        if not all(is_storable(text) for text in texts_in(document)):
            raise HTTPException(400, UNSTORABLE_TEXT)
        return document

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData | list[GraphQLRequestData]:
        found = await super().parse_http_body(request)
        assert isinstance(found, GraphQLRequestData), "`parse_json` lets one object pass"
        if not isinstance(found.operation_name, str | None):
            raise HTTPException(400, "`operationName` must be a string or null.")
        return found

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """The answer's document. One that was not executed has no `data`: it names what is wrong with the request."""
        document: dict[str, Any] = {}
        not_executed = isinstance(result, PreExecutionError) or (
            result.data is None and all(error.path is None for error in result.errors or ())
        )
        if isinstance(result, PreExecutionError):
            for error in result.errors or ():
                if "code" not in (error.extensions or {}):
                    error.extensions = {**(error.extensions or {}), "code": pre_execution_code(error)}
        if result.errors:
            document["errors"] = [formatted(error) for error in result.errors]
        if not_executed:
            request.state.not_executed = True
        else:
            document["data"] = result.data
        return document  # type: ignore[return-value]


def pre_execution_code(error: GraphQLError) -> str:
    return "GRAPHQL_PARSE_FAILED" if isinstance(error, GraphQLSyntaxError) else "GRAPHQL_VALIDATION_FAILED"


def texts_in(document: object) -> Iterator[str]:
    """All strings of a JSON document, the names of its members too."""
    pending = [document]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case dict() as members:
                pending.extend(members)
                pending.extend(members.values())
            case list() as items:
                pending.extend(items)


def at_most(limit: int, receive: Receive) -> Receive:
    """`receive`, which refuses the rest of a body once it is larger than `limit` bytes."""
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, f"A request must have at most {limit} bytes.")
        return message

    return receive_within_limit


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def refusal(status: int, message: str, media_type: str) -> Response:
    """An answer to what is not a GraphQL request at all."""
    code = "BAD_USER_INPUT"
    response = JSONResponse({"errors": [{"message": message, "extensions": {"code": code}}]}, status)
    response.headers["Content-Type"] = f"{media_type}; charset=utf-8"
    if status == 405:
        response.headers["Allow"] = "GET, POST"
    return response


def response_media_type(accept: str | None) -> str | None:
    """What an `Accept` header asks for: of what it names, the type of the highest quality, the first among equals.

    `application/json` where it leaves the choice; None where it takes neither.
    """
    best: tuple[float, str] | None = None
    for part in (accept or "*/*").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        media_type = {GRAPHQL_JSON: GRAPHQL_JSON, JSON: JSON, "application/*": JSON, "*/*": JSON}.get(name)
        weight = quality(parameters)
        if media_type and weight > 0 and (best is None or weight > best[0]):
            best = (weight, media_type)
    return best[1] if best else None


def quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0
    return 1
