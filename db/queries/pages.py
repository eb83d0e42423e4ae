"""Pages of a list by keyset: rows after or before a position in an ordering, so that a new row never shifts a page.

A page inside a list is batched as well: one statement gives the page of every parent.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import eq, ge, lt
from typing import Any, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import TableValuedAlias

from db.models import Base, Customer
from db.queries.arrays import among

Row = TypeVar("Row", bound=Base)
Value: TypeAlias = str | int | bool | datetime | UUID | tuple[str, ...] | None
Operator: TypeAlias = Literal["=", "in", ">=", "<", "is null", "is not null", "settled"]
Position: TypeAlias = tuple[str | int | datetime, UUID | int]
"""Where a row stands in an ordering: the value that it is ordered by, and what tells it from its equals."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a column.

    "settled" is one on the number of the transaction that wrote a row: all transactions that began before it, and it
    itself, have ended. What is settled for one reader is so for each that comes later, and nothing is added to it.
    """

    column: str
    operator: Operator
    value: Value = None

    def on(self, entity: Any) -> ColumnElement[bool]:
        return OPERATORS[self.operator](getattr(entity, self.column), self.value)


OPERATORS: dict[Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": eq,
    "in": among,
    ">=": ge,
    "<": lt,
    "is null": lambda column, _: column.is_(None),
    "is not null": lambda column, _: column.is_not(None),
    "settled": lambda column, _: column < func.pg_snapshot_xmin(func.pg_current_snapshot()),
}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which rows of a list. The first `limit` of them, or the last where `backward`, in the order of `order_by`, and of
    `then_by` among equals: the two together are unique.
    """

    limit: int
    backward: bool = False
    order_by: str = "created_at"
    then_by: str = "id"
    descending: bool = False
    after: Position | None = None
    before: Position | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows, in order, and whether there are more beyond the end that was counted from."""

    rows: list[Row]
    has_more: bool


async def page(session: AsyncSession, model: type[Row], request: PageRequest) -> Page[Row]:
    """A page of all rows of a table."""
    rows = list(await session.scalars(page_statement(model, request)))
    return trimmed(rows, request)


async def pages_by(
    session: AsyncSession, model: type[Row], parent: str, keys: Sequence[UUID], request: PageRequest
) -> list[Page[Row]]:
    """For each key the page of the rows whose column `parent` has it."""
    parents = key_table(keys)
    inner = page_statement(model, request, getattr(model, parent) == parents.c.key).lateral()
    child = aliased(model, inner)
    rows = await session.execute(
        select(parents.c.key, child)
        .select_from(parents.join(inner, true()))
        .order_by(parents.c.position, *ordering(child, request))
    )
    found: defaultdict[UUID, list[Row]] = defaultdict(list)
    for key, row in rows:
        found[key].append(row)
    return [trimmed(found[key], request) for key in keys]


async def count(session: AsyncSession, model: type[Row], conditions: Sequence[Condition]) -> int:
    """How many rows of a table meet the conditions."""
    total = await session.scalar(
        select(func.count()).select_from(model).where(*(condition.on(model) for condition in conditions))
    )
    assert total is not None, "count(*) gives a row"
    return total


async def counts_by(
    session: AsyncSession,
    model: type[Row],
    parent: str,
    keys: Sequence[UUID],
    conditions: Sequence[Condition],
) -> list[int]:
    """For each key the number of rows whose column `parent` has it and that meet the conditions."""
    parents = key_table(keys)
    matching = (
        select(func.count())
        .select_from(model)
        .where(getattr(model, parent) == parents.c.key, *(condition.on(model) for condition in conditions))
        .scalar_subquery()
    )
    return list(await session.scalars(select(matching).select_from(parents).order_by(parents.c.position)))


def key_table(keys: Sequence[UUID]) -> TableValuedAlias:
    """The keys as a table with the columns `key` and `position`."""
    array = bindparam(None, list(keys), type_=ARRAY(UUID_TYPE))
    return func.unnest(array).table_valued("key", with_ordinality="position").render_derived(name="parents")


UUID_TYPE = Customer.id.type


def page_statement(model: type[Row], request: PageRequest, *conditions: ColumnElement[bool]) -> Select[Row]:
    """The rows of the page and one more, which tells whether there are more."""
    return (
        select(model)
        .where(*conditions, *(condition.on(model) for condition in request.conditions), *bounds(model, request))
        .order_by(*ordering(model, request))
        .limit(request.limit + 1)
    )


def ordering(entity: Any, request: PageRequest) -> tuple[ColumnElement[Any], ...]:
    """The order in which rows are read: a page counted from the end is read backwards."""
    columns = (getattr(entity, request.order_by), getattr(entity, request.then_by))
    backwards = request.descending != request.backward
    return tuple(column.desc() if backwards else column.asc() for column in columns)


def bounds(entity: Any, request: PageRequest) -> list[ColumnElement[bool]]:
    found = []
    if request.after is not None:
        found.append(beyond(entity, request, request.after, later=not request.descending))
    if request.before is not None:
        found.append(beyond(entity, request, request.before, later=request.descending))
    return found


def beyond(entity: Any, request: PageRequest, position: Position, *, later: bool) -> ColumnElement[bool]:
    """Whether a row stands later, or earlier, than `position` in ascending order."""
    columns = (getattr(entity, request.order_by), getattr(entity, request.then_by))
    row = tuple_(*columns)
    at = tuple_(*(literal(value, column.type) for value, column in zip(position, columns, strict=True)))
    return row > at if later else row < at


def trimmed(rows: list[Row], request: PageRequest) -> Page[Row]:
    """The page without the row too many, in the order that was asked for."""
    has_more = len(rows) > request.limit
    kept = rows[: request.limit]
    return Page(kept[::-1] if request.backward else kept, has_more)
