"""Statements that are built and compiled by SQLAlchemy once, and sent by its driver.

Building a statement, finding it among the compiled ones and passing its rows on costs several times what the driver
takes to send it. What is sent for each request is written with names in the place of values, and kept compiled.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

import asyncpg
from sqlalchemy import ClauseElement, ColumnElement, CompoundSelect, Integer, Select, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import DateTime, TypeEngine, Uuid

from db.access.rows import DIALECT
from db.access.scope import ANY_CUSTOMER, scope_of
from db.driver.usage import TimedStatement
from db.models.types import stored_type

MAX_STATEMENTS = 1000
"""So many statements of one kind are kept compiled."""

CUSTOMER = "scope_customer_id"
KEY = "scope_key_id"
ROWS_LEFT = "rows_left"
"""Names of parameters that have their value from the scope."""

SELECTS = (Select, CompoundSelect)

Shape = ParamSpec("Shape")
Cached = TypeVar("Cached")
Convert = Callable[[Any], Any] | None
Parameter = tuple[str, Any, Convert]
"""Its name, what it is where no value is given, and what makes of a value what is sent."""


def cached(build: Callable[Shape, Cached]) -> Callable[Shape, Cached]:
    """Keeps what `build` makes of a shape: a statement is built and compiled once."""
    return wraps(build)(lru_cache(maxsize=MAX_STATEMENTS)(build))  # type: ignore[return-value]


class Statement:
    """A statement whose parameters have names.

    A SELECT is written with mapped classes, so that it can be narrowed to what one customer sees.
    """

    def __init__(self, statement: ClauseElement) -> None:
        # Both at once: a statement of SQLAlchemy takes some fifty times the memory of its text, and is not kept.
        self._open = Compiled(statement, scoped=False)
        self._scoped = Compiled(statement, scoped=True) if isinstance(statement, SELECTS) else self._open

    def compiled(self, *, scoped: bool = False) -> "Compiled":
        """The statement for the driver; `scoped`, one that is narrowed to a customer."""
        return self._scoped if scoped else self._open


class Compiled:
    """A statement for the driver: its text, and its parameters in their order."""

    __slots__ = ("_converts_rows", "_parameters", "_results", "_texts", "text")

    def __init__(self, statement: ClauseElement, *, scoped: bool) -> None:
        columns: Sequence[ColumnElement[Any]] = ()
        if isinstance(statement, SELECTS):
            columns = list(statement.selected_columns)
            if scoped:
                statement = statement.options(*ANY_CUSTOMER.criteria)
            if statement._limit_clause is None:  # noqa: SLF001 - there is no public way to ask
                statement = statement.limit(bindparam(ROWS_LEFT, type_=Integer()))
        compiled = cast("SQLCompiler", statement.compile(dialect=DIALECT))
        self.text = str(compiled)
        self._parameters = parameters_of(compiled, bound)
        self._texts = parameters_of(compiled, text_encoder)
        self._results: list[Convert] = [
            column.type.dialect_impl(DIALECT).result_processor(DIALECT, None) for column in columns
        ]
        self._converts_rows = any(convert is not None for convert in self._results)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the parameters; for one that is not given, what the statement has for it."""
        return arguments_in_order(self._parameters, values)

    def texts(self, values: Mapping[str, Any]) -> list[Any]:
        """As `arguments`, for a connection that takes UUIDs and instants as texts."""
        return arguments_in_order(self._texts, values)

    def plain(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows with the values that the types of their columns make of the driver's."""
        if not self._converts_rows:
            return rows
        results = self._results
        return [
            tuple(value if convert is None else convert(value) for value, convert in zip(row, results, strict=True))
            for row in rows
        ]


async def send(session: AsyncSession, statement: Statement, /, **values: object) -> Sequence[Any]:
    """Sends a statement in the transaction of a session, and gives its plain rows. It keeps to the session's scope.

    Raises `DBAPIError` where PostgreSQL refuses, `ConnectionError`, and `RowBudgetExceeded`.
    """
    scope = scope_of(session)
    budget = scope.budget if scope else None
    customer_id = scope.customer_id if scope else None
    compiled = statement.compiled(scoped=customer_id is not None)
    key_id = scope.key_id if scope else None
    given = {**values, CUSTOMER: customer_id, KEY: key_id, ROWS_LEFT: None if budget is None else budget.left + 1}
    driver = await driver_of(session)
    for listener in session.info.get(LISTENERS, ()):
        listener(compiled.text)
    with as_sqlalchemy_errors(compiled.text), TimedStatement(compiled.text):
        rows = await driver.fetch(compiled.text, *compiled.arguments(given))
    if budget is not None:
        budget.spend(len(rows))
    return compiled.plain(rows)


def parameters_of(compiled: SQLCompiler, converter: Callable[[TypeEngine[Any]], Convert]) -> list[Parameter]:
    """The parameters of a statement in their order, with what `converter` has for their types."""
    return [
        (
            scoped_name(compiled.params[name]) or name,
            compiled.params[name],
            convert_each(compiled.binds[name].type, converter),
        )
        for name in compiled.positiontup or ()
    ]


def scoped_name(value: object) -> str | None:
    """The name of the parameter that has this value in `ANY_CUSTOMER`; None for any other value."""
    if value == ANY_CUSTOMER.customer_id:
        return CUSTOMER
    return KEY if value == ANY_CUSTOMER.key_id else None


def arguments_in_order(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> list[Any]:
    return [
        values.get(name, by_default) if convert is None else convert(values.get(name, by_default))
        for name, by_default, convert in parameters
    ]


def convert_each(type_: TypeEngine[Any], converter: Callable[[TypeEngine[Any]], Convert]) -> Convert:
    """What `converter` has for a type; for an array, what does it to each of its values."""
    if not isinstance(type_, ARRAY):
        return converter(type_)
    convert = convert_each(type_.item_type, converter)
    return None if convert is None else lambda values: [convert(value) for value in values]


def bound(type_: TypeEngine[Any]) -> Convert:
    """What makes of a value what the driver takes. SQLAlchemy's own for arrays looks for arrays in them again."""
    return type_.dialect_impl(DIALECT).bind_processor(DIALECT)


def text_encoder(type_: TypeEngine[Any]) -> Convert:
    """What makes a text of a value, where the type is one whose values are sent as such."""
    return text_of if isinstance(stored_type(type_), Uuid | DateTime) else None


def text_of(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


@contextmanager
def as_sqlalchemy_errors(statement: str) -> Iterator[None]:
    """Raises what the driver raises in the block as SQLAlchemy would: `DBAPIError`, or `ConnectionError`."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise DBAPIError(statement, None, error, hide_parameters=True) from error
    except asyncpg.InterfaceError as error:
        # Of a value that cannot be sent the driver says the same, in a class that is a ValueError as well.
        if isinstance(error, ValueError):
            raise
        raise ConnectionError("The connection to the database was lost.") from error


DRIVER = "driver"
LISTENERS = "listeners"
"""Where a session's `info` has the driver's connection of its transaction, and who is told of what is sent on it."""


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """The driver's connection of a session: of its transaction, or the one that it reads with."""
    driver: asyncpg.Connection | None = session.info.get(DRIVER)
    if driver is None:
        connection = await (await session.connection()).get_raw_connection()
        driver = connection.driver_connection
    return cast("asyncpg.Connection", driver)
