"""Dataclasses ("records") bound to columns by name.

A `Bound` lists the columns to select for a record and creates records from rows. A `Target` maps the fields of a record
to the columns of the table that it is written to. Both are created at import time, when a name that does not match
raises `TypeError`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import starmap
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar, get_type_hints

from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, Table, inspect
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.util import AliasedClass

from db.models import Base
from db.models.base import table_of

Record = TypeVar("Record")
RecordValues: TypeAlias = Sequence[Any]
Part: TypeAlias = tuple[int, int, Callable[..., Any]]
"""A field that is a record: the start and end of its values in the row, and the function that creates it from them."""
Source: TypeAlias = type[Base] | AliasedClass[Any]
Column: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Bound(Generic[Record]):
    """The columns of a record. `make` creates the record from their values, in the same order.

    If the record is a field of another record, the field is None when the first value is null (an outer join found no
    row). The first field must therefore be one that is never null, usually the id.
    """

    columns: tuple[Column, ...]
    make: Callable[..., Record]

    def read(self, rows: Iterable[RecordValues]) -> list[Record]:
        return list(starmap(self.make, rows))


def bind(record: type[Record], source: Source | None = None, /, **named: Column | Bound[Any]) -> Bound[Record]:
    """Binds each field of a dataclass to the column of `source` with the same name.

    Keyword arguments override this for a field, with a column, an expression or the `Bound` of another record. Raises
    `TypeError` for a field without a column, for a name that is not a field, and for a keyword-only field, since
    records are created from positional values.
    """
    own = {} if source is None else columns_of(source)
    columns: list[Column] = []
    parts: list[Part] = []
    for field in fields(record):  # type: ignore[arg-type]
        bound = named.pop(field.name) if field.name in named else own.get(field.name)
        if bound is None:
            raise TypeError(f"{record.__name__}.{field.name} has no column in {source}")
        if field.kw_only:
            raise TypeError(f"{record.__name__}.{field.name} is keyword-only")
        if isinstance(bound, Bound):
            parts.append((len(columns), len(columns) + len(bound.columns), bound.make))
            columns += bound.columns
        else:
            columns.append(bound if isinstance(bound, InstrumentedAttribute) else bound.label(field.name))
    if named:
        raise TypeError(f"{record.__name__} has no field {', '.join(named)}")
    return Bound(tuple(columns), maker(record, parts) if parts else record)


def columns_of(source: Source) -> dict[str, Column]:
    """Returns the columns of a model, or of an alias of one, by their names in the table."""
    attributes = inspect(source).mapper.column_attrs
    return {attribute.columns[0].name: getattr(source, attribute.key) for attribute in attributes}


def maker(record: type[Record], parts: Sequence[Part]) -> Callable[..., Record]:
    """Returns a function that creates a record with nested records from the values of all of them."""
    backwards = parts[::-1]

    def make(*row: object) -> Record:
        values = list(row)
        for start, end, make_part in backwards:
            values[start:end] = [None if row[start] is None else make_part(*row[start:end])]
        return record(*values)

    return make


def from_row(record: type[Record], row: Base) -> Record:
    """Creates a record from the attributes of an ORM row with the same names as its fields."""
    return record(**{field.name: getattr(row, field.name) for field in fields(record)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The columns of a table that records are written to.

    Without `keys`, each record is inserted, except if the table already has a row with the same values in the columns
    `unless`. With `keys`, the row with the same values in these columns is updated.
    """

    table: Table
    keys: tuple[str, ...]
    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    """Returns the values of a record, in the order of `names`."""
    unless: tuple[str, ...] = ()


def inserts(
    model: type[Base], record: type[Any], *, without: Collection[str] = (), unless: tuple[str, ...] = ()
) -> Target:
    """Binds the fields of a dataclass, except those in `without`, to the columns with the same names, for an INSERT.

    `unless` names the columns of a unique constraint: a row that conflicts with an existing one is not inserted.
    A field that is a dataclass and not a column is replaced by its own fields, named for example `line.created_at`.
    Raises `TypeError` for a field without a column, for a name in `without` that is not a field, and for a required
    column without a field.
    """
    bound = target(model, record, (), without)
    missing = {column.name for column in bound.table.c if needs_value(column)}.difference(bound.names)
    if missing:
        raise TypeError(f"{record.__name__} has no field for {model.__name__}.{', '.join(sorted(missing))}")
    return replace(bound, unless=unless)


def updates(model: type[Base], record: type[Any], *, keys: tuple[str, ...], without: Collection[str] = ()) -> Target:
    """Like `inserts`, for an UPDATE: finds the row by the columns `keys` and sets all others."""
    return target(model, record, keys, without)


def target(model: type[Base], record: type[Any], keys: tuple[str, ...], without: Collection[str]) -> Target:
    paths = paths_of(model, record, without)
    unknown = [path for path in without if not has_path(record, path)] + [key for key in keys if key not in paths]
    if unknown:
        raise TypeError(f"{record.__name__} has no field {', '.join(unknown)}")
    return Target(table_of(model), keys, tuple(paths), attrgetter(*paths.values()))


def paths_of(model: type[Base], record: type[Any], without: Collection[str], within: str = "") -> dict[str, str]:
    """Returns the path of the field for each column: `created_at` or, in a nested dataclass, `line.created_at`."""
    columns, types = table_of(model).c, get_type_hints(record)
    paths: dict[str, str] = {}
    for field in fields(record):
        path = within + field.name
        if path in without:
            continue
        if field.name in columns:
            paths[field.name] = path
        elif is_dataclass(types[field.name]):
            paths |= paths_of(model, types[field.name], without, f"{path}.")
        else:
            raise TypeError(f"{record.__name__}.{field.name} has no column in {model.__name__}")
    return paths


def has_path(record: type[Any], path: str) -> bool:
    name, _, rest = path.partition(".")
    types = get_type_hints(record)
    return name in types and (not rest or has_path(types[name], rest))


def needs_value(column: TableColumn[Any]) -> bool:
    """True if an INSERT without this column fails."""
    return not column.nullable and column.server_default is None
