"""Decides whether two executors may report different errors because of a race.

If several errors null the same position, timing decides which of them graphql-core reports. Two errors have a fixed
order if

- they follow the same last wait, or no wait at all: they are found depth-first;
- one follows a later wait within the result of the other's last wait: the other is found first. Either it nulls its
  position before the wait is over, or both propagate through the result of that last wait, which ends with the first;
- they are in different root fields of a mutation, which run one after the other.

Errors of two concurrent waits are found in the order of the event loop. It depends on the number of iterations each
takes: a field that is awaited alone takes fewer than one awaited with others. This also decides if an error is still
found while an earlier one propagates from wait to wait. The executors may differ only between such errors, and only as
follows: each error reported by just one of them really occurs, and the other reports one that nulls its position and
has no fixed order relative to it.

To find all errors and the waits they follow, graphql-core executes the operation with each error nulling only its own
position.
"""

import asyncio
from dataclasses import dataclass, field
from inspect import iscoroutine
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, is_non_null_type
from graphql import execute as execute_by_object
from graphql.error import located_error
from graphql.execution import Executor
from graphql.pyutils import Path

from tests.execution.agreement import told_data, told_error

Steps = tuple[str | int, ...]


@dataclass(slots=True)
class Notes:
    """Record of a run: the position of each wait, each error, and if a position is required."""

    errors: list[GraphQLError] = field(default_factory=list)
    background: set[asyncio.Future[Any]] = field(default_factory=set)
    waits: list[Steps] = field(default_factory=list)
    required: dict[Steps, bool] = field(default_factory=dict)


class Unhindered(Executor[Any]):
    """Executor in which an error nulls only its own position, and which records what is awaited."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.error_propagation = False
        notes: Notes = self.context_value.notes
        self.waits, self.required, self.errors = notes.waits, notes.required, notes.errors
        notes.background = self.background_futures

    def handle_field_error(self, raw_error: Any, return_type: Any, field_details_list: Any, path: Path) -> None:
        self.required.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
        # Errors in a list that is interrupted later count as well.
        self.errors.append(located_error(raw_error, [each.node for each in field_details_list], path.as_list()))

    def complete_value(self, return_type: Any, details: Any, info: Any, path: Path, *more: Any) -> Any:
        self.required.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
        return super().complete_value(return_type, details, info, path, *more)

    async def complete_awaitable_value(self, return_type: Any, details: Any, info: Any, path: Path, *more: Any) -> Any:
        self.waits.append(tuple(path.as_list()))
        return await super().complete_awaitable_value(return_type, details, info, path, *more)

    async def complete_awaitable_list_item_value(
        self, item: Any, item_type: Any, details: Any, info: Any, item_path: Path, *more: Any
    ) -> Any:
        self.waits.append(tuple(item_path.as_list()))
        return await super().complete_awaitable_list_item_value(item, item_type, details, info, item_path, *more)

    async def complete_async_iterator_value(
        self, item_type: Any, details: Any, info: Any, path: Path, *more: Any
    ) -> list[Any]:
        # All items share one wait, so their errors are found in order.
        self.waits.append(tuple(path.as_list()))
        return await super().complete_async_iterator_value(item_type, details, info, path, *more)

    def complete_abstract_value(
        self, type_: Any, details: Any, info: Any, path: Path, result: Any, position_context: Any
    ) -> Any:
        name = (type_.resolve_type or self.type_resolver)(result, info, type_)
        if not self.is_awaitable(name):
            found = self.ensure_valid_runtime_type(name, type_, details, info, result)
            return self.complete_object_value(found, details, info, path, result, position_context)
        self.waits.append(tuple(path.as_list()))

        async def completed() -> Any:
            found = self.ensure_valid_runtime_type(await name, type_, details, info, result)
            value = self.complete_object_value(found, details, info, path, result, position_context)
            return await value if self.is_awaitable(value) else value

        return completed()

    def complete_object_value(self, type_: Any, details: Any, info: Any, path: Path, result: Any, *more: Any) -> Any:
        fits = type_.is_type_of and type_.is_type_of(result, info)
        if self.is_awaitable(fits):
            self.waits.append(tuple(path.as_list()))
            if iscoroutine(fits):
                fits.close()
        return super().complete_object_value(type_, details, info, path, result, *more)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An error that occurs, with the position it nulls and the waits it follows."""

    error: GraphQLError
    target: Steps
    waits: tuple[Steps, ...]

    @property
    def path(self) -> Steps:
        return tuple(self.error.path or ())

    def hides(self, other: "Occurrence") -> bool:
        """Returns True if the other error is inside the position that this one nulls."""
        return other.path[: len(self.target)] == self.target


def is_race(one: Occurrence, other: Occurrence, *, one_by_one: bool) -> bool:
    """Returns True if two errors have no fixed order."""
    if one.waits == other.waits or (one_by_one and one.path[0] != other.path[0]):
        return False
    earlier, later = sorted((one, other), key=lambda each: len(each.waits))
    if later.waits[: len(earlier.waits)] != earlier.waits:
        return True
    if not earlier.waits:
        return False
    last = len(earlier.waits[-1])
    return len(earlier.target) < last <= len(later.target)


async def occurrences(schema: GraphQLSchema, document: DocumentNode, context: Any, **options: Any) -> list[Occurrence]:
    """Returns all errors that occur. Sets the attribute `notes` of `context`, the context of the run."""
    notes = context.notes = Notes()
    result: Any = execute_by_object(schema, document, context_value=context, executor_class=Unhindered, **options)
    if not isinstance(result, ExecutionResult):
        await result
    while notes.background:
        await asyncio.wait([*notes.background])
    found: list[Occurrence] = []
    for error in notes.errors:
        path = tuple(error.path or ())
        target = next((path[:size] for size in range(len(path), 0, -1) if not notes.required[path[:size]]), ())
        waits = sorted((wait for wait in notes.waits if path[: len(wait)] == wait), key=len)
        found.append(Occurrence(error, target, tuple(waits)))
    return found


def excused(ours: ExecutionResult, theirs: ExecutionResult, occurring: list[Occurrence], *, one_by_one: bool) -> bool:
    """Returns True if two results differ only in the errors they report of a race."""
    by_text = {told_error(each.error): each for each in occurring}
    sides = [{*map(told_error, result.errors or ())} for result in (ours, theirs)]
    if told_data(ours.data) != told_data(theirs.data) or not sides[0] | sides[1] <= by_text.keys():
        return False
    return all(
        any(
            by_text[hiding].hides(by_text[told]) and is_race(by_text[hiding], by_text[told], one_by_one=one_by_one)
            for hiding in other
        )
        for side, other in (sides, reversed(sides))
        for told in side - other
    )
