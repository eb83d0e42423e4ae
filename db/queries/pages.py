"""Keyset pagination: pages contain the rows after or before a position in an ordering, so new rows never shift pages.

Pages of nested lists are batched: one statement reads the page of every parent.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import accumulate, pairwise, product
from math import prod
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from db.access.reads import Reads, RowQuery
from db.access.statements import cached
from db.models import Base
from db.models.base import table_of
from db.queries.columns import Columns, own, selected, with_referred
from db.queries.conditions import (
    SEARCHES,
    WITHOUT_VALUE,
    Condition,
    Conditions,
    condition_values,
    conditions_on,
    operators_of,
)
from db.queries.served import MAX_SORTED_ROWS, Few, Split, choose_range_index, choose_split

Counted: TypeAlias = tuple[tuple[str, int], ...]
"""Columns of a `Split`, with the number of values of each."""

SPLIT, FEW, ALSO = "split", "few", "also"
"""Prefixes of parameter names for the values of `PageRequest.split` and of the two parts of `PageRequest.few`."""

Position: TypeAlias = tuple[str | int | datetime, UUID | int]
"""The position of a row in an ordering: the value that it is ordered by, and a tiebreaker."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for the first `limit` rows of a list or, if `backward`, the last ones.

    The list is ordered by `order_by` and then `then_by`, which must be unique together.
    """

    limit: int
    backward: bool = False
    order_by: str = "created_at"
    then_by: str = "id"
    descending: bool = False
    after: Position | None = None
    before: Position | None = None
    conditions: tuple[Condition, ...] = ()
    split: Split = ()
    """Columns with a few possible values, each of which is read separately from an index: see `db.queries.served`."""
    few: Few | None = None

    @property
    def shape(self) -> "PageShape":
        """The part of the request that determines the SQL text."""
        return PageShape(
            self.backward,
            self.order_by,
            self.then_by,
            self.descending,
            self.after is not None,
            self.before is not None,
            operators_of(self.conditions),
            split_shape(self.split),
            None
            if self.few is None
            else (self.few.column, split_shape(self.few.split), tuple(name for name, _ in self.few.also)),
        )

    def values(self) -> dict[str, Any]:
        """Returns the values of the parameters."""
        values: dict[str, Any] = {
            # One additional row, which shows if there are more.
            "limit": self.limit + 1,
            **condition_values(self.conditions),
            **split_parameters(SPLIT, self.split),
        }
        if self.few is not None:
            values |= split_parameters(FEW, self.few.split)
            values |= {f"{ALSO}_{name}": allowed for name, allowed in self.few.also}
        for name, position in (("after", self.after), ("before", self.before)):
            if position is not None:
                values[f"{name}_value"], values[f"{name}_tie"] = position
        return values


class PageShape(NamedTuple):
    """A `PageRequest` without its values: the key for the cache of statements."""

    backward: bool
    order_by: str
    then_by: str
    descending: bool
    after: bool
    before: bool
    conditions: Conditions
    split: Counted
    few: tuple[str, Counted, tuple[str, ...]] | None

    @property
    def has_values(self) -> bool:
        """True if conditions contain values, on which the best query plan may depend."""
        return bool(self.split) or any(operator not in WITHOUT_VALUE for _, operator in self.conditions)


class Page(NamedTuple):
    """The rows of a page, in order. `has_more` is True if there are more rows in the direction of paging."""

    rows: Sequence[Any]
    has_more: bool


async def page(reads: Reads, model: type[Base], request: PageRequest, columns: Columns) -> Page:
    """Returns a page of a table."""
    request = by_index(model, request)
    rows = await reads.rows(page_query(model, request.shape, columns), **request.values())
    return trimmed(rows, request)


async def pages_by(
    reads: Reads, model: type[Base], parent: str, keys: Sequence[object], request: PageRequest, columns: Columns
) -> list[Page]:
    """Returns, for each key, a page of the rows with this key in column `parent`."""
    request = by_index(model, request, parent)
    rows = await reads.rows(pages_query(model, parent, request.shape, columns), keys=keys, **request.values())
    # Rows are ordered by key.
    sizes = Counter(map(itemgetter(PARENT), rows))
    ends = list(accumulate(sizes[position] for position in range(1, len(keys) + 1)))
    return [trimmed(rows[start:end], request) for start, end in pairwise((0, *ends))]


PARENT = "_parent"
"""Name of the additional column that identifies the key of a row: in pages, the position of the key, from 1."""


def by_index(model: type[Base], request: PageRequest, parent: str | None = None) -> PageRequest:
    """Returns the request, rewritten so that an index serves it, if there is one: see `db.queries.served`."""
    order = request.order_by, request.then_by
    given = {each.column: each.allowed for each in request.conditions if each.operator in ("=", "in")}
    spans = {each.column for each in request.conditions if each.operator in (">=", "<")}
    in_real_time = Condition("test_clock_id", "is null") in request.conditions
    held_by_few = ("test_clock_id", *given, *spans)
    others = [each for each in request.conditions if each.column not in held_by_few and each.operator != "settled"]
    split = choose_split(model, order, given, parent=parent, in_real_time=in_real_time)
    few = None
    if not others:
        few = choose_range_index(model, order, given, spans, parent=parent, in_real_time=in_real_time)
    held = {column for column, _ in split if column in given}
    rest = tuple(each for each in request.conditions if each.column not in held)
    return replace(request, conditions=rest, split=split, few=few)


@cached
def page_query(model: type[Base], shape: PageShape, columns: Columns) -> RowQuery:
    statement = page_statement(model, shape, columns)
    merged = shape.few is not None or branches_of(shape.split) != 1
    column = statement.selected_columns.__getitem__ if merged else partial(getattr, model)
    return RowQuery(with_referred(statement, model, columns, column), model, for_values=shape.has_values)


@cached
def pages_query(model: type[Base], parent: str, shape: PageShape, columns: Columns) -> RowQuery:
    parents = key_table(getattr(model, parent).type)
    order_by = {shape.order_by, shape.then_by}
    inner = None if columns is None else own(columns) | order_by
    child = page_statement(model, shape, inner, parent).lateral("page")
    order = ordering(child.c[shape.order_by], child.c[shape.then_by], shape)
    given = [column for column in child.c if columns is None or column.key in (own(columns) or {"id"})]
    statement = (
        select(parents.c.position.label(PARENT), *given)
        .select_from(parents.join(child, true()))
        .order_by(parents.c.position, *order)
    )
    return RowQuery(with_referred(statement, model, columns, child.c.__getitem__), model, for_values=shape.has_values)


def is_on_parent(model: type[Base], parent: str) -> ColumnElement[bool]:
    """Returns the condition for the rows of the current parent, in a lateral subquery."""
    return is_parent_key(getattr(model, parent))


def is_parent_key(column: ColumnElement[Any]) -> ColumnElement[bool]:
    # A literal: inside a union, SQLAlchemy would add the table of parents to FROM, and each page would have the rows of
    # all parents.
    return column == literal_column("parents.key", column.type)


def key_table(type_: TypeEngine[Any]) -> TableValuedAlias:
    """Returns the keys as a table with the columns `key` and `position` (from 1)."""
    keys = bindparam("keys", type_=ARRAY(type_))
    return func.unnest(keys).table_valued("key", with_ordinality="position").render_derived(name="parents")


def page_statement(model: type[Base], shape: PageShape, columns: Columns, parent: str | None = None) -> Select[Any]:
    """Selects the rows of a page, of the current parent if `parent` is given.

    With `shape.few`, the statement has two branches: if at most `MAX_SORTED_ROWS` rows are in the time range, it sorts
    them; otherwise it reads the list in its order until the page is full.
    """
    conditions = () if parent is None else (is_on_parent(model, parent),)
    if shape.few is None and branches_of(shape.split) == 1:
        [statement] = pages_of_values(model, shape, columns, *conditions)
        return statement
    read = None if columns is None else own(columns) | {shape.order_by, shape.then_by}
    if shape.few is None:
        return merged(pages_of_values(model, shape, read, *conditions), shape)
    span, split, also = shape.few
    read_also = {*also} if parent is None else {*also, parent}
    few = few_rows(model, shape, span, split, sorted(read_also)).cte("few")
    found = select(func.count()).select_from(few).scalar_subquery()
    order = shape.order_by, shape.then_by
    # The lookup by these columns uses the primary key.
    keys = [name for name in order if table_of(model).c[name].primary_key]
    theirs = [few.c[name] == any_(bindparam(f"{ALSO}_{name}", type_=ARRAY(few.c[name].type))) for name in also]
    if parent is not None:
        theirs.append(is_parent_key(few.c[parent]))
    positions = select(*(few.c[name] for name in keys)).where(*theirs)
    wanted = rows_in_order(positions, (few.c[order[0]], few.c[order[1]]), shape)
    them = tuple_(*(getattr(model, name) for name in keys)).in_(wanted)
    return merged(
        [
            select(*selected(model, read)).where(them, found <= MAX_SORTED_ROWS),
            *pages_of_values(model, shape, read, *conditions, found > MAX_SORTED_ROWS),
        ],
        shape,
    )


def rows_in_order(
    statement: Select[Any], order: tuple[ColumnElement[Any], ColumnElement[Any]], shape: PageShape
) -> Select[Any]:
    """Returns the statement, limited to the first rows between the positions `after` and `before`."""
    limit = bindparam("limit", type_=Integer())
    return statement.where(*bounds(order, shape)).order_by(*ordering(*order, shape)).limit(limit)


def merged(pages: Sequence[Select[Any]], shape: PageShape) -> Select[Any]:
    """Returns a statement that merges pages and limits the result to the length of one page."""
    rows = union_all(*pages).subquery("pages").c
    order = ordering(rows[shape.order_by], rows[shape.then_by], shape)
    return select(*rows).order_by(*order).limit(bindparam("limit", type_=Integer()))


def pages_of_values(
    model: type[Base], shape: PageShape, columns: Columns, *conditions: ColumnElement[bool]
) -> list[Select[Any]]:
    """Returns a page for each combination of the values of the split columns. Without a split, one page."""
    value, tie = getattr(model, shape.order_by), getattr(model, shape.then_by)
    if any(operator in SEARCHES for _, operator in shape.conditions) and isinstance(value.type, Text):
        # No index has this expression. With one, PostgreSQL might read the list in this order until the page is full,
        # although the texts that are searched for can all be at its end.
        value = value + literal_column("''")
    order = value, tie
    statement = select(*selected(model, columns)).where(*conditions, *conditions_on(model, shape.conditions))
    page = rows_in_order(statement, order, shape)
    return [page.where(*values) for values in value_conditions(model, SPLIT, shape.split)]


def few_rows(
    model: type[Base], shape: PageShape, span: str, split: Counted, others: Sequence[str]
) -> Select[Any] | CompoundSelect[Any]:
    """Selects the positions of the rows in a time range, up to `MAX_SORTED_ROWS` + 1, together with the columns
    `others`.

    More than `MAX_SORTED_ROWS` positions mean that there are too many rows to sort.
    """
    most = MAX_SORTED_ROWS + 1
    names = shape.order_by, shape.then_by, *others
    # Conditions on the order column are "settled": `by_index` allows no others.
    conditions = conditions_on(model, shape.conditions, {span, "test_clock_id", shape.order_by})
    rows = select(*(getattr(model, name).label(name) for name in names)).where(*conditions).limit(most)
    found = [rows.where(*values) for values in value_conditions(model, FEW, split)]
    return found[0] if len(found) == 1 else union_all(*found).limit(most)


def branches_of(split: Counted) -> int:
    return prod(count for _, count in split)


def value_conditions(model: type[Base], prefix: str, split: Counted) -> Iterator[list[ColumnElement[bool]]]:
    """Yields the conditions for each combination of the values of the columns."""
    for turns in product(*(range(count) for _, count in split)):
        yield [
            getattr(model, name) == bindparam(f"{prefix}_{name}_{turn}", type_=getattr(model, name).type)
            for (name, _), turn in zip(split, turns, strict=True)
        ]


def split_parameters(prefix: str, split: Split) -> dict[str, Any]:
    return {f"{prefix}_{name}_{turn}": value for name, values in split for turn, value in enumerate(values)}


def split_shape(split: Split) -> Counted:
    return tuple((name, len(values)) for name, values in split)


def ordering(value: ColumnElement[Any], tie: ColumnElement[Any], shape: PageShape) -> tuple[ColumnElement[Any], ...]:
    """Returns the order in which to read the rows. Pages from the end of a list are read backwards."""
    backwards = shape.descending != shape.backward
    return tuple(column.desc() if backwards else column.asc() for column in (value, tie))


def bounds(order: tuple[ColumnElement[Any], ColumnElement[Any]], shape: PageShape) -> list[ColumnElement[bool]]:
    found = []
    if shape.after:
        found.append(beyond(order, "after", later=not shape.descending))
    if shape.before:
        found.append(beyond(order, "before", later=shape.descending))
    return found


def beyond(order: tuple[ColumnElement[Any], ColumnElement[Any]], name: str, *, later: bool) -> ColumnElement[bool]:
    """Returns the condition that a row is after (`later`) or before the position `name`, in ascending order."""
    value, tie = order
    row = tuple_(value, tie)
    at = tuple_(bindparam(f"{name}_value", type_=value.type), bindparam(f"{name}_tie", type_=tie.type))
    return row > at if later else row < at


def trimmed(rows: Sequence[Any], request: PageRequest) -> Page:
    """Returns the page without the additional row, in the requested order."""
    has_more = len(rows) > request.limit
    cached = rows[: request.limit]
    return Page(cached[::-1] if request.backward else cached, has_more)
