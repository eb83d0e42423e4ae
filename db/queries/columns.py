"""Which columns are read of a table, and of the rows that its rows refer to."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import aliased

from db.access.rows import column_names
from db.models import Base

Columns: TypeAlias = frozenset[str] | None
"""The names of the columns that are read; None for all.

`plan_id.name` is the column `name` of the row that `plan_id` refers to, which is read together with its own.
"""


def own(columns: frozenset[str]) -> frozenset[str]:
    """The columns of the table itself."""
    return frozenset(name for name in columns if "." not in name)


def selected(model: type[Base], columns: Columns, *others: str) -> list[ColumnElement[Any]]:
    """The columns of a table under the names that its rows have for them; all, where `columns` is None."""
    names = column_names(model) if columns is None else {*own(columns), *others} or {"id"}
    return [getattr(model, name).label(name) for name in sorted(names)]


def with_referred(
    statement: Select[Any], model: type[Base], columns: Columns, column: Callable[[str], ColumnElement[Any]]
) -> Select[Any]:
    """The statement, with the columns of the rows that those of `model` refer to by `column`."""
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
    """The table whose rows the column `key` refers to by their id; None for a column that refers to nothing so."""
    tables = {each.column.table for each in model.__mapper__.columns[key].foreign_keys if each.column.name == "id"}
    return next((mapper.class_ for mapper in Base.registry.mappers if mapper.local_table in tables), None)
