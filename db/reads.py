"""Reads of a request: statements that are compiled once, sent on one connection, and answered with plain rows.

This is the short way from a statement to what is sent to the client. What it leaves out, beside the session of
SQLAlchemy, is written down with what it costs in docs/decisions/0011-rows-as-the-driver-gives-them.md.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from types import TracebackType
from typing import Any, ParamSpec, Self, cast

import asyncpg
from sqlalchemy import CompoundSelect, Integer, PoolProxiedConnection, Select, bindparam
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util import greenlet_spawn

from db.models import Base
from db.rows import DIALECT, Row, row_class
from db.scope import ANY_CUSTOMER, Scope

KEPT = 2000
"""So many statements are kept compiled."""

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

Shape = ParamSpec("Shape")


class Query:
    """A SELECT whose parameters have names, and whose rows are those of `model`, or some of their columns.

    It is written with mapped classes, so that it can be narrowed to what one customer sees.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any], model: type[Base]) -> None:
        self._statement = statement
        self._row_class = row_class(model)
        self._compiled: dict[bool, Compiled] = {}

    def compiled(self, *, scoped: bool) -> "Compiled":
        """The statement for the driver; `scoped`, one that is narrowed to a customer."""
        found = self._compiled.get(scoped)
        if found is None:
            found = self._compiled[scoped] = self._compile(scoped=scoped)
        return found

    def _compile(self, *, scoped: bool) -> "Compiled":
        statement = self._statement
        if scoped:
            statement = statement.options(*ANY_CUSTOMER.criteria)
        if statement._limit_clause is None:  # noqa: SLF001 - there is no public way to ask
            statement = statement.limit(bindparam(ROWS_LEFT, type_=Integer()))
        compiled = statement.compile(dialect=DIALECT)
        names: Sequence[str] = compiled.positiontup or ()
        parameters = [(name, compiled.params[name]) for name in names]
        return Compiled(
            str(compiled),
            [(CUSTOMER if value == ANY_CUSTOMER.customer_id else name, value) for name, value in parameters],
            self._row_class,
        )


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement for the driver: its text, and the names of its parameters in their order, each with the value that
    it has where none is given.
    """

    text: str
    parameters: list[tuple[str, Any]]
    row_class: type[Row]

    async def rows(self, connection: asyncpg.Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        arguments = [values.get(name, by_default) for name, by_default in self.parameters]
        rows: Sequence[Any] = await connection.fetch(self.text, *arguments, record_class=self.row_class)
        return rows


def query(build: Callable[Shape, Query]) -> Callable[Shape, Query]:
    """Keeps what `build` makes of a shape: a statement is built and compiled once."""
    return wraps(build)(lru_cache(maxsize=KEPT)(build))  # type: ignore[return-value]


class Reads:
    """What one request reads with: statements one after the other, on a connection of its own, on autocommit.

    The connection is taken with the first statement and given back by `release`. All that is read keeps to the scope.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        scope: Scope,
        session: Callable[[], AsyncSession],
        listeners: Sequence[Callable[[str], None]] = (),
    ) -> None:
        self._engine = engine
        self._scope = scope
        self._taken: PoolProxiedConnection | None = None
        self._turn = asyncio.Lock()
        self._listeners = listeners
        self.session = session
        """Makes a session for what is read by the mapper, or by the rules of billing; it keeps to the scope as well."""

    async def rows(self, query: Query, **values: object) -> Sequence[Any]:
        """The rows of a query with these values. Raises `RowBudgetExceeded`."""
        customer_id, budget = self._scope.customer_id, self._scope.budget
        compiled = query.compiled(scoped=customer_id is not None)
        async with self._turn:
            values[CUSTOMER], values[ROWS_LEFT] = customer_id, None if budget is None else budget.left + 1
            for listener in self._listeners:
                listener(compiled.text)
            connection = await self._connection()
            try:
                rows = await compiled.rows(connection, values)
            except CONNECTION_LOST:
                rows = await self._again(compiled, values)
        if budget is not None:
            budget.spend(len(rows))
        return rows

    async def _connection(self) -> asyncpg.Connection:
        """The connection of this request."""
        while self._taken is None:
            self._taken = await self._engine.raw_connection()
            if is_closed(self._taken):
                await self._drop()
        return cast("asyncpg.Connection", self._taken.driver_connection)

    async def _again(self, compiled: "Compiled", values: Mapping[str, Any]) -> Sequence[Any]:
        """Asks once more, on another connection: one that was lost while it lay in the pool may say so only when it is
        used, and a read has changed nothing. Raises `ConnectionError`.
        """
        await self._drop()
        connection = await self._connection()
        try:
            return await compiled.rows(connection, values)
        except CONNECTION_LOST as error:
            await self._drop()
            raise ConnectionError("The connection to the database is lost.") from error

    async def _drop(self) -> None:
        """Takes the connection out of the pool, which makes a new one when it is asked again."""
        taken, self._taken = self._taken, None
        if taken is not None:
            await greenlet_spawn(taken.invalidate)
            taken.close()

    async def release(self) -> None:
        """Gives the connection back; the next statement takes one again."""
        async with self._turn:
            if self._taken is not None and is_closed(self._taken):
                await self._drop()
            elif self._taken is not None:
                taken, self._taken = self._taken, None
                taken.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()


def is_closed(taken: PoolProxiedConnection) -> bool:
    connection = cast("asyncpg.Connection | None", taken.driver_connection)
    return connection is None or connection.is_closed()
