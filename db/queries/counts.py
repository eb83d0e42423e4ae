"""Counts of the rows of a list, from the index that serves the list."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, ScalarSelect, bindparam, func, literal, select, union_all

from db.access.reads import Reads, RowQuery
from db.access.statements import cached
from db.models import Base
from db.queries.conditions import Condition, conditions_on
from db.queries.pages import SPLIT, PageRequest, PageShape, by_index, is_on_parent, key_table, value_conditions

TOTAL = "_total"

COUNTED_ROWS_PER_CHARGE = 100
"""Number of counted rows that are charged to the row budget as one row."""


async def count(reads: Reads, model: type[Base], conditions: Sequence[Condition], limit: int | None = None) -> int:
    """Returns the number of rows that meet the conditions. Stops at `limit` + 1, if given."""
    request = by_index(model, PageRequest(0, conditions=tuple(conditions)))
    query = count_query(model, request.shape, limited=limit is not None)
    [row] = await reads.rows(query, **count_values(request, limit))
    total = int(row[TOTAL])
    reads.charge(total // COUNTED_ROWS_PER_CHARGE)
    return total


async def counts_by(
    reads: Reads,
    model: type[Base],
    parent: str,
    keys: Sequence[object],
    conditions: Sequence[Condition],
    limit: int | None = None,
) -> list[int]:
    """Returns, for each key, the number of rows with this key in column `parent` that meet the conditions.

    Each count stops at `limit` + 1, if given.
    """
    request = by_index(model, PageRequest(0, conditions=tuple(conditions)), parent)
    query = counts_query(model, parent, request.shape, limited=limit is not None)
    totals = [int(row[TOTAL]) for row in await reads.rows(query, keys=keys, **count_values(request, limit))]
    reads.charge(sum(totals) // COUNTED_ROWS_PER_CHARGE)
    return totals


def count_values(request: PageRequest, limit: int | None) -> dict[str, Any]:
    return {**request.values(), "limit": None if limit is None else limit + 1}


@cached
def count_query(model: type[Base], shape: PageShape, *, limited: bool) -> RowQuery:
    return RowQuery(select(total_of(model, shape, limited=limited).label(TOTAL)), model, for_values=shape.has_values)


@cached
def counts_query(model: type[Base], parent: str, shape: PageShape, *, limited: bool) -> RowQuery:
    parents = key_table(getattr(model, parent).type)
    matching = total_of(model, shape, is_on_parent(model, parent), limited=limited)
    statement = select(matching.label(TOTAL)).select_from(parents).order_by(parents.c.position)
    return RowQuery(statement, model, for_values=shape.has_values)


def total_of(model: type[Base], shape: PageShape, *conditions: ColumnElement[bool], limited: bool) -> ScalarSelect[int]:
    rows = (
        select(literal(1).label("one")).select_from(model).where(*conditions, *conditions_on(model, shape.conditions))
    )
    found = [rows.where(*values) for values in value_conditions(model, SPLIT, shape.split)]
    limit = bindparam("limit", type_=Integer())
    if limited:
        found = [each.limit(limit) for each in found]
    whole = found[0] if len(found) == 1 else union_all(*found)
    # Count in a subquery: the LIMIT of the row budget applies to the statement, not to the rows that it counts.
    counted = (whole.limit(limit) if limited and len(found) > 1 else whole).subquery("counted")
    return select(func.count()).select_from(counted).scalar_subquery()
