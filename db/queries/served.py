"""Selection of the index that serves a list. Indexes for lists have columns for conditions, then the two order columns.

PostgreSQL can read a page from such an index if each column before the order has exactly one value. So a list with
several values for a column is read once for each value, and a list without a condition on an enum column once for each
member of the enum; the pages are then merged. The number of rows read does not depend on the size of the table or on
which values are rare.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TypeAlias

from sqlalchemy import Column, Index

from db.models import Base
from db.models.base import NO_TEST_CLOCK, is_set_in_real_time, table_of
from db.models.types import EnumText

NARROW = frozenset({"customer_id", "subscription_id", "invoice_id", "object_id", "test_clock_id", "number"})
"""Columns whose values each select few rows: the index of the column alone is enough for every list."""

MAX_BRANCHES = 64
"""Maximum number of pages to merge."""

MAX_SORTED_ROWS = 10_000
"""Maximum number of rows in a time range to sort. If there are more, the list is read in its order."""

Split: TypeAlias = tuple[tuple[str, tuple[object, ...]], ...]
"""Columns, each with the values for which the list is read separately."""
GivenConditions: TypeAlias = Mapping[str, tuple[object, ...]]
"""Columns with "=" or "in" conditions, each with the values that rows may have."""


@dataclass(frozen=True, slots=True)
class Few:
    """A time range in `column`, which is not the order column, and an index with the columns of `split` before it.

    `also` are the conditions on INCLUDE columns of the index. They do not reduce the number of index entries to read.
    """

    column: str
    split: Split
    also: Split


@dataclass(frozen=True, slots=True)
class ListIndex:
    """An index whose last two columns are an order. `included` are its INCLUDE columns.

    `only_real_time` is True for a partial index without objects on test clocks. `omits_null` is the column whose nulls
    a partial index omits, if any.
    """

    prefix: tuple[str, ...]
    order: tuple[str, str]
    included: frozenset[str]
    only_real_time: bool
    omits_null: str | None


@cache
def list_indexes(model: type[Base]) -> tuple[ListIndex, ...]:
    """Returns the indexes of a table that can serve lists, ordered by number of columns.

    They include that of a primary key with two columns, such as the order of events.
    """
    table = table_of(model)
    found = [list_index(index) for index in table.indexes if is_for_lists(index)]
    match [column.name for column in table.primary_key]:
        case [value, tie]:
            found.append(ListIndex((), (value, tie), frozenset(), only_real_time=False, omits_null=None))
    return tuple(sorted(found, key=lambda index: (len(index.prefix), index.prefix)))


def is_for_lists(index: Index) -> bool:
    condition = index.dialect_options["postgresql"]["where"]
    known = condition is None or condition is NO_TEST_CLOCK or omitted_null(index) is not None
    return not index.unique and len(index.expressions) >= 2 and known


def omitted_null(index: Index) -> str | None:
    """Returns the column whose nulls a partial index omits. None if it has another condition or none."""
    condition = index.dialect_options["postgresql"]["where"]
    names = (column.name for column in index.expressions if isinstance(column, Column))
    return next((name for name in names if str(condition) == str(is_set_in_real_time(name))), None)


def list_index(index: Index) -> ListIndex:
    options = index.dialect_options["postgresql"]
    columns = [column.name for column in index.expressions if isinstance(column, Column)]
    *prefix, value, tie = columns
    included = frozenset(options["include"] or ())
    return ListIndex(tuple(prefix), (value, tie), included, options["where"] is not None, omitted_null(index))


def choose_split(
    model: type[Base], order: tuple[str, str], given: GivenConditions, *, parent: str | None, in_real_time: bool
) -> Split:
    """Returns the columns and values for which to read a list separately.

    Chooses the index with this order that has the most columns with conditions, then the one with the fewest pages to
    merge. `parent` is the key column of a nested list, which has one value anyway. `in_real_time` is True if the list
    excludes objects on test clocks. Returns () if the list should be read without a split.
    """
    if not NARROW.isdisjoint(given) or parent in NARROW or not all(given.values()):
        return ()
    known = {*given, parent}
    best: tuple[int, int, Split] | None = None
    for index in list_indexes(model):
        if index.order != order or (index.only_real_time and not in_real_time):
            continue
        if index.omits_null is not None and index.omits_null not in given:
            continue
        split = values_per_column(model, index.prefix, given, parent)
        if split is None:
            continue
        ranked = -len(known.intersection(index.prefix)), prod(len(values) for _, values in split), split
        if ranked[1] <= MAX_BRANCHES and (best is None or ranked[:2] < best[:2]):
            best = ranked
    return () if best is None else best[2]


def choose_range_index(
    model: type[Base],
    order: tuple[str, str],
    given: GivenConditions,
    spans: Collection[str],
    *,
    parent: str | None,
    in_real_time: bool,
) -> Few | None:
    """Returns how to find the rows in a time range from an index alone, to check if they are few enough to sort.

    `spans` are the columns with conditions on time ranges. Returns None unless there is exactly one, and an index has
    it together with all columns with conditions, the order column, and `parent`, the key column of a nested list, as
    an INCLUDE column.
    """
    narrow = parent in NARROW or not NARROW.isdisjoint(given)
    if len(spans) != 1 or order[0] in spans or narrow or not all(given.values()):
        return None
    [span] = spans
    for index in list_indexes(model):
        included = {order[0]} if parent is None else {order[0], parent}
        has_all = included <= index.included and {*given} <= {*index.prefix, *index.included}
        has_rows = (in_real_time or not index.only_real_time) and index.omits_null in (None, span)
        if index.order == (span, order[1]) and has_all and has_rows:
            split = values_per_column(model, index.prefix, given, None)
            also = tuple((name, values) for name, values in given.items() if name not in index.prefix)
            if split is not None:
                return Few(span, split, also)
    return None


def values_per_column(
    model: type[Base], columns: Collection[str], given: GivenConditions, parent: str | None
) -> Split | None:
    """Returns the values of `columns` without `parent`: the given ones, else all members of an enum.

    None if the values of a column are not known.
    """
    found = []
    for name in columns:
        if name == parent:
            continue
        values = given[name] if name in given else enum_values(model, name)
        if values is None:
            return None
        found.append((name, values))
    return tuple(found)


@cache
def enum_values(model: type[Base], name: str) -> tuple[object, ...] | None:
    type_ = table_of(model).c[name].type
    return tuple(type_.enum) if isinstance(type_, EnumText) else None
