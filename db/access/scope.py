"""Sessions with a scope: what a request may see, how many rows it may read, and who it is.

The scope is in the session, not in the statements: each SELECT of a table is narrowed to the customer, and limited to
the rows that are left, before it is sent. A read that somebody forgot to narrow does not exist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias
from uuid import uuid4

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, event, false
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.orm.interfaces import ORMOption

from billing.ids import ApiKeyId, CustomerId
from billing.words import API_ACTOR
from db.models import Base, IdempotencyKey, Plan
from db.models.kinds import VISIBLE, is_the_customers_plan

SCOPE = "scope"
BUDGET = "row_budget"


class RowBudgetExceeded(Exception):
    """A request has read more rows than it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


FREE_SECONDS = 0.1
"""Time that a list may take without being charged for it."""


@dataclass(slots=True)
class RowBudget:
    """How many rows a request may read, and give: what a dataloader has read once may be given many times."""

    limit: int
    read: int = 0
    given: int = 0
    slow_seconds: float = 0.0
    """Seconds that lists took beyond `FREE_SECONDS` each."""

    @property
    def left(self) -> int:
        return max(0, self.limit - self.read)

    def spend(self, rows: int) -> None:
        """Counts rows that were read. Raises `RowBudgetExceeded`."""
        self.read += rows
        if self.read > self.limit:
            raise RowBudgetExceeded(self.limit)

    def search(self, seconds: float) -> None:
        """Counts the time that a list took which no index may serve."""
        self.slow_seconds += max(0.0, seconds - FREE_SECONDS)

    def give(self, rows: int) -> None:
        """Counts rows of lists that are given. Raises `RowBudgetExceeded`."""
        self.given += rows
        if self.given > self.limit:
            raise RowBudgetExceeded(self.limit)


@dataclass(frozen=True)
class Scope:
    """Who reads and writes, for the time of a request.

    Where `customer_id` is set, no other customer's rows exist, no drafts of invoices, and of what belongs to no
    customer only the test clock in whose time the customer lives, the plans that it has or had, and those that its
    session offers, whose key is `key_id`.
    """

    actor: str
    customer_id: CustomerId | None = None
    budget: RowBudget | None = field(default=None, compare=False)
    key_id: ApiKeyId | None = None

    @cached_property
    def criteria(self) -> Sequence[ORMOption]:
        """What narrows a SELECT of any table."""
        if self.customer_id is None:
            return ()
        assert self.key_id is not None, "a customer reads by a session"
        return [
            with_loader_criteria(model, criterion, include_aliases=True)
            for model in (mapper.class_ for mapper in Base.registry.mappers)
            if (criterion := visible(model, self.customer_id, self.key_id)) is not None
        ]


ANY_CUSTOMER = Scope("nobody", CustomerId(uuid4()), key_id=ApiKeyId(uuid4()))
"""Stands in for the scope of any customer: of a statement that is compiled with it, the values of the parameters that
have this `customer_id` and this `key_id` are put in when it is sent. It is nobody's: a statement that is sent as it is
finds nothing.
"""

Criterion = Callable[[Any], ColumnElement[bool]]


def visible(model: type[Base], customer_id: CustomerId, key_id: ApiKeyId) -> Criterion | None:
    """Which rows of a table, or of an alias of it, one customer sees: none, unless it is said. None stands for all."""
    # Idempotency keys are found by the API key that sent them.
    if model is IdempotencyKey:
        return None
    if model is Plan:
        return lambda rows: is_the_customers_plan(rows, customer_id, key_id)
    condition = VISIBLE.get(model)
    if condition is None:
        return lambda _: false()
    return lambda rows: condition(rows, customer_id)


class ScopedSession(Session):
    """A session that keeps to the `Scope` in its `info`, where there is one."""


def scope_of(session: AsyncSession) -> Scope | None:
    found: Scope | None = session.info.get(SCOPE)
    return found


def actor_of(session: AsyncSession) -> str:
    """Who is named in the events of what the session changes."""
    scope = scope_of(session)
    return scope.actor if scope else API_ACTOR


Query: TypeAlias = Select[Any] | CompoundSelect[Any]


def in_scope(statement: Query, scope: Scope) -> tuple[Query, dict[str, RowBudget]]:
    """The statement narrowed and limited to the scope, and the options it is to be sent with."""
    if scope.customer_id is not None:
        statement = statement.options(*scope.criteria)
    if scope.budget is None:
        return statement, {}
    if statement._limit_clause is None:  # noqa: SLF001 - there is no public way to ask
        statement = statement.limit(scope.budget.left + 1)
    return statement, {BUDGET: scope.budget}


@event.listens_for(ScopedSession, "do_orm_execute")
def keep_to_scope(state: ORMExecuteState) -> None:
    scope: Scope | None = state.session.info.get(SCOPE)
    if scope is not None and isinstance(state.statement, Select | CompoundSelect):
        state.statement, options = in_scope(state.statement, scope)
        state.update_execution_options(**options)


def count_rows(
    _connection: Connection,
    cursor: DBAPICursor,
    _statement: str,
    _parameters: object,
    context: ExecutionContext | None,
    _executemany: bool,
) -> None:
    """Counts what a statement has read, for the request whose budget it names."""
    budget: RowBudget | None = context.execution_options.get(BUDGET) if context else None
    if budget is not None:
        budget.spend(max(0, cursor.rowcount))
