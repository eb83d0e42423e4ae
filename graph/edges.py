"""Edges of the graph, each declared in one line: the batched read that follows it, and the column that has the key.

The declaration is also kept with the field, under `EDGE`, for an executor that follows it for many rows at once.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import strawberry

from graph.context import Info, RawInfo
from graph.execution import Field, ResolveMany
from graph.loaders import BatchedRead

EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Edge:
    """`read` answers for the value that a row has in column `key`; without a value there is no answer."""

    read: BatchedRead[Any, Any]
    key: str

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({self.key})

    def prepare(self, _field: Field) -> ResolveMany:
        key_of = attrgetter(self.key)

        def resolve_many(sources: Sequence[Any], info: RawInfo, _arguments: object) -> Awaitable[Sequence[Any]]:
            return info.context.loaders.load_all(self.read, list(map(key_of, sources)))

        return resolve_many


def edge(read: BatchedRead[Any, Any], key: str, description: str) -> Any:
    """A field that leads from a row to what `read` finds for its column `key`: a row, null or a list."""
    key_of = attrgetter(key)

    def resolve(self: Any, info: Info) -> Any:
        value = key_of(self)
        return None if value is None else info.context.loaders.of(read).load(value)

    return strawberry.field(resolver=resolve, description=description, metadata={EDGE: Edge(read, key)})
