"""Records bound to columns by name: which columns to select for a dataclass, and how to make one from a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.util import AliasedClass

from db.models import Base

Record = TypeVar("Record")
Values: TypeAlias = Sequence[Any]
Source: TypeAlias = type[Base] | AliasedClass[Any]
Column: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Bound(Generic[Record]):
    """The columns of a record, and the function that makes the record from their values, in the same order.

    As a field of another record it is None if its first value is null: an outer join found no row. Begin each record
    with its id.
    """

    columns: tuple[Column, ...]
    read: Callable[[Values], Record]


def bind(record: type[Record], source: Source | None = None, /, **named: Column | Bound[Any]) -> Bound[Record]:
    """Binds each field of a dataclass to the column of `source` with the same name, or to what is `named` for it: a
    column, an expression or another record's binding.

    Call it at import. Raises `TypeError` for a field without a column, for a name that is not a field, and for
    keyword-only fields, which values in order cannot fill.
    """
    own = {} if source is None else columns_of(source)
    columns: list[Column] = []
    parts: list[tuple[int, int, Callable[[Values], Any]]] = []
    for field in fields(record):  # type: ignore[arg-type]
        bound = named.pop(field.name, None) if field.name in named else own.get(field.name)
        if bound is None:
            raise TypeError(f"{record.__name__}.{field.name} has no column in {source}")
        if field.kw_only:
            raise TypeError(f"{record.__name__}.{field.name} is keyword-only")
        if isinstance(bound, Bound):
            parts.append((len(columns), len(columns) + len(bound.columns), bound.read))
            columns += bound.columns
        else:
            columns.append(bound if isinstance(bound, InstrumentedAttribute) else bound.label(field.name))
    if named:
        raise TypeError(f"{record.__name__} has no field {', '.join(named)}")
    return Bound(tuple(columns), reader(record, parts))


def columns_of(source: Source) -> dict[str, Column]:
    """The columns of a model, or of an alias of one, by their names in the table."""
    return {
        attribute.columns[0].name: getattr(source, attribute.key) for attribute in inspect(source).mapper.column_attrs
    }


def reader(
    record: Callable[..., Record], parts: Sequence[tuple[int, int, Callable[[Values], Any]]]
) -> Callable[[Values], Record]:
    """Returns the function that makes a record from a row. Each part (start, end, its own reader) becomes one field."""
    if not parts:
        return lambda row: record(*row)
    backwards = parts[::-1]

    def read(row: Values) -> Record:
        values = list(row)
        for start, end, read_part in backwards:
            values[start:end] = [None if row[start] is None else read_part(row[start:end])]
        return record(*values)

    return read
