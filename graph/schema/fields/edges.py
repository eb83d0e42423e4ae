"""Edges of the graph. Each one is declared in one line: a batched read and the column that contains its key.

The declaration is also stored in the field's metadata, under `EDGE`, for the executor that follows an edge for many
rows at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, cast

import strawberry

from db.access.rows import JoinedRow, Row, column_names, joined_row_class
from db.models import Base
from db.queries.columns import referred_model
from db.queries.lookups import Lookup, OneBy
from graph.execution import Field, ResolveMany, Selection
from graph.schema.fields.context import Context, Info, RawInfo
from graph.schema.fields.loaders import BatchedRead
from graph.schema.fields.scalars import NO_ID, parse_id

EDGE = "edge"


@dataclass(frozen=True, slots=True)
class RowEdge:
    """An edge from a row to the result of `read` for the row's column `key`. Null if the column is null."""

    read: BatchedRead[Any, Any]
    key: str

    def __str__(self) -> str:
        return f"{self.read} of its {self.key}"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({self.key})

    def prepare(self, field: Field) -> ResolveMany:
        key_of, read = attrgetter(self.key), narrowed(self.read, field.below())
        # If the columns that this field needs are unknown, the columns that were joined for another field over the same
        # edge may not be enough. The loader reads the row then.
        known = self.referred is not None and own_columns_read(self.referred.model, field.below()) is not None
        referred, its_id = self.referred if known else None, f"{self.key}.id"
        gives_lists = len(field.nullable) > 1

        def resolve_many(
            sources: Sequence[Any], info: RawInfo, _arguments: object
        ) -> Sequence[Any] | Awaitable[Sequence[Any]]:
            # All rows of a field were read by one statement, so the first row shows whether it has the joined columns.
            if referred is not None and isinstance(sources[0], Row) and its_id in sources[0]:
                return [None if row[its_id] is None else referred(row) for row in sources]
            found = info.context.loaders.load_all(read, list(map(key_of, sources)))
            return counting_lists(found, info.context) if gives_lists else found

        return resolve_many

    @property
    def referred(self) -> type[JoinedRow] | None:
        """Class of the target rows if they can be read with a join, together with the source rows. Else None."""
        read: object = self.read
        if isinstance(read, OneBy) and read.key == "id" and self.key != "id" and "." not in self.key:
            return joined_row_class(read.model, self.key)
        return None

    def columns_from(self, model: type[Base], field: Field) -> frozenset[str]:
        """Returns the columns of the target row to read together with a row of `model`. Empty if there is no join."""
        if self.referred is None or referred_model(model, self.key) is not self.referred.model:
            return frozenset()
        columns = own_columns_read(self.referred.model, field.below())
        return frozenset() if columns is None else frozenset(f"{self.key}.{name}" for name in {*columns, "id"})


async def counting_lists(answers: Awaitable[list[Any]], context: Context) -> list[Any]:
    """Awaits the results and charges the rows of lists to the row budget. Raises `RowBudgetExceeded`."""
    found = await answers
    context.rows.give(sum(len(answer) for answer in found if isinstance(answer, list)))
    return found


@dataclass(frozen=True, slots=True)
class RootLookup:
    """A root field that looks up one object: `key_of` converts the argument to the key for `read`.

    `key_of` returns None if no object can have this key.
    """

    read: BatchedRead[Any, Any]
    key_of: Callable[[str], str | None]
    reads: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.read} of the argument"

    def prepare(self, field: Field) -> ResolveMany:
        read = narrowed(self.read, field.below())

        def resolve_many(_sources: object, info: RawInfo, arguments: dict[str, Any]) -> Awaitable[Sequence[Any]]:
            return info.context.loaders.load_all(read, [self.key_of(arguments["key"])])

        return resolve_many


def narrowed(read: BatchedRead[Any, Any], selections: Sequence[Selection] | None) -> BatchedRead[Any, Any]:
    """Restricts a `Lookup` to the columns that the selections need. Returns other reads unchanged."""
    known: object = read
    if not isinstance(known, Lookup):
        return read
    return cast("BatchedRead[Any, Any]", known.only(columns_read(known.model, selections)))


def columns_read(model: type[Base], selections: Sequence[Selection] | None) -> frozenset[str] | None:
    """Returns the columns that the selections read, including the joined columns of rows that they refer to.

    Returns None if any column may be read.
    """
    columns = own_columns_read(model, selections)
    if columns is None:
        return None
    edges = ((field.batch, field) for selection in selections or () for field in selection.fields)
    return columns.union(*(edge.columns_from(model, field) for edge, field in edges if isinstance(edge, RowEdge)))


def own_columns_read(model: type[Base], selections: Sequence[Selection] | None) -> frozenset[str] | None:
    """Returns the columns of the table itself that the selections read, or None if any column may be read."""
    if selections is None:
        return None
    columns: set[str] = set()
    for selection in selections:
        if selection.reads is None:
            return None
        columns |= selection.reads
    assert columns <= column_names(model), (model, columns)
    return frozenset(columns)


def edge(read: BatchedRead[Any, Any], key: str, description: str, *, deprecation_reason: str | None = None) -> Any:
    """Declares a field that returns what `read` finds for the row's column `key`: a row, null or a list."""
    key_of = attrgetter(key)

    async def resolve(self: Any, info: Info) -> Any:
        [found] = await counting_lists(info.context.loaders.load_all(read, [key_of(self)]), info.context)
        if isinstance(found, Exception):
            raise found
        return found

    return strawberry.field(
        resolver=resolve,
        description=description,
        deprecation_reason=deprecation_reason,
        metadata={EDGE: RowEdge(read, key)},
    )


def key_of_id(id: str) -> str | None:
    """Returns the key for an id, or None if it is not a UUID."""
    key = parse_id(id)
    return None if key == NO_ID else str(key)


def lookup(
    read: BatchedRead[Any, Any],
    description: str,
    *,
    argument: str = "id",
    argument_description: str = "The object's id.",
    argument_type: Any = strawberry.ID,
    key_of: Callable[[str], str | None] = key_of_id,
    deprecation_reason: str | None = None,
) -> Any:
    """Declares a root field that returns the object that `read` finds for its argument."""

    async def resolve(info: Info, key: Any) -> Any:
        found = key_of(key)
        return None if found is None else await info.context.loaders.of(read).load(found)

    described = strawberry.argument(name=argument, description=argument_description)
    resolve.__annotations__["key"] = Annotated[argument_type, described]
    return strawberry.field(
        resolver=resolve,
        description=description,
        deprecation_reason=deprecation_reason,
        metadata={EDGE: RootLookup(read, key_of)},
    )
