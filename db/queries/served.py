"""Which index serves a list. An index for lists has the columns of conditions first, and then those of the order.

PostgreSQL reads a page from such an index where each column before the order is held to one value. So a list of several
values is asked for once for each, and where a column of words has no condition, for each of its words: the pages are
merged. What is read then does not depend on how many rows there are, or on which values are rare.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TypeAlias

from sqlalchemy import Column, Index

from db.models import Base
from db.models.base import IN_THE_WORLD, table_of
from db.models.types import EnumText

NARROW = frozenset({"customer_id", "subscription_id", "object_id", "test_clock_id"})
"""Columns with so many values that few rows have any one: their own index serves every list."""

MAX_BRANCHES = 64
"""Maximum of pages that are merged."""

FEW_ROWS = 10_000
"""Maximum of rows of a span of time that are sorted: where there are more, the list is read in its order."""

Split: TypeAlias = tuple[tuple[str, tuple[object, ...]], ...]
"""Columns, and the values that each is held to, one after the other."""
GivenConditions: TypeAlias = Mapping[str, tuple[object, ...]]
"""Columns with conditions, and the values that rows may have there."""


@dataclass(frozen=True, slots=True)
class Few:
    """A span of time in a column other than that of the order, which an index has behind the columns of `split`."""

    column: str
    split: Split


@dataclass(frozen=True, slots=True)
class ListIndex:
    """An index whose last two columns, but for those that it only includes, are an order."""

    prefix: tuple[str, ...]
    order: tuple[str, str]
    included: frozenset[str]
    only_the_world: bool


@cache
def list_indexes(model: type[Base]) -> tuple[ListIndex, ...]:
    """The indexes of a table that lists may be read from, those with the fewest columns first."""
    found = [list_index(index) for index in table_of(model).indexes if is_for_lists(index)]
    return tuple(sorted(found, key=lambda index: (len(index.prefix), index.prefix)))


def is_for_lists(index: Index) -> bool:
    condition = index.dialect_options["postgresql"]["where"]
    return not index.unique and len(index.expressions) >= 2 and (condition is None or condition is IN_THE_WORLD)


def list_index(index: Index) -> ListIndex:
    options = index.dialect_options["postgresql"]
    columns = [column.name for column in index.expressions if isinstance(column, Column)]
    *prefix, value, tie = columns
    return ListIndex(tuple(prefix), (value, tie), frozenset(options["include"] or ()), options["where"] is not None)


def split_of(
    model: type[Base], order: tuple[str, str], given: GivenConditions, *, parent: str | None, in_the_world: bool
) -> Split:
    """How to read a list in this order from the index that has the most of the columns with conditions; nothing where
    its rows are looked at one by one. What is read on the rows of a `parent` has one value there.
    """
    if not NARROW.isdisjoint(given) or parent in NARROW or not all(given.values()):
        return ()
    known = {*given, parent}
    best: tuple[int, int, Split] | None = None
    for index in list_indexes(model):
        if index.order != order or (index.only_the_world and not in_the_world):
            continue
        split = held(model, index.prefix, given, parent)
        if split is None:
            continue
        ranked = -len(known.intersection(index.prefix)), prod(len(values) for _, values in split), split
        if ranked[1] <= MAX_BRANCHES and (best is None or ranked[:2] < best[:2]):
            best = ranked
    return () if best is None else best[2]


def few_of(
    model: type[Base], order: tuple[str, str], given: GivenConditions, spans: Collection[str], *, in_the_world: bool
) -> Few | None:
    """How to find out whether few rows meet a condition on a span of time, and which, without a look at the rows; None
    where no index has all that is needed.
    """
    if len(spans) != 1 or order[0] in spans or not NARROW.isdisjoint(given) or not all(given.values()):
        return None
    [span] = spans
    for index in list_indexes(model):
        has_all = index.order == (span, order[1]) and order[0] in index.included and {*given} <= {*index.prefix}
        if has_all and (in_the_world or not index.only_the_world):
            split = held(model, index.prefix, given, None)
            if split is not None:
                return Few(span, split)
    return None


def held(model: type[Base], columns: Collection[str], given: GivenConditions, parent: str | None) -> Split | None:
    """The values of columns: those that are given, or else all words. None where they are not known."""
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
    return tuple(type_.words) if isinstance(type_, EnumText) else None
