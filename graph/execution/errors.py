"""Places and order of errors, and propagation of nulls.

graphql-core runs depth-first. When an error makes an object null, it never sees the other errors inside that object.
This executor runs level by level and therefore finds errors in a different order. To report the same errors as
graphql-core, it collects all of them and sorts them at the end: for a mutation by root field first, then by the number
of awaits needed to get there, then depth-first. An error inside a value that an earlier error made null is dropped.

See https://spec.graphql.org/draft/#sec-Handling-Execution-Errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLError, located_error


class ResponseTooLarge(Exception):
    """Raised when a response would exceed `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the response.

    `path` consists of field names and list indices. `order` is the same path with the position of each field in its
    selection instead of its name. `nullable` says for each step whether the value there may be null. `waits` is the
    number of awaits that it took to get there.
    """

    path: tuple[str | int, ...] = ()
    order: tuple[int, ...] = ()
    nullable: tuple[bool, ...] = ()
    waits: int = 0

    def nulled(self) -> int:
        """Returns the number of steps of `path` that lead to the value that an error here makes null.

        0 means that the whole `data` becomes null.
        """
        return next((steps for steps in range(len(self.path), 0, -1) if self.nullable[steps - 1]), 0)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error at a position in the response."""

    place: Place
    cause: Exception
    nodes: Sequence[FieldNode]


def propagate_nulls(
    data: dict[str, Any] | None, failures: Sequence[Failure], *, one_by_one: bool
) -> tuple[dict[str, Any] | None, list[GraphQLError]]:
    """Sets the values that the failures make null, and returns the data with the errors to report.

    `one_by_one` is True if each root field was completed before the next one started, as in a mutation.
    """

    def met(failure: Failure) -> tuple[int, int, tuple[int, ...]]:
        place = failure.place
        return place.order[0] if one_by_one else 0, place.waits, place.order

    errors: list[GraphQLError] = []
    nulled: set[tuple[str | int, ...]] = set()
    for failure in sorted(failures, key=met):
        path = failure.place.path
        target = path[: failure.place.nulled()]
        if any(target[:steps] in nulled for steps in range(len(target) + 1)):
            continue
        nulled.add(target)
        errors.append(located_error(failure.cause, failure.nodes, path))
        if target and data is not None:
            container: Any = data
            for step in target[:-1]:
                container = container[step]
            container[target[-1]] = None
    return (None if () in nulled else data), errors
