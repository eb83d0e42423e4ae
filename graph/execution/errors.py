"""Errors: where each stands, in which order they count, and what becomes null for them.

An executor that goes depth-first stops where an error makes an object null, and never sees those that it would have met
there. One that goes by levels meets errors in another order. So they are collected first, and settled at the end in the
order in which the other would have met them: by the number of waits that it takes to get there, then depth-first; those
of a mutation by its field of the root before all. One that stands in what an earlier one has made null does not count.

See https://spec.graphql.org/draft/#sec-Handling-Execution-Errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLError, located_error


class AnswerTooLarge(Exception):
    """An answer would have more bytes than it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the answer.

    `path` leads there by names and indices; `order` is the same with a field's position among those of its object for
    its name; `nullable` says of each step whether null may stand there. It took `waits` waits to get there.
    """

    path: tuple[str | int, ...] = ()
    order: tuple[int, ...] = ()
    nullable: tuple[bool, ...] = ()
    waits: int = 0

    def nulled(self) -> int:
        """How many steps lead to what becomes null when an error stands here; 0 for the whole answer."""
        return next((steps for steps in range(len(self.path), 0, -1) if self.nullable[steps - 1]), 0)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error at a place."""

    place: Place
    cause: Exception
    nodes: Sequence[FieldNode]


def settle(
    data: dict[str, Any] | None, failures: Sequence[Failure], *, one_by_one: bool
) -> tuple[dict[str, Any] | None, list[GraphQLError]]:
    """Writes null where the failures say, and gives the answer with the errors that count.

    `one_by_one` says that each field of the root was run to its end before the next.
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
