"""Batch writer: INSERTs and UPDATEs of several tables, sent as one statement."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Insert, Update, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text, TypeEngine

from db.access.records import Target
from db.access.statements import Statement, cached, send
from db.models.types import document_of, stored_type

ColumnValues: TypeAlias = tuple[Any, ...]
"""The values of one column, one for each row."""


@dataclass(frozen=True, slots=True)
class Write:
    """An INSERT or UPDATE of rows, without the values.

    All rows have the same value in the columns `said_once`. If these are all columns, there is only one row.
    """

    target: Target
    said_once: frozenset[str]


class Writes:
    """Collects rows for several tables, and writes them with one statement.

    The order of the rows does not matter: PostgreSQL checks foreign keys at the end of the statement. The same row must
    not be written twice.
    """

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._values: dict[str, Any] = {}

    def add(self, target: Target, records: Sequence[Any]) -> None:
        """Adds a row for each of the records."""
        if not records:
            return
        names = target.names
        rows = list(map(target.values, records))
        columns = rows[0] if len(rows) == 1 else list(zip(*rows, strict=True))
        said_once = frozenset(names) if len(rows) == 1 else constant_columns(names, columns) - {*target.keys}
        write = Write(target, said_once)
        if len(rows) > 1:
            columns = [column[0] if name in said_once else column for name, column in zip(names, columns, strict=True)]
        for (name, encode), value in zip(parameters(len(self._writes), write), columns, strict=True):
            self._values[name] = value if encode is None else encode(value)
        self._writes.append(write)

    async def send(self, session: AsyncSession) -> None:
        """Writes all rows. Sends nothing if there are none."""
        if self._writes:
            await send(session, as_one_statement(tuple(self._writes)), **self._values)


def parameter(write: int, name: str) -> str:
    """Returns the name of the parameter for a column of the given write in the statement."""
    return f"p{write}_{name}"


def constant_columns(names: Iterable[str], columns: Iterable[ColumnValues]) -> frozenset[str]:
    """Returns the columns in which all rows have the same value. Such a value is sent only once.

    Half of the values that a renewal stores are of this kind.
    """
    return frozenset(
        name for name, values in zip(names, columns, strict=True) if values.count(values[0]) == len(values)
    )


@cached
def as_one_statement(writes: tuple[Write, ...]) -> Statement:
    """Returns a statement for the last write, with the others as common table expressions."""
    *others, last = [written(number, write) for number, write in enumerate(writes)]
    return Statement(last.add_cte(*(other.cte(f"write_{number}") for number, other in enumerate(others))))


def written(number: int, write: Write) -> Insert | Update:
    table, keys, names = write.target.table, write.target.keys, write.target.names
    sent = sent_columns(number, write)
    if not keys:
        rows = insert(table).from_select(names, select(*(restored(table.c[name], sent[name]) for name in names)))
        unless = write.target.unless
        return rows.on_conflict_do_nothing(index_elements=unless) if unless else rows
    changes = [name for name in names if name not in keys]
    return (
        update(table)
        .where(*(table.c[key] == sent[key] for key in keys))
        .values({name: restored(table.c[name], sent[name]) for name in changes})
    )


def sent_columns(number: int, write: Write) -> dict[str, ColumnElement[Any]]:
    """Returns the expression for each column: a single value, or a column of the unnested arrays."""
    target = write.target
    types = {name: sent_type(target.table.c[name]) for name in target.names}
    columns: dict[str, ColumnElement[Any]] = {
        name: bindparam(parameter(number, name), type_=types[name]) for name in target.names if name in write.said_once
    }
    listed = [name for name in target.names if name not in write.said_once]
    if listed:
        arrays = [bindparam(parameter(number, name), type_=ARRAY(types[name])) for name in listed]
        rows = func.unnest(*arrays).table_valued(*listed, name=f"rows_{number}").render_derived().c
        columns |= {name: rows[name] for name in listed}
    return columns


def sent_type(column: Column[Any]) -> TypeEngine[Any]:
    """Returns the type to send for a column: text for JSON and arrays, else the stored type."""
    stored = stored_type(column.type)
    return Text() if isinstance(stored, JSONB | ARRAY) else stored


def restored(column: Column[Any], sent: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns the expression that converts the value sent to the type of the column."""
    match stored_type(column.type):
        case JSONB():
            return cast(sent, JSONB)
        case ARRAY():
            return cast(func.string_to_array(sent, ","), column.type)
        case _:
            return sent


@cached
def parameters(number: int, write: Write) -> list[tuple[str, Callable[[Any], Any] | None]]:
    """Returns the parameter name for each column, and the conversion of its value or list of values for the driver.

    The conversion is None if the driver accepts the values unchanged.
    """
    target = write.target
    return [
        (parameter(number, name), encoder(target.table.c[name], one=name in write.said_once)) for name in target.names
    ]


def encoder(column: Column[Any], *, one: bool) -> Callable[[Any], Any] | None:
    match stored_type(column.type):
        case JSONB():
            encode: Callable[[Any], str | None] = document_text
        case ARRAY():
            encode = array_text
        case _:
            return None
    return encode if one else lambda values: [encode(value) for value in values]


def array_text(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def document_text(value: object) -> str | None:
    return None if value is None else json.dumps(document_of(value))
