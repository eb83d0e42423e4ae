"""Runs a query plan breadth-first.

A level is a list of frames. The executor starts all fields of a level, then awaits and completes them one after the
other, which creates the frames of the next level. Regular values are handled as whole columns. Irregular values, such
as errors or nulls in a non-nullable position, take a slow path, one by one.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableValues,
    default_field_resolver,
    is_abstract_type,
)
from graphql.pyutils import is_awaitable

from graph.execution.errors import Failure, ResponseTooLarge, propagate_nulls
from graph.execution.failures import Failures, TooManyFailures
from graph.execution.frames import Frame, Spread
from graph.execution.leaves import NULL, bytes_of
from graph.execution.objects import make_objects
from graph.execution.plan import Field, QueryPlan, QueryPlans, Selection
from graph.execution.tasks import Tasks
from graph.execution.values import (
    attribute_values,
    await_batch,
    checked_type,
    is_async_iterable,
    is_regular,
    may_wait,
    require_iterable,
    require_type,
    resolved_type,
)
from graph.execution.variables import coerced_variables

OBJECTS_IN_A_TURN = 500
"""Number of objects after which an execution yields to other tasks of the event loop, between two fields."""

KEY_BYTES = 4
"""Number of bytes around a member's name in JSON: two quotes, a colon and a comma."""


async def execute(
    schema: GraphQLSchema,
    plans: QueryPlans,
    operation: OperationDefinitionNode,
    *,
    variables: Mapping[str, Any] | None = None,
    root_value: object = None,
    context: object = None,
    hide_suggestions: bool = False,
    max_bytes: int | None = None,
) -> ExecutionResult:
    """Executes an operation of a valid document. `plans` are the plans of that document.

    Resolvers receive an `info` whose path has no list indices, because all objects share it. Raises
    `ResponseTooLarge` as soon as the response certainly exceeds `max_bytes` of JSON. Sizes are lower bounds, so a
    slightly larger response may pass.
    """
    definitions = operation.variable_definitions or ()
    coerced = coerced_variables(schema, definitions, variables or {}, hide_suggestions=hide_suggestions)
    if isinstance(coerced, list):
        return ExecutionResult(None, coerced)
    if schema.get_root_type(operation.operation) is None:
        message = f"Schema is not configured to execute {operation.operation.value} operation."
        return ExecutionResult(None, [GraphQLError(message, operation)])
    try:
        plan = plans.of(operation, coerced)
    except GraphQLError as error:
        return ExecutionResult(None, [error])
    return await Execution(plan, coerced, root_value, context, max_bytes).run()


class Execution:
    """One execution of a query plan."""

    def __init__(
        self, plan: QueryPlan, variables: VariableValues, root_value: object, context: object, max_bytes: int | None
    ) -> None:
        self._plan = plan
        self._variables = variables
        self._root_value = root_value
        self._context = context
        self._failures = Failures()
        self._tasks = Tasks()
        self._objects = 0
        self._max_bytes = max_bytes
        self._bytes = 0

    async def run(self) -> ExecutionResult:
        one_by_one = self._plan.operation.operation is OperationType.MUTATION
        try:
            data = await (self._run_one_by_one() if one_by_one else self._run_from(self._plan.root))
        except TooManyFailures:
            data = None
        finally:
            await self._tasks.end()
        settled, errors = propagate_nulls(data, self._failures.all, one_by_one=one_by_one)
        return ExecutionResult(settled, errors or None)

    async def _run_one_by_one(self) -> dict[str, Any]:
        """Completes each root field before it starts the next one. Stops when an error makes the whole `data` null."""
        data: dict[str, Any] = dict.fromkeys(self._plan.root.keys)
        for selection in self._plan.root_fields:
            data.update(await self._run_from(selection))
            if any(failure.place.nulled() == 0 for failure in self._failures.all):
                break
        return data

    async def _run_from(self, selection: Selection) -> dict[str, Any]:
        """Runs a selection on the root object, and all levels below it."""
        root = Frame(selection, [self._root_value])
        self._fill(root)
        level = [root]
        while level:
            asked = [spread for frame in level for spread in self._ask_all(frame)]
            level = []
            for spread in asked:
                await self._await(spread)
                await self._complete(spread, level)
                # Also lets a deadline that has passed cancel the execution here.
                if self._objects > OBJECTS_IN_A_TURN:
                    self._objects = 0
                    await asyncio.sleep(0)
        return root.results[0]

    # Asking

    def _ask_all(self, frame: Frame) -> list[Spread]:
        """Starts all fields of a frame that are not plain columns, and returns their spreads."""
        asked = [Spread(frame, field, self._ask(frame, field)) for field in frame.selection.edges]
        if frame.waiting:
            asked = [*frame.waiting, *asked]
            # Breaks a reference cycle: these spreads refer to their frame.
            frame.waiting = []
        return asked

    def _ask(self, frame: Frame, field: Field) -> Any:
        """Starts a field for all objects of a frame.

        Returns a list of values, some of which may be awaitable, or a single awaitable for all values.
        """
        if field.value_of is not None:
            return self._tasks.start(attribute_values(frame.sources, field), lists=len(field.nullable) > 1)
        info = self._info(frame, field)
        try:
            arguments = field.arguments(self._variables)
            if field.batch is not None:
                found = field.resolve_many(frame.sources, info, arguments)
                if isinstance(found, Coroutine):
                    self._tasks.batches.append(found)
                return found if isinstance(found, Awaitable) else list(found)
        except Exception as error:
            return [error] * len(frame.sources)
        resolve = field.definition.resolve or default_field_resolver
        values: list[Any] = []
        for source in frame.sources:
            try:
                value = resolve(source, info, **arguments)
            except Exception as error:
                value = error
            values.append(value)
        return self._tasks.start(values, lists=len(field.nullable) > 1)

    def _info(self, frame: Frame, field: Field) -> GraphQLResolveInfo[Any]:
        plan = self._plan
        return GraphQLResolveInfo(
            field.name,
            field.nodes,
            field.definition.type,
            field.parent_type,
            frame.path_of(field),
            plan.schema,
            plan.fragment_nodes,
            self._root_value,
            plan.operation,
            self._variables,
            self._context,
            is_awaitable,
            None,
            self._tasks.helpers,
        )

    # Awaiting

    async def _await(self, spread: Spread) -> None:
        """Awaits the values of a field and flattens its lists.

        Afterwards, the spread's items contain no awaitables and no errors: failed items are None.
        """
        if not isinstance(spread.items, list):
            size = len(spread.frame.sources)
            spread.items = await await_batch(spread.items, size)
            spread.together = True
        await self._await_items(spread)
        for inner in reversed(range(len(spread.field.nullable) - 1)):
            if any(map(is_async_iterable, {*map(type, spread.items)})):
                # These async iterables were results of awaitables, so they could not be collected earlier.
                self._tasks.start(spread.items, lists=True)
                await self._await_items(spread)
            self._listed(spread)
            spread.lay_open()
            self._tasks.start(spread.items, lists=inner > 0)
            await self._await_items(spread)

    async def _await_items(self, spread: Spread) -> None:
        items = spread.items
        kinds = {*map(type, items)}
        if any(may_wait(kind) for kind in kinds):
            for index, item in enumerate(items):
                if is_awaitable(item):
                    spread.waited(index)
                    try:
                        items[index] = await item
                    except Exception as error:
                        items[index] = error
            kinds = {*map(type, items)}
        nullable = spread.field.nullable[len(spread.lists)]
        if not all(map(is_regular, kinds)) or (NULL in kinds and not nullable):
            self._failures.nulled(spread, nullable=nullable)

    def _listed(self, spread: Spread) -> None:
        """Converts iterables to lists. Records an error for a value that is not iterable or whose iteration fails."""
        items = spread.items
        for index, item in enumerate(items):
            if item.__class__ is list or item is None:
                continue
            found: list[Any] = []
            items[index] = found
            try:
                found.extend(require_iterable(item, spread.field))
            except Exception as error:
                # The errors of the items before it come first.
                place = spread.place(index)
                place = replace(place, order=(*place.order, len(found)))
                self._failures.note(Failure(place, error, spread.field.nodes))

    # Completing

    async def _complete(self, spread: Spread, level: list[Frame]) -> None:
        """Completes the values of a field and stores them in the results. Adds frames of new objects to `level`."""
        field = spread.field
        if field.leaf is not None:
            items = self._leaves(spread)
            self._count(field, 0, items)
        elif is_abstract_type(field.named_type) or field.named_type.is_type_of:
            items = await self._typed_objects(spread, level)
        else:
            items = self._objects_of(field.named_type, spread, None, level)
        for result, value in zip(spread.frame.results, spread.fold(items), strict=True):
            result[field.key] = value

    def _leaves(self, spread: Spread) -> list[Any]:
        leaf = spread.field.leaf
        assert leaf is not None
        column = leaf.column(spread.items, nullable=True)
        if column is None:
            column = []
            for index, item in enumerate(spread.items):
                try:
                    column.append(None if item is None else leaf.value(item))
                except Exception as error:
                    self._failures.fail(spread, index, error)
                    column.append(None)
        return column

    async def _typed_objects(self, spread: Spread, level: list[Frame]) -> list[Any]:
        """Completes objects of an abstract type, or of an object type with `is_type_of`."""
        field, items = spread.field, spread.items
        if field.instances.issuperset(map(type, items)):
            return self._objects_of(field.named_type, spread, None, level)
        info = self._info(spread.frame, field)
        abstract = is_abstract_type(field.named_type)
        found: dict[GraphQLObjectType, list[int]] = {}
        for index, item in enumerate(items):
            if item is None:
                continue
            try:
                type_ = field.named_type
                if abstract:
                    name = resolved_type(type_, info, item)
                    if is_awaitable(name):
                        spread.waited(index)
                        name = await name
                    type_ = checked_type(field, info, item, name)
                if type_.is_type_of is not None:
                    fits = type_.is_type_of(item, info)
                    if is_awaitable(fits):
                        spread.waited(index)
                        fits = await fits
                    require_type(fits, type_, field, item)
            except Exception as error:
                self._failures.fail(spread, index, error)
            else:
                found.setdefault(type_, []).append(index)
        completed: list[Any] = [None] * len(items)
        for type_, picked in found.items():
            for index, result in zip(picked, self._objects_of(type_, spread, picked, level), strict=True):
                completed[index] = result
        return completed

    def _objects_of(
        self, type_: GraphQLObjectType, spread: Spread, picked: list[int] | None, level: list[Frame]
    ) -> list[Any]:
        """Builds the results for objects of one type, with their columns filled in.

        Adds a frame to `level` if there are other fields, which the next level resolves.
        """
        items = spread.items
        if picked is None and None in items:
            picked = [index for index, item in enumerate(items) if item is not None]
            completed: list[Any] = [None] * len(items)
            for index, result in zip(picked, self._objects_of(type_, spread, picked, level), strict=True):
                completed[index] = result
            return completed
        sources = items if picked is None else [items[index] for index in picked]
        if not sources:
            return []
        try:
            selection = spread.field.selection(type_)
        except (GraphQLError, RecursionError) as error:
            for index in range(len(items)) if picked is None else picked:
                self._failures.fail(spread, index, error)
            return [None] * len(sources)
        frame = Frame(selection, sources, spread=spread, picked=picked)
        self._fill(frame)
        self._objects += len(sources)
        if selection.edges or frame.waiting:
            level.append(frame)
        return frame.results

    def _fill(self, frame: Frame) -> None:
        """Builds the results of a frame with all columns. The other fields are None until they are completed."""
        selection = frame.selection
        size = len(frame.sources)
        columns: list[Iterable[Any]] = []
        for field in selection.fields:
            column = self._column(frame, field) if field.is_column else ()
            self._count(field, size, column)
            columns.append(column if field.is_column else repeat(None, size))
        frame.results = make_objects(selection.keys)(columns) if columns else [{} for _ in range(size)]

    def _count(self, field: Field, size: int, values: Sequence[Any]) -> None:
        """Adds the size of a field's key for `size` objects, and of its values. Raises `ResponseTooLarge`."""
        if self._max_bytes is not None:
            self._bytes += (len(field.key) + KEY_BYTES) * size + bytes_of(values)
            if self._bytes > self._max_bytes:
                raise ResponseTooLarge(self._max_bytes)

    def _column(self, frame: Frame, field: Field) -> Sequence[Any]:
        """Returns a leaf field of all objects of a frame. If values must be awaited first, returns nulls for now."""
        if field.constant is not None:
            return [field.constant] * len(frame.sources)
        values = attribute_values(frame.sources, field)
        assert field.leaf is not None
        column = field.leaf.column(values, nullable=field.nullable[0])
        if column is not None:
            return column
        spread = Spread(frame, field, values)
        if any(map(may_wait, {*map(type, values)})):
            self._tasks.start(values, lists=False)
            frame.waiting.append(spread)
            return [None] * len(values)
        self._failures.nulled(spread, nullable=field.nullable[0])
        return self._leaves(spread)
