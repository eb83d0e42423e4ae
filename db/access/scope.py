"""Sessions with a scope: the actor of a request, the rows that it may see, and the number of rows that it may read.

The scope belongs to the session, not to the statements. Each SELECT is filtered by customer and limited to the
remaining row budget before it is sent, so no statement can omit the filter.
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

from billing.enums import API_ACTOR
from billing.ids import ApiKeyId, CustomerId
from db.models import Base, IdempotencyKey
from db.models.kinds import VISIBLE, VISIBLE_IN_SESSION

SCOPE = "scope"
BUDGET = "row_budget"


class RowBudgetExceeded(Exception):
    """A request exceeded its row budget."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


FREE_SECONDS = 0.1
"""Number of seconds that a list may take without being charged to the rate limit."""


@dataclass(slots=True)
class RowBudget:
    """The limit on the rows that a request may read, and on the rows in its response.

    The counts differ: a row that a dataloader has read once can be in the response many times.
    """

    limit: int
    read: int = 0
    given: int = 0
    slow_seconds: float = 0.0
    """Total time of lists, without the first `FREE_SECONDS` of each."""

    @property
    def left(self) -> int:
        return max(0, self.limit - self.read)

    def spend(self, rows: int) -> None:
        """Adds rows that were read. Raises `RowBudgetExceeded`."""
        self.read += rows
        if self.read > self.limit:
            raise RowBudgetExceeded(self.limit)

    def search(self, seconds: float) -> None:
        """Adds the time that a list took. It can be long if no index serves the list."""
        self.slow_seconds += max(0.0, seconds - FREE_SECONDS)

    def give(self, rows: int) -> None:
        """Adds rows of lists to the response. Raises `RowBudgetExceeded`."""
        self.given += rows
        if self.given > self.limit:
            raise RowBudgetExceeded(self.limit)


@dataclass(frozen=True)
class Scope:
    """The actor of a request, and the rows that it may see.

    With `customer_id`, the scope of a customer session whose API key is `key_id`: it sees only rows of this customer,
    no draft invoices, the customer's test clock, the plans that the customer has or had, and the session's `plan_ids`.
    """

    actor: str
    customer_id: CustomerId | None = None
    budget: RowBudget | None = field(default=None, compare=False)
    key_id: ApiKeyId | None = None

    @cached_property
    def criteria(self) -> Sequence[ORMOption]:
        """Options that filter a SELECT of any table by customer. Empty if all rows are visible."""
        if self.customer_id is None:
            return ()
        assert self.key_id is not None, "the scope of a customer has the key of its session"
        return [
            with_loader_criteria(model, criterion, include_aliases=True)
            for model in (mapper.class_ for mapper in Base.registry.mappers)
            if (criterion := visible(model, self.customer_id, self.key_id)) is not None
        ]


ANY_CUSTOMER = Scope("nobody", CustomerId(uuid4()), key_id=ApiKeyId(uuid4()))
"""Placeholder for the scope of any customer, with random ids.

Statements are compiled with it, and its `customer_id` and `key_id` are replaced by the actual ones when a statement is
sent. If they were not replaced, the statement would find no rows.
"""

Criterion = Callable[[Any], ColumnElement[bool]]


def visible(model: type[Base], customer_id: CustomerId, key_id: ApiKeyId) -> Criterion | None:
    """Returns the condition for the rows of a table that a customer may see: no rows by default. None: all rows."""
    # Idempotency keys are looked up by API key, so a session finds only its own.
    if model is IdempotencyKey:
        return None
    in_session = VISIBLE_IN_SESSION.get(model)
    if in_session is not None:
        return lambda rows: in_session(rows, customer_id, key_id)
    condition = VISIBLE.get(model)
    if condition is None:
        return lambda _: false()
    return lambda rows: condition(rows, customer_id)


class ScopedSession(Session):
    """A session whose SELECTs are limited to the `Scope` in its `info`, if it has one."""


def scope_of(session: AsyncSession) -> Scope | None:
    found: Scope | None = session.info.get(SCOPE)
    return found


def actor_of(session: AsyncSession) -> str:
    """Returns the actor for the events of changes that the session makes."""
    scope = scope_of(session)
    return scope.actor if scope else API_ACTOR


ScopedQuery: TypeAlias = Select[Any] | CompoundSelect[Any]


def in_scope(statement: ScopedQuery, scope: Scope) -> tuple[ScopedQuery, dict[str, RowBudget]]:
    """Returns the statement, filtered and limited by the scope, and its execution options."""
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
    """Charges the rows of a statement to the budget in its execution options."""
    budget: RowBudget | None = context.execution_options.get(BUDGET) if context else None
    if budget is not None:
        budget.spend(max(0, cursor.rowcount))
