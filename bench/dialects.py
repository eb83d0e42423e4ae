"""Translates operations into the requests of each server, and responses into a comparable form."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from bench.operations import Operation, Variables


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: Mapping[str, Any] | None = None


class Dialect(Protocol):
    def request(self, operation: Operation, variables: Variables) -> Request: ...

    def answer(self, operation: Operation, document: Any) -> Any:
        """Returns the data of the operation from the body of the response."""


@dataclass(frozen=True, slots=True)
class GraphQL:
    """GraphQL with the operation's own document, unless `documents` has an equivalent one."""

    documents: Mapping[str, str] = field(default_factory=dict)

    def request(self, operation: Operation, variables: Variables) -> Request:
        document = self.documents.get(operation.name, operation.document)
        return Request("POST", "/graphql", {"query": document, "variables": variables})

    def answer(self, operation: Operation, document: Any) -> Any:
        if "errors" in document:
            raise ValueError(f"{operation.name}: {document['errors']}")
        return document["data"]


class Floor:
    """One path for each operation, with the variables as the body."""

    def request(self, operation: Operation, variables: Variables) -> Request:
        return Request("POST", f"/{operation.name}", variables)

    def answer(self, operation: Operation, document: Any) -> Any:
        return document["data"]


class Rest:
    """One resource for each operation. `RESOURCES` has its path and the name under which its response is compared."""

    def request(self, operation: Operation, variables: Variables) -> Request:
        path, _ = RESOURCES[operation.name]
        if operation.writes:
            return Request("POST", path, {"customerId": variables["customer"], "planId": variables["plan"]})
        if "id" in variables:
            return Request("GET", f"{path}/{variables['id']}")
        return Request("GET", f"{path}?{urlencode(variables)}")

    def answer(self, operation: Operation, document: Any) -> Any:
        if operation.writes:
            return {"createSubscription": {**document, "userErrors": []}}
        return {RESOURCES[operation.name][1]: document}


RESOURCES = {
    "nested": ("/customers", "customers"),
    "one": ("/customers", "customer"),
    "flat": ("/invoices", "invoices"),
    "page": ("/invoices/page", "invoices"),
    "deep": ("/customers/deep", "customers"),
    "subscribe": ("/subscriptions", ""),
}

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
WORDS = {"status", "interval", "method"}


def plain(value: Any, name: str = "") -> Any:
    """Returns a response in the form in which responses are compared.

    Replaces an object that has only `nodes` or only `payment` by that value.
    """
    match value:
        case {"nodes": inner} | {"payment": inner} if len(value) == 1:
            return plain(inner)
        case dict():
            return {key: plain(part, key) for key, part in value.items()}
        case list():
            return [plain(part) for part in value]
        case str():
            return plain_text(value, name)
    return value


def plain_text(text: str, name: str) -> str | int:
    """Normalizes text: hides cursors, converts amounts to numbers, enums to upper case, instants to UTC and seconds."""
    if name.lower().endswith("cursor"):
        return "a cursor"
    if name.endswith("Cents") or name == "totalCount":
        return int(text)
    if name in WORDS:
        return text.upper()
    if INSTANT.fullmatch(text):
        return f"{datetime.fromisoformat(text).astimezone(UTC):%FT%TZ}"
    return text


def forgetting(value: Any, since: datetime | None = None) -> Any:
    """Returns the response to a write without the parts that differ between runs: ids and the prefixes of numbers.
    Instants become seconds since the start of the invoice's period.
    """
    if since is None:
        since = datetime.fromisoformat(value["createSubscription"]["invoice"]["periodStart"])
    match value:
        case dict():
            return {
                key: "" if key == "id" else part.partition("-")[2] if key == "number" else forgetting(part, since)
                for key, part in value.items()
            }
        case list():
            return [forgetting(part, since) for part in value]
        case str() if INSTANT.fullmatch(value):
            return (datetime.fromisoformat(value) - since).total_seconds()
    return value


def wire(request: Request, port: int, headers: Mapping[str, str]) -> str:
    """Returns the request as HTTP/1.1 text."""
    body = "" if request.body is None else json.dumps(request.body, separators=(",", ":"))
    lines = {
        "Host": f"127.0.0.1:{port}",
        "Accept": "application/json",
        **headers,
        **({} if request.body is None else {"Content-Type": "application/json", "Content-Length": str(len(body))}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n{body}"
