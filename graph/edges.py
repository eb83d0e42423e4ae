"""Edges of the graph, each declared in one line: the batched read that follows it, and the column that has the key.

The declaration is also kept with the field, under `EDGE`, for who wants to follow an edge without calling a resolver.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import strawberry

from graph.context import Info
from graph.loaders import BatchedRead

EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Edge:
    """`read` answers for the value that a row has in column `key`; without a value there is no answer."""

    read: BatchedRead[Any, Any]
    key: str


def edge(read: BatchedRead[Any, Any], key: str, description: str) -> Any:
    """A field that leads from a row to what `read` finds for its column `key`: a row, null or a list."""
    key_of = attrgetter(key)

    def resolve(self: Any, info: Info) -> Any:
        value = key_of(self)
        return None if value is None else info.context.loaders.of(read).load(value)

    return strawberry.field(resolver=resolve, description=description, metadata={EDGE: Edge(read, key)})
