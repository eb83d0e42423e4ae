"""Unusual strings in every place that takes one: they are stored unchanged, found, or rejected, and cause no error."""

from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    build_schema,
    get_named_type,
    is_required_input_field,
)

from graph.schema.root import sdl
from tests.cli.conftest import Served
from tests.support import PATIENCE_SECONDS

TEXTS = (
    *("", " \u200b ", "\u202eabc\u202c", "e\u0301" * 127, "\U0001f600" * 255, "\ufeff", "\U0010ffff", "\x01\x1b\x7f"),
    *("\r\n\u2028", "İ" * 64, "%s{0}$1:x'; --", "\\u0000", "a" * 100_000, "\ufdfa" * 21 + "@example.com"),
)
BESIDE: dict[str, Any] = {
    "currency": "EUR",
    "customerId": "customer",
    "planId": "plan",
    "id": "customer",
    "ttlSeconds": 60,
    "Cents": 100,
    "Int": 1,
    "DateTime": "2040-01-01T00:00:00Z",
    "Boolean": True,
}
"""Values for the other arguments and fields, by name or by type."""

SCHEMA = build_schema(sdl())
assert SCHEMA.query_type is not None
assert SCHEMA.mutation_type is not None
FIELDS = {
    name: (kind, field)
    for kind, root in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type))
    for name, field in root.fields.items()
}
Path = tuple[str, ...]


def texts_in(type_: GraphQLInputType) -> Iterator[Path]:
    """Yields the path from an argument to each string in it."""
    named = get_named_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield from ((name, *path) for path in texts_in(field.type))
    elif named.name in ("String", "ID", "Currency"):
        yield ()


def texts_of(field: GraphQLField) -> Iterator[tuple[str, Path]]:
    """Yields the arguments of a field that contain strings, each with a path to one."""
    for name, argument in field.args.items():
        yield from ((name, path) for path in texts_in(argument.type))


def value(type_: GraphQLInputType, name: str, path: Path | None, text: str, ids: dict[str, str]) -> Any:
    """Returns a value of the type with the text at the path, and with all other required fields."""
    if isinstance(type_, GraphQLNonNull):
        return value(type_.of_type, name, path, text, ids)
    if isinstance(type_, GraphQLList):
        return [value(type_.of_type, name, path, text, ids)]
    if isinstance(type_, GraphQLInputObjectType):
        return {
            each: value(field.type, each, path[1:] if path and path[0] == each else None, text, ids)
            for each, field in type_.fields.items()
            if is_required_input_field(field) or (path and path[0] == each)
        }
    if path == ():
        return text
    named = get_named_type(type_)
    found = BESIDE.get(name, BESIDE.get(named.name))
    if found is None:
        found = next(iter(getattr(named, "values", [f"{uuid4().hex}@example.com" if name == "email" else uuid4().hex])))
    return ids.get(found, found)


@pytest.fixture(scope="module")
def ids(served: Served) -> dict[str, str]:
    """Ids of a customer and a plan."""
    made = served.graphql(
        'mutation { c: createCustomer(input: {name: "Ada", email: "ada@example.com"}) { customer { id } } '
        'p: createPlan(input: {code: "pro", name: "Pro", amountCents: 1, currency: "EUR"}) { plan { id } } }'
    )
    found: Any = made
    return {"customer": found["c"]["customer"]["id"], "plan": found["p"]["plan"]["id"]}


@pytest.mark.parametrize("name", [name for name, (_, field) in FIELDS.items() if any(texts_of(field))])
def test_odd_text_never_fails_the_server(served: Served, ids: dict[str, str], name: str) -> None:
    kind, field = FIELDS[name]
    logged = served.said.stat().st_size
    faults = []
    selection = (
        "{ __typename userErrors { code message field } }"
        if "userErrors" in fields_of(field.type)
        else "{ __typename }"
    )
    declared = ", ".join(f"${each}: {argument.type}" for each, argument in field.args.items())
    passed = ", ".join(f"{each}: ${each}" for each in field.args)
    query = f"{kind} ({declared}) {{ {name}({passed}) {selection} }}"

    with httpx.Client(base_url=served.url, timeout=PATIENCE_SECONDS) as client:
        for (argument, path), text in product(texts_of(field), TEXTS):
            given = {argument: value(field.args[argument].type, argument, path, text, ids)}
            answer = client.post("/graphql", json={"query": query, "variables": given})
            if answer.status_code != 200 or not is_answered(answer.json()):
                faults.append((argument, *path, text[:20], answer.status_code, answer.text[:500]))

    assert faults == []
    assert "Traceback" not in served.said.read_text()[logged:]


def fields_of(type_: Any) -> Any:
    return getattr(get_named_type(type_), "fields", {})


def is_answered(document: Any) -> bool:
    """Returns True if there are no errors other than BAD_USER_INPUT."""
    return all(error["extensions"]["code"] == "BAD_USER_INPUT" for error in document.get("errors", []))
