"""Rows of a response: the driver's own records, with values that are ready for JSON.

Creating Python objects that are only serialized to JSON again is expensive: parsing timestamps would be most of the
cost of reading an invoice. So the driver returns UUIDs and timestamps as text on the connections of `db.access.reads`.
Enums are stored as text anyway.
"""

from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.types import TypeEngine

from db.models import Base
from db.models.types import DocumentColumn

DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row with all or some columns of `model`, as attributes and as items.

    Ids, enums and timestamps are strings. Timestamps are in UTC and in PostgreSQL's format: `2026-01-31 12:00:00+00`.
    """

    __slots__ = ()

    model: ClassVar[type[Base]]


def column_names(model: type[Base]) -> frozenset[str]:
    """Returns the attribute names of all columns of a model."""
    return frozenset(attribute.key for attribute in model.__mapper__.column_attrs)


@cache
def row_class(model: type[Base]) -> type[Row]:
    """Returns the class for rows of a table. Accessing a column that was not selected raises `KeyError`."""
    values = {
        attribute.key: property(column_reader(attribute.key, attribute.columns[0].type))
        for attribute in model.__mapper__.column_attrs
    }
    return type(f"{model.__name__}Row", (Row,), {"__slots__": (), "model": model, **values})


class JoinedRow:
    """A row that another row refers to, read together with it by a join."""

    __slots__ = ("_row",)

    model: ClassVar[type[Base]]

    def __init__(self, row: Row) -> None:
        self._row = row


@cache
def joined_row_class(model: type[Base], key: str) -> type[JoinedRow]:
    """Returns the class for rows of `model` that other rows refer to by their column `key`."""
    values = {
        attribute.key: property(through_row(column_reader(f"{key}.{attribute.key}", attribute.columns[0].type)))
        for attribute in model.__mapper__.column_attrs
    }
    return type(f"{model.__name__}By_{key}", (JoinedRow,), {"__slots__": (), "model": model, **values})


def through_row(value: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda referred: value(referred._row)  # noqa: SLF001 - the same class


def column_reader(name: str, type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Returns a function that reads a column from a record. Only records are converted to Python objects."""
    taken = itemgetter(name)
    if isinstance(type_, DocumentColumn):
        return lambda record: type_.process_result_value(taken(record), DIALECT)
    return taken


async def read_as_strings(connection: asyncpg.Connection) -> None:
    """Makes the driver accept and return UUIDs and timestamps as text on this connection."""
    for name in ("uuid", "timestamptz"):
        await connection.set_builtin_type_codec(name, schema="pg_catalog", codec_name="text", format="text")
