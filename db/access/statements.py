"""Statements that SQLAlchemy builds and compiles once, and that are sent directly by the driver.

For SQLAlchemy, building a statement, looking it up in the cache and converting its rows costs several times more than
sending it. So statements that requests send have named parameters, and are kept in compiled form.
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
"""Maximum number of results that are kept for each `cached` function."""

CUSTOMER = "scope_customer_id"
KEY = "scope_key_id"
ROWS_LEFT = "rows_left"
"""Names of parameters whose values come from the scope."""

SELECTS = (Select, CompoundSelect)

Shape = ParamSpec("Shape")
Cached = TypeVar("Cached")
Convert = Callable[[Any], Any] | None
Parameter = tuple[str, Any, Convert]
"""Name, default value, and the conversion of a value for the driver."""


def cached(build: Callable[Shape, Cached]) -> Callable[Shape, Cached]:
    """Caches the results of `build`, so that each statement is built and compiled only once."""
    return wraps(build)(lru_cache(maxsize=MAX_STATEMENTS)(build))  # type: ignore[return-value]


class Statement:
    """A statement with named parameters.

    A SELECT must use ORM models, not tables, so that it can be filtered by customer.
    """

    def __init__(self, statement: ClauseElement) -> None:
        # Compile both now: a SQLAlchemy statement needs about 50 times the memory of its SQL text, so it is not kept.
        self._open = Compiled(statement, scoped=False)
        self._scoped = Compiled(statement, scoped=True) if isinstance(statement, SELECTS) else self._open

    def compiled(self, *, scoped: bool = False) -> "Compiled":
        """Returns the compiled statement, or the variant that is filtered by customer if `scoped`."""
        return self._scoped if scoped else self._open


class Compiled:
    """A compiled statement for the driver: its SQL, and its parameters in order."""

    __slots__ = ("_conversions", "_parameters", "_texts", "text")

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
        results = (column.type.dialect_impl(DIALECT).result_processor(DIALECT, None) for column in columns)
        self._conversions = [(index, convert) for index, convert in enumerate(results) if convert is not None]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Returns the values in the order of the parameters. Missing values get the defaults of the statement."""
        return arguments_in_order(self._parameters, values)

    def texts(self, values: Mapping[str, Any]) -> list[Any]:
        """Like `arguments`, for a connection that accepts UUIDs and timestamps as text."""
        return arguments_in_order(self._texts, values)

    def plain(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Returns the rows with the driver's values converted by the types of the columns."""
        if not self._conversions:
            return rows
        found = [*map(list, rows)]
        for values in found:
            for index, convert in self._conversions:
                values[index] = convert(values[index])
        return found


async def send(session: AsyncSession, statement: Statement, /, **values: object) -> Sequence[Any]:
    """Sends a statement on the connection of a session, limited by its scope, and returns the rows as sequences.

    Raises `DBAPIError` for errors of PostgreSQL, `ConnectionError`, and `RowBudgetExceeded`.
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
    """Returns the parameters of a statement in order, with the conversions that `converter` returns for their types."""
    return [
        (
            scoped_name(compiled.params[name]) or name,
            compiled.params[name],
            convert_each(compiled.binds[name].type, converter),
        )
        for name in compiled.positiontup or ()
    ]


def scoped_name(value: object) -> str | None:
    """Returns the parameter name for an id of `ANY_CUSTOMER`, and None for any other value."""
    if value == ANY_CUSTOMER.customer_id:
        return CUSTOMER
    return KEY if value == ANY_CUSTOMER.key_id else None


def arguments_in_order(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> list[Any]:
    return [
        values.get(name, by_default) if convert is None else convert(values.get(name, by_default))
        for name, by_default, convert in parameters
    ]


def convert_each(type_: TypeEngine[Any], converter: Callable[[TypeEngine[Any]], Convert]) -> Convert:
    """Returns the conversion for a type; for an array, the conversion of a list of values.

    SQLAlchemy's own conversion for arrays also searches each value for nested arrays, which is slower.
    """
    if not isinstance(type_, ARRAY):
        return converter(type_)
    convert = convert_each(type_.item_type, converter)
    return None if convert is None else lambda values: [convert(value) for value in values]


def bound(type_: TypeEngine[Any]) -> Convert:
    """Returns the conversion of values for the driver. None if the driver accepts them unchanged."""
    return type_.dialect_impl(DIALECT).bind_processor(DIALECT)


def text_encoder(type_: TypeEngine[Any]) -> Convert:
    """Returns the conversion to text for UUIDs and timestamps, and None for other types."""
    return text_of if isinstance(stored_type(type_), Uuid | DateTime) else None


def text_of(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


@contextmanager
def as_sqlalchemy_errors(statement: str) -> Iterator[None]:
    """Converts errors of the driver in the block to `DBAPIError` or, if the connection was lost, `ConnectionError`."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise DBAPIError(statement, None, error, hide_parameters=True) from error
    except asyncpg.InterfaceError as error:
        # The driver also raises InterfaceError for a value that it cannot send, in a subclass of ValueError.
        if isinstance(error, ValueError):
            raise
        raise ConnectionError("The connection to the database was lost.") from error


DRIVER = "driver"
LISTENERS = "listeners"
"""Keys in the `info` of a session: the driver's connection of its transaction, and callbacks for each statement."""


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """Returns the driver's connection of a session: that of its transaction, else the one that the session uses."""
    driver: asyncpg.Connection | None = session.info.get(DRIVER)
    if driver is None:
        connection = await (await session.connection()).get_raw_connection()
        driver = connection.driver_connection
    return cast("asyncpg.Connection", driver)
