"""JSON responses of the HTTP endpoints."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from graph.observability.exchange import current
from graph.server.errors import error_document
from graph.server.requests import Refusal


def refusal_response(refusal: Refusal, media_type: str) -> Response:
    """Returns the response to a request that is rejected before it is handled as GraphQL."""
    document = {"errors": [error_document(refusal.message, refusal.code)]}
    return json_response(document, refusal.status, media_type, refusal.headers)


def json_response(
    document: Mapping[str, Any],
    status: int,
    media_type: str,
    headers: Mapping[str, str] = {},
    *,
    body: bytes | None = None,
) -> Response:
    if "errors" in document:
        current().codes.extend(error["extensions"]["code"] for error in document["errors"])
    return Response(
        orjson.dumps(document) if body is None else body,
        status,
        {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store", **headers},
    )
