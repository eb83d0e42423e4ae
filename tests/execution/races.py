"""Where several errors make the same position null, and which of them graphql-core tells is decided by turns.

Its order is fixed between two errors that

- come of the same last wait, or of none: they are met depth-first;
- where one comes of a later wait in what the other's last wait gave: the other is met first, and what it makes null
  is null before the wait is over, or else both rise through what that last wait gave, which ends with the first;
- stand in different fields of the root of a mutation: those run one after the other.

Errors of two waits side by side are met as the event loop has it: by how many turns each takes, and a field that is
awaited alone takes fewer than one that is awaited among others. So is one met, or not any more, while an earlier one
rises wait by wait. Only between those may the executors differ, and only so: each error that one alone tells really
occurs, and the other tells one that makes its position null and is in no fixed order with it.

Which errors occur at all, and after which waits, is learned from graphql-core, in a run in which none makes anything
null but its own position.
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
    """What is noted of a run: each wait, by its position, each error, and whether a position is required."""

    errors: list[GraphQLError] = field(default_factory=list)
    background: set[asyncio.Future[Any]] = field(default_factory=set)
    waits: list[Steps] = field(default_factory=list)
    required: dict[Steps, bool] = field(default_factory=dict)


class Unhindered(Executor[Any]):
    """Lets errors make nothing null but their own position, and notes what is awaited."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.error_propagation = False
        notes: Notes = self.context_value.notes
        self.waits, self.required, self.errors = notes.waits, notes.required, notes.errors
        notes.background = self.background_futures

    def handle_field_error(self, raw_error: Any, return_type: Any, field_details_list: Any, path: Path) -> None:
        self.required.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
        # Those in a list that breaks off afterwards occur as well.
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
        # One wait for all of its items: they are met in their order.
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
    """An error that occurs: what becomes null for it, and after which waits it is met."""

    error: GraphQLError
    target: Steps
    waits: tuple[Steps, ...]

    @property
    def path(self) -> Steps:
        return tuple(self.error.path or ())

    def hides(self, other: "Occurrence") -> bool:
        """Whether the other stands in what this one makes null."""
        return other.path[: len(self.target)] == self.target


def is_race(one: Occurrence, other: Occurrence, *, one_by_one: bool) -> bool:
    """Whether two errors are met in no fixed order."""
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
    """All errors that occur. `context` is the context of the run, and has an attribute `notes`."""
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
    """Whether two answers differ in nothing but which errors of a race they tell."""
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
