"""Selection of the columns to read from a table, and from the rows that its foreign keys refer to."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import aliased

from db.access.rows import column_names
from db.models import Base

Columns: TypeAlias = frozenset[str] | None
"""The names of the columns to read. None reads all columns.

`plan_id.name` is the column `name` of the row that `plan_id` refers to, which is read with a join.
"""


def own(columns: frozenset[str]) -> frozenset[str]:
    """Returns the columns of the table itself."""
    return frozenset(name for name in columns if "." not in name)


def selected(model: type[Base], columns: Columns, *others: str) -> list[ColumnElement[Any]]:
    """Returns the columns of a model to select, labeled by attribute name, sorted. Always includes `others`."""
    names = column_names(model) if columns is None else {*own(columns), *others} or {"id"}
    return [getattr(model, name).label(name) for name in sorted(names)]


def with_referred(
    statement: Select[Any], model: type[Base], columns: Columns, column: Callable[[str], ColumnElement[Any]]
) -> Select[Any]:
    """Joins the rows that `columns` refer to, and selects their columns.

    `column` returns the foreign key column of the statement by name.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(columns or ()):
        key, dot, referred = name.partition(".")
        if dot:
            found[key].append(referred)
    for key, names in found.items():
        referred_rows: Any = aliased(referred_model(model, key), name=f"referred_by_{key}")  # type: ignore[arg-type]
        statement = statement.outerjoin(referred_rows, referred_rows.id == column(key)).add_columns(
            *(getattr(referred_rows, name).label(f"{key}.{name}") for name in names)
        )
    return statement


@cache
def referred_model(model: type[Base], key: str) -> type[Base] | None:
    """Returns the model whose id the column `key` refers to, or None if it is not such a foreign key."""
    tables = {each.column.table for each in model.__mapper__.columns[key].foreign_keys if each.column.name == "id"}
    return next((mapper.class_ for mapper in Base.registry.mappers if mapper.local_table in tables), None)
