"""Fields with a batch resolver: the results are the same as if each object were resolved separately."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema

from graph.execution import BATCH, READS, Field, ResolveMany
from tests.execution.agreement import Told, agreed, by_level, by_object, said, valid

SDL = """
type Query { items(count: Int = 3): [Item] , one: Item }
type Item {
  id: Int!
  label(prefix: String = "x"): String
  required(prefix: String): String!
  next: Item
  nextRequired: Item!
  parts: [Item!]
  rows: [[Int!]]
  plain: String
}
"""
BATCHED = ("label", "required", "next", "nextRequired", "parts", "rows")
One = Callable[..., Any]


@dataclass
class Batch:
    """A batch resolver that applies `resolve` to each object. Records the number of objects in each call."""

    resolve: One
    waits: bool = False
    asked: list[int] = field(default_factory=list)
    prepared: list[list[str]] = field(default_factory=list)

    def prepare(self, field: Field) -> ResolveMany:
        below = field.below()
        self.prepared.append([] if below is None else [key for selection in below for key in selection.keys])
        return self.resolve_many

    def resolve_many(
        self, sources: Sequence[Any], info: GraphQLResolveInfo[Any], arguments: dict[str, Any]
    ) -> Sequence[Any] | Awaitable[Sequence[Any]]:
        self.asked.append(len(sources))
        return self._later(sources, info, arguments) if self.waits else self._now(sources, info, arguments)

    def _now(self, sources: Sequence[Any], info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> list[Any]:
        answers: list[Any] = []
        for source in sources:
            try:
                answers.append(self.resolve(source, info, **arguments))
            except Exception as error:  # noqa: BLE001 - it is the answer for this one
                answers.append(error)
        return answers

    async def _later(self, sources: Sequence[Any], info: Any, arguments: dict[str, Any]) -> list[Any]:
        await asyncio.sleep(0)
        return self._now(sources, info, arguments)


def label(source: Any, _info: object, prefix: str | None = None) -> Any:
    if source.id % 5 == 3:
        raise RuntimeError(f"no label for {source.id}")
    return None if source.id % 5 == 4 else f"{prefix}{source.id}"


def following(source: Any, _info: object) -> Any:
    if source.id % 7 == 3:
        return RuntimeError(f"nothing follows {source.id}")
    return None if source.id > 8 else item(source.id + 1)


def parts(source: Any, _info: object) -> Any:
    return [[item(1), item(2)], [], [item(3), None], None, 5][source.id % 5]


def rows(source: Any, _info: object) -> Any:
    return [[[1], [2, 3]], [[], None], [[None], [1]], None, [["x"], 5]][source.id % 5]


RESOLVERS: dict[str, One] = {
    "label": label,
    "required": label,
    "next": following,
    "nextRequired": following,
    "parts": parts,
    "rows": rows,
}


def item(id: int) -> Any:
    return SimpleNamespace(id=id, plain=f"plain {id}")


def awaited(resolve: One) -> One:
    async def resolve_later(*arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(0)
        return resolve(*arguments, **named)

    return resolve_later


def batched(*, waits: bool, resolvers: dict[str, One] | None = None) -> tuple[GraphQLSchema, dict[str, Batch]]:
    schema = build_schema(SDL)
    type_ = schema.type_map["Item"]
    assert isinstance(type_, GraphQLObjectType)
    batches: dict[str, Batch] = {}
    for name, resolve in (resolvers or RESOLVERS).items():
        definition = type_.fields[name]
        definition.resolve = awaited(resolve) if waits else resolve
        batches[name] = definition.extensions[BATCH] = Batch(resolve, waits)
        definition.extensions[READS] = frozenset({"id"})
    return schema, batches


ROOT = {"items": lambda _info, count: [item(number) for number in range(count)], "one": item(0)}

SELECTIONS = [
    "{ items { id label a: label(prefix: null) b: label(prefix: \"y\") } }",
    "{ items(count: 12) { label required } }",
    "{ items(count: 12) { next { id label next { id label } } plain } }",
    "{ items(count: 5) { nextRequired { id } plain } }",
    "{ items(count: 9) { nextRequired { nextRequired { nextRequired { id } } } } }",
    "{ items(count: 12) { parts { id label parts { id } } rows } }",
    "{ one { next { required label next { required } } } }",
    "{ items(count: 0) { label next { id } } one { label } }",
    "{ items(count: 7) { rows rows next { rows parts { rows } } } }",
    "{ items(count: 3) { required } one { next { nextRequired { nextRequired { nextRequired { id } } } } } }",
]  # fmt: skip


@pytest.mark.parametrize("source", SELECTIONS)
@pytest.mark.parametrize("waits", [False, True])
async def test_a_batch_is_as_if_each_were_resolved_by_itself(source: str, waits: bool) -> None:
    schema, batches = batched(waits=waits)

    await agreed(schema, source, root=ROOT)

    assert any(batch.asked for batch in batches.values())


async def test_a_level_is_asked_once() -> None:
    schema, batches = batched(waits=True)

    await by_level(schema, valid(schema, "{ items(count: 4) { next { next { label } } } }"), root=ROOT)

    # The fourth item has no `next`.
    assert batches["next"].asked == [4, 3]
    assert batches["label"].asked == [2]


async def test_a_batch_knows_what_is_selected_of_it() -> None:
    schema, batches = batched(waits=False)

    await by_level(schema, valid(schema, "{ items { next { id plain other: label } } }"), root=ROOT)

    assert batches["next"].prepared == [["id", "plain", "other"]]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_batch_that_fails_as_a_whole_is_the_error_of_each(waits: bool) -> None:
    class Broken(Batch):
        def _now(self, sources: Sequence[Any], info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> list[Any]:
            raise RuntimeError("broken")

    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("broken")

    schema, _ = batched(waits=waits, resolvers={"label": broken, "nextRequired": broken})
    type_ = schema.type_map["Item"]
    assert isinstance(type_, GraphQLObjectType)
    for name in ("label", "nextRequired"):
        type_.fields[name].extensions[BATCH] = Broken(broken, waits)

    result = await agreed(schema, "{ items(count: 2) { label id } }", root=ROOT)
    await agreed(schema, "{ items(count: 2) { id nextRequired { id } } one { nextRequired { id } } }", root=ROOT)

    assert result.data == {"items": [{"label": None, "id": 0}, {"label": None, "id": 1}]}
    assert said(result) == [("broken", ["items", 0, "label"]), ("broken", ["items", 1, "label"])]


async def test_an_argument_that_does_not_fit_is_the_error_of_each() -> None:
    schema = build_schema("type Query { items: [Item] }\ntype Item { id: Int, label(prefix: String!): String }")
    type_ = schema.type_map["Item"]
    assert isinstance(type_, GraphQLObjectType)
    type_.fields["label"].resolve = label
    type_.fields["label"].extensions[BATCH] = batch = Batch(label)
    source = 'query ($prefix: String = "a") { items { label(prefix: $prefix) } }'
    document = valid(schema, source)
    root = {"items": [item(0), item(1)]}

    for variables in ({}, {"prefix": None}, {"prefix": "b"}):
        theirs = await by_object(schema, document, root=root, variables=variables)
        ours = await by_level(schema, document, root=root, variables=variables)

        assert Told.of(ours) == Told.of(theirs)
    assert batch.asked == [2, 2]
