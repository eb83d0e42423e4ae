"""Rows as they are read for an answer: the driver's own records, whose values are ready to be sent.

Where JSON is all that becomes of a value, making a Python object of it first is work for nothing: of what it costs to
read an invoice, most would be its instants. The connections of `db.access.reads` have the driver give a UUID and an
instant as the text that PostgreSQL prints, and a word of an enum is its text anyway.
"""

from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.types import TypeEngine

from db.models import Base
from db.models.types import AddressColumn, BillToColumn

DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row of `model`, or some of its columns, by their names.

    Ids and words are texts, and so are instants, as PostgreSQL prints them in UTC: `2026-01-31 12:00:00+00`.
    """

    __slots__ = ()

    model: ClassVar[type[Base]]


def column_names(model: type[Base]) -> frozenset[str]:
    """The names of all columns of a table, as its rows have them."""
    return frozenset(attribute.key for attribute in model.__mapper__.column_attrs)


@cache
def row_class(model: type[Base]) -> type[Row]:
    """The class of the rows of a table. What a row was read without cannot be asked of it: a `KeyError`."""
    values = {
        attribute.key: property(column_reader(attribute.key, attribute.columns[0].type))
        for attribute in model.__mapper__.column_attrs
    }
    return type(f"{model.__name__}Row", (Row,), {"__slots__": (), "model": model, **values})


class Referred:
    """A row that another row refers to, and was read together with."""

    __slots__ = ("_row",)

    model: ClassVar[type[Base]]

    def __init__(self, row: Row) -> None:
        self._row = row


@cache
def referred_class(model: type[Base], key: str) -> type[Referred]:
    """The class of the rows of a table to which other rows refer by their column `key`."""
    values = {
        attribute.key: property(through_row(column_reader(f"{key}.{attribute.key}", attribute.columns[0].type)))
        for attribute in model.__mapper__.column_attrs
    }
    return type(f"{model.__name__}By_{key}", (Referred,), {"__slots__": (), "model": model, **values})


def through_row(value: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda referred: value(referred._row)  # noqa: SLF001 - it is its own


def column_reader(name: str, type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """What gives a column's value of a record. The types of documents make something of what the driver gives."""
    taken = itemgetter(name)
    if isinstance(type_, AddressColumn | BillToColumn):
        return lambda record: type_.process_result_value(taken(record), DIALECT)
    return taken


async def use_texts(connection: asyncpg.Connection) -> None:
    """Has the driver give, and take, UUIDs and instants as texts."""
    for name in ("uuid", "timestamptz"):
        await connection.set_builtin_type_codec(name, schema="pg_catalog", codec_name="text", format="text")
