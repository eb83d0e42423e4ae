"""Statements that are built and compiled by SQLAlchemy once, and sent by its driver.

Building a statement, finding it among the compiled ones and passing its rows on costs several times what the driver
takes to send it. What is sent for each request is written with names in the place of values, and kept compiled.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

import asyncpg
from sqlalchemy import ClauseElement, ColumnElement, CompoundSelect, Integer, Select, bindparam
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler

from db.rows import DIALECT
from db.scope import ANY_CUSTOMER, scope_of
from db.usage import Sent

KEPT = 1000
"""So many statements of one kind are kept compiled."""

CUSTOMER = "scope_customer_id"
ROWS_LEFT = "rows_left"
"""Names of parameters that have their value from the scope."""

CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)

SELECTS = (Select, CompoundSelect)

Shape = ParamSpec("Shape")
Kept = TypeVar("Kept")
Convert = Callable[[Any], Any] | None


def kept(build: Callable[Shape, Kept]) -> Callable[Shape, Kept]:
    """Keeps what `build` makes of a shape: a statement is built and compiled once."""
    return wraps(build)(lru_cache(maxsize=KEPT)(build))  # type: ignore[return-value]


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

    __slots__ = ("_converts_rows", "_parameters", "_results", "text")

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
        self._parameters: list[tuple[str, Any, Convert]] = [
            (
                CUSTOMER if compiled.params[name] == ANY_CUSTOMER.customer_id else name,
                compiled.params[name],
                compiled.binds[name].type.dialect_impl(DIALECT).bind_processor(DIALECT),
            )
            for name in compiled.positiontup or ()
        ]
        self._results: list[Convert] = [
            column.type.dialect_impl(DIALECT).result_processor(DIALECT, None) for column in columns
        ]
        self._converts_rows = any(convert is not None for convert in self._results)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the parameters; for one that is not given, what the statement has for it."""
        return [
            value if convert is None else convert(value)
            for value, convert in (
                (values.get(name, by_default), convert) for name, by_default, convert in self._parameters
            )
        ]

    def texts(self, values: Mapping[str, Any]) -> list[Any]:
        """As `arguments`, for a connection that takes what has a text as it is."""
        return [values.get(name, by_default) for name, by_default, _ in self._parameters]

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
    given = {**values, CUSTOMER: customer_id, ROWS_LEFT: None if budget is None else budget.left + 1}
    driver = await driver_of(session)
    for listener in session.info.get(LISTENERS, ()):
        listener(compiled.text)
    try:
        with Sent(compiled.text):
            rows = await driver.fetch(compiled.text, *compiled.arguments(given))
    except asyncpg.PostgresError as error:
        raise DBAPIError(compiled.text, None, error, hide_parameters=True) from error
    except asyncpg.InterfaceError as error:
        raise ConnectionError("The connection to the database is lost.") from error
    if budget is not None:
        budget.spend(len(rows))
    return compiled.plain(rows)


DRIVER = "driver"
LISTENERS = "listeners"
"""Where a session's `info` has the driver's connection for a transaction, and who is told of what is sent on it."""


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """The driver's connection, on which the session's transaction has begun."""
    known = session.info.get(DRIVER)
    if known is not None and known[0] is session.sync_session.get_transaction():
        return cast("asyncpg.Connection", known[1])
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = cast("asyncpg.Connection", raw.driver_connection)
    if not driver.is_in_transaction() and not getattr(raw.dbapi_connection, "autocommit", False):
        # SQLAlchemy begins a transaction with the first statement that it sends itself.
        await connection.exec_driver_sql("SELECT 1")
    session.info[DRIVER] = session.sync_session.get_transaction(), driver
    return driver
