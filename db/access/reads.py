"""Reads of a request: statements that are compiled once and return the driver's rows, all on one connection.

Reads bypass the ORM session for speed. See docs/decisions/0011-rows-as-the-driver-gives-them.md for the measurements.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self, cast

import asyncpg
from sqlalchemy import CompoundSelect, PoolProxiedConnection, Select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.access.rows import row_class
from db.access.scope import Scope
from db.access.statements import CUSTOMER, KEY, ROWS_LEFT, Compiled, Statement
from db.driver.connection import CONNECTION_LOST, discard_connection, driver_connection, return_to_pool
from db.driver.patience import running_timeout
from db.driver.usage import TimedStatement
from db.models import Base


class RowQuery(Statement):
    """A SELECT whose rows have all or some columns of `model`.

    With `for_values`, PostgreSQL plans each execution for its actual values. Otherwise it uses a generic plan after a
    few executions. That halves the cost of a lookup, but the plan would be bad for rare values.
    """

    def __init__(
        self, statement: Select[Any] | CompoundSelect[Any], model: type[Base], *, for_values: bool = False
    ) -> None:
        super().__init__(statement)
        self.row_class = row_class(model)
        self.for_values = for_values


class ListTooSlow(Exception):
    """A list exceeded its timeout, probably because no index serves its conditions and order."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Reads:
    """The reads of one request, limited to its scope: one statement at a time, in autocommit mode, on one connection.

    The first statement takes the connection from the pool; `release` returns it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        scope: Scope,
        session: Callable[[], AsyncSession],
        listeners: Sequence[Callable[[str], None]] = (),
        *,
        list_seconds: float | None = None,
    ) -> None:
        self._engine = engine
        self._scope = scope
        self._taken: PoolProxiedConnection | None = None
        self._driver: asyncpg.Connection | None = None
        self._canceled = False
        self._turn = asyncio.Lock()
        self._listeners = listeners
        self._list_seconds = list_seconds
        self.session = session
        """Creates an ORM session with the same scope. It uses another connection, from the pool for transactions."""

    async def rows(self, query: RowQuery, **values: object) -> Sequence[Any]:
        """Returns the rows of a query. Raises `RowBudgetExceeded`, `ConnectionError` and, for a list, `ListTooSlow`."""
        customer_id, budget = self._scope.customer_id, self._scope.budget
        compiled = query.compiled(scoped=customer_id is not None)
        async with self._turn:
            values |= {CUSTOMER: customer_id, KEY: self._scope.key_id}
            values[ROWS_LEFT] = None if budget is None else budget.left + 1
            for listener in self._listeners:
                listener(compiled.text)
            connection = await self._connection()
            with TimedStatement(compiled.text):
                try:
                    if query.for_values:
                        rows = await self._list(connection, query, compiled, values)
                    else:
                        rows = await self._fetch(connection, query, compiled, values)
                except asyncio.CancelledError:
                    self._canceled = True
                    raise
        if budget is not None:
            budget.spend(len(rows))
        return rows

    def charge(self, rows: int) -> None:
        """Charges work of the database to the row budget, as if `rows` rows were read. Raises `RowBudgetExceeded`."""
        if self._scope.budget is not None:
            self._scope.budget.spend(rows)

    async def _list(
        self, connection: asyncpg.Connection, query: RowQuery, compiled: Compiled, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Returns the rows of a list. Cancels the statement and raises `ListTooSlow` after `list_seconds`."""
        began = perf_counter()
        try:
            async with running_timeout(self._list_seconds):
                return await self._fetch(connection, query, compiled, values)
        except TimeoutError:
            if self._list_seconds is None or perf_counter() - began < self._list_seconds:
                # Another timeout: the database does not respond.
                raise
            taken, self._taken, self._driver = self._taken, None, None
            if taken is not None:
                await return_to_pool(taken, canceled=True)
            raise ListTooSlow(self._list_seconds) from None
        finally:
            if self._scope.budget is not None:
                self._scope.budget.search(perf_counter() - began)

    async def _fetch(
        self, connection: asyncpg.Connection, query: RowQuery, compiled: Compiled, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        try:
            return await fetch(connection, query, compiled, values)
        except CONNECTION_LOST:
            return await self._again(query, compiled, values)

    async def _connection(self) -> asyncpg.Connection:
        """Returns the connection of this request, which the first call takes from the pool."""
        if self._driver is None:
            self._taken = await self._engine.raw_connection()
            self._driver = driver_connection(self._taken)
        return self._driver

    async def _again(self, query: RowQuery, compiled: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
        """Repeats a read on another connection. Raises `ConnectionError` if that one is lost too.

        A connection that was lost while it was idle in the pool may fail only on its next use.
        """
        await self._drop()
        connection = await self._connection()
        try:
            return await fetch(connection, query, compiled, values)
        except CONNECTION_LOST as error:
            await self._drop()
            raise ConnectionError("The connection to the database was lost.") from error

    async def _drop(self) -> None:
        """Closes a lost connection and removes it from the pool."""
        taken, self._taken, self._driver = self._taken, None, None
        if taken is not None:
            await discard_connection(taken)

    async def release(self) -> None:
        """Returns the connection to the pool. The next statement takes one again."""
        async with self._turn:
            taken, self._taken, self._driver = self._taken, None, None
            canceled, self._canceled = self._canceled, False
            if taken is not None:
                await return_to_pool(taken, canceled=canceled)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()


async def fetch(
    connection: asyncpg.Connection, query: RowQuery, compiled: Compiled, values: Mapping[str, Any]
) -> Sequence[Any]:
    if query.for_values:
        # An unnamed statement is not kept, so PostgreSQL never switches to a generic plan.
        prepared = await connection.prepare(compiled.text, name="", record_class=query.row_class)
        return cast("Sequence[Any]", await prepared.fetch(*compiled.texts(values)))
    rows: Sequence[Any] = await connection.fetch(compiled.text, *compiled.texts(values), record_class=query.row_class)
    return rows
