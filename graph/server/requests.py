"""Reads GraphQL requests from HTTP."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from starlette.requests import HTTPConnection, Request

from graph.error_codes import ErrorCode
from graph.schema.fields.scalars import UNSTORABLE_TEXT, is_storable

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

PREFLIGHT_HEADERS = (
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "authorization",
)
"""Headers that pages of other sites cannot send without a CORS preflight."""


HOST = re.compile(r"(?P<name>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5})?)?")
MAX_PORT = 65_535


class Refusal(Exception):
    """A request is rejected before execution, with an HTTP status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: ErrorCode = ErrorCode.BAD_USER_INPUT,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of a request: a document, by text or by the id of a trusted one, and its variables."""

    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: dict[str, Any] | None


async def read_request(request: Request, max_bytes: int, origins: Collection[str] = ()) -> GraphQLRequest:
    """Reads the request. Pages of `origins` may send a GET without a preflight header. Raises `Refusal`."""
    if request.method == "POST":
        require_json(request.headers.get("content-type"))
        require_plain(request.headers.getlist("content-encoding"))
        return request_of(members_of(await body_of(request, max_bytes)))
    if request.headers.get("origin") not in origins:
        require_preflight(request)
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parameters[name] = decoded(parameters[name])
    return request_of(parameters)


def require_json(content_type: str | None) -> None:
    media_type, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    charsets = [
        value.strip('"') for name, _, value in (each.partition("=") for each in parameters) if name == "charset"
    ]
    if media_type != JSON or any(charset != "utf-8" for charset in charsets):
        raise Refusal(415, f"The body must be {JSON}, in UTF-8.")


def require_plain(encodings: list[str]) -> None:
    if any(name.strip().lower() not in ("", "identity") for each in encodings for name in each.split(",")):
        raise Refusal(
            415, "The body must not be compressed: send no Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )


def require_preflight(request: Request) -> None:
    """Raises `Refusal` for a GET that a page of another site could have sent without a preflight.

    Such a page can only set headers that the browser allows without asking. It cannot change the `Sec-Fetch-…` headers.
    """
    headers = request.headers
    if any(name in headers for name in PREFLIGHT_HEADERS):
        return
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in (JSON, GRAPHQL_JSON):
        return
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if mode in ("cors", "same-origin") and site in (None, "same-origin"):
        return
    raise Refusal(
        400,
        (
            "A query by GET needs the header `GraphQL-Require-Preflight: 1`, which blocks requests from pages"
            " of other sites."
        ),
    )


def require_known_origin(connection: HTTPConnection, origins: Collection[str]) -> None:
    """Raises `Refusal` if a page of another site opens the connection, unless it is of `origins`.

    CORS does not protect WebSockets: any page could open one, and read a server that requires no API key.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin in origins:
        return
    scheme, _, host = origin.partition("://")
    if scheme not in ("http", "https") or host.lower() != connection.headers.get("host", "").lower():
        raise Refusal(403, "Pages of this origin may not connect: see BILLING_CORS_ORIGINS.", code=ErrorCode.FORBIDDEN)


def accepts_event_stream(accept: str | None) -> bool:
    """Returns True if an `Accept` header names `text/event-stream`."""
    parts = (part.partition(";") for part in (accept or "").lower().split(","))
    return any(name.strip() == "text/event-stream" for name, _, _ in parts)


def require_known_host(request: HTTPConnection, hosts: Collection[str]) -> None:
    """Raises `Refusal` unless the request addresses the server by an IP address, `localhost` or one of `hosts`.

    Without API keys, a page of another site could point its own domain to this machine and then send requests as if
    from the same origin: https://en.wikipedia.org/wiki/DNS_rebinding
    """
    name = name_in(request.headers.getlist("host"))
    if name is None:
        raise Refusal(400, "The request must have exactly one Host header, with a host name and an optional port.")
    if name == "localhost" or name in hosts or is_address(name):
        return
    raise Refusal(
        403,
        "This server requires no API key, so it does not accept this host name: see BILLING_HOSTS.",
        code=ErrorCode.FORBIDDEN,
    )


def name_in(hosts: list[str]) -> str | None:
    """Returns the name or address in the `Host` headers of a request. None unless there is exactly one valid header."""
    found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None or int(found["port"] or 0) > MAX_PORT:
        return None
    return found["name"].strip("[]").lower().removesuffix(".")


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def body_of(request: Request, max_bytes: int) -> bytes:
    """Returns the body. Raises `Refusal` as soon as it is known to be too large."""
    pieces = []
    received = 0
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > max_bytes:
        raise too_large(max_bytes)
    async for piece in request.stream():
        received += len(piece)
        if received > max_bytes:
            raise too_large(max_bytes)
        pieces.append(piece)
    return b"".join(pieces)


def too_large(max_bytes: int) -> Refusal:
    return Refusal(413, f"A request body may have at most {max_bytes} bytes.", headers={"Connection": "close"})


def members_of(body: bytes) -> dict[str, Any]:
    try:
        document = decoded(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refusal(400, "The request is not UTF-8.") from None
    if not isinstance(document, dict):
        raise Refusal(400, "The request must be one JSON object.")
    return document


def decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "The request is not valid JSON.") from None


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def request_of(members: dict[str, Any]) -> GraphQLRequest:
    """Returns the request with these members. Unknown members are ignored, as the specification requires."""
    if not all(is_storable(text) for text in texts_in(members)):
        raise Refusal(400, UNSTORABLE_TEXT)
    extensions = members.get("extensions")
    for name, type_, kind in (
        ("query", str, "a string"),
        ("documentId", str, "a string"),
        ("operationName", str, "a string"),
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
    ):
        if not isinstance(members.get(name), type_ | None):
            raise Refusal(400, f"`{name}` must be {kind} or null.")
    return GraphQLRequest(
        members.get("query"),
        members.get("documentId") or persisted_hash(extensions),
        members.get("operationName") or None,
        members.get("variables"),
    )


def persisted_hash(extensions: dict[str, Any] | None) -> str | None:
    """Hash sent by Apollo clients: https://github.com/apollographql/apollo-link-persisted-queries#protocol"""
    persisted = (extensions or {}).get("persistedQuery")
    found = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return found if isinstance(found, str) else None


def texts_in(document: object) -> Iterator[str]:
    """Yields all strings of a JSON document, including the names of members."""
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


def wants_html(request: Request) -> bool:
    """Returns True if the client is a browser: only browsers accept `text/html` explicitly."""
    for part in request.headers.get("accept", "").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name == "text/html":
            return quality(parameters) > 0
    return False


def response_media_type(accept: str | None) -> str | None:
    """Returns the supported media type of the highest quality in an `Accept` header, the first among equals.

    Wildcards select `application/json`. None if neither type is accepted.
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
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0
    return 1
