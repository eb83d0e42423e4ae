"""Fixtures' building blocks: rows, a controllable clock, an API client, and counters of rows and SQL statements."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import event, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette

from billing.enums import PlanInterval, RunTrigger
from billing.ids import CustomerId, PlanId, new_id
from db.access.transactions import Sessions
from db.database import Database
from db.models import Base, Customer, Plan
from db.settings import DatabaseSettings
from graph.server.app import create_app
from graph.server.http import GraphQLEndpoint
from graph.server.live import Live
from graph.settings import Limits, Settings
from services.runs import Report, run_renewals

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

PATIENCE_SECONDS = 300
"""Timeout for each wait of a test, in seconds. Even on a slow machine, only a bug takes longer."""


PATIENT_DATABASE = DatabaseSettings(
    pool_timeout_seconds=PATIENCE_SECONDS,
    statement_timeout_ms=1000 * PATIENCE_SECONDS,
    idle_in_transaction_timeout_ms=1000 * PATIENCE_SECONDS,
)
"""Settings for tests that are not about these limits. The lock timeout is the usual one: tests of locks wait for it."""


def patient(settings: Settings = Settings()) -> Settings:  # noqa: B008 - frozen
    """Returns the settings with time limits that a slow machine cannot reach. Limits that a test has set are kept."""
    limits, usual = settings.limits, Limits()
    seconds = PATIENCE_SECONDS if limits.seconds == usual.seconds else limits.seconds
    list_seconds = PATIENCE_SECONDS if limits.list_seconds == usual.list_seconds else limits.list_seconds
    # A slow request is logged as such, not like the others.
    slow_ms = 1000 * PATIENCE_SECONDS if settings.slow_ms == Settings().slow_ms else settings.slow_ms
    limits = replace(limits, seconds=seconds, list_seconds=list_seconds)
    return replace(settings, limits=limits, slow_ms=slow_ms)


FAR_SECONDS = 2 * PATIENCE_SECONDS
PATIENT_ENVIRONMENT = {
    "BILLING_MAX_READ_SECONDS": f"{FAR_SECONDS}",
    "BILLING_MAX_SECONDS": f"{FAR_SECONDS}",
    "BILLING_MAX_LIST_SECONDS": f"{FAR_SECONDS}",
    "BILLING_POOL_TIMEOUT_SECONDS": f"{FAR_SECONDS}",
    "BILLING_LOCK_TIMEOUT_MS": f"{FAR_SECONDS}000",
    "BILLING_STATEMENT_TIMEOUT_MS": f"{FAR_SECONDS}000",
    "BILLING_IDLE_IN_TRANSACTION_TIMEOUT_MS": f"{FAR_SECONDS}000",
    "BILLING_SLOW_MS": f"{FAR_SECONDS}000",
}
"""Environment of a server whose time limits a slow machine cannot reach. Each is longer than a test waits."""


@dataclass
class TestClock:
    """Clock that returns the time set by the test."""

    __test__ = False

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


def a_customer(**columns: Any) -> Customer:
    name = uuid4().hex
    return Customer(
        **{
            "id": CustomerId(new_id()),
            "name": "Ada Lovelace",
            "email": f"{name}@example.com",
            "email_key": f"{name}@example.com",
            "external_id": None,
            "address": None,
            "tax_id": None,
            "currency": None,
            "invoice_prefix": name[:10].upper(),
            "last_invoice_number": 0,
            "balance_cents": 0,
            "last_ledger_number": 0,
            "net_days": None,
            "test_clock_id": None,
            "custom_metadata": {},
            "archived_at": None,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        | columns
    )


def a_plan(**columns: Any) -> Plan:
    return Plan(
        **{
            "id": PlanId(new_id()),
            "code": uuid4().hex,
            "name": "Pro",
            "description": None,
            "amount_cents": 2900,
            "currency": "EUR",
            "interval": PlanInterval.DAY,
            "interval_count": 30,
            "trial_days": 0,
            "net_days": None,
            "custom_metadata": {},
            "archived_at": None,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        | columns
    )


async def stored(sessions: Sessions, *rows: Any) -> Any:
    """Inserts the rows in this order and returns them: a single row as it is, several as a tuple."""
    async with sessions.begin() as session:
        for row in rows:
            session.add(row)
            await session.flush()
    return rows if len(rows) > 1 else rows[0]


@asynccontextmanager
async def undone(database: Database) -> AsyncIterator[AsyncSession]:
    """Opens a session that is rolled back at the end of the block, unless the test commits it."""
    engine = database.engine.execution_options(isolation_level="READ COMMITTED")
    async with AsyncSession(engine) as session:
        yield session


async def count(sessions: Sessions, *models: type[Base]) -> int:
    """Returns the total number of rows in the tables."""
    async with sessions() as session:
        return sum([await session.scalar(select(func.count()).select_from(model)) or 0 for model in models])


def day(days: float) -> str:
    """Returns the instant this many days after `NOW`, in the API's format."""
    return f"{NOW + timedelta(days=days):%FT%TZ}"


async def run(database: Database, clock: TestClock) -> Report:
    """Does one renewal run at the current time of the clock, as the server does in the background."""
    return await run_renewals(database, as_of=clock.now, now=clock.now, trigger=RunTrigger.SERVER)


@dataclass
class Statements:
    """SQL statements that were sent to the database."""

    texts: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)


@contextmanager
def counted_statements(database: Database) -> Iterator[Statements]:
    """Records the statements that are sent to the database within the block."""
    statements = Statements()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.texts.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    database.listeners.append(statements.texts.append)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
        database.listeners.remove(statements.texts.append)


def refusal(payload: Any) -> tuple[str, list[str] | None]:
    """Returns the code and field of the only user error in a payload."""
    [error] = payload["userErrors"]
    assert error["message"]
    return error["code"], error["field"]


class Api:
    """GraphQL client with shortcuts for mutations and test objects."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def __call__(self, query: str, **variables: Any) -> Any:
        """Runs a query and returns its `data`. Fails the test on any error."""
        answer = await self.post(query, **variables)
        document = answer.json()
        assert answer.status_code == 200, document
        assert "errors" not in document, document
        return document["data"]

    async def post(self, query: str, **variables: Any) -> httpx.Response:
        return await self.client.post("/graphql", json={"query": query, "variables": variables})

    async def mutate(self, name: str, selection: str, /, **fields: Any) -> Any:
        """Runs the mutation `name` and returns its payload with `selection` and `userErrors`."""
        input_type = f"{name[0].upper()}{name[1:]}Input"
        query = (
            f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ {selection} "
            "userErrors { code message field } } }"
        )
        return (await self(query, input=fields))[name]

    async def a_customer(self, **fields: Any) -> str:
        """Creates a customer and returns its id."""
        fields = {"name": "Ada Lovelace", "email": f"{uuid4().hex}@example.com", **fields}
        payload = await self.mutate("createCustomer", "customer { id }", **fields)
        assert payload["userErrors"] == []
        return str(payload["customer"]["id"])

    async def a_plan(self, **fields: Any) -> str:
        """Creates a plan and returns its id."""
        fields = {"code": uuid4().hex, "name": "Pro", "amountCents": 2900, "currency": "EUR", **fields}
        payload = await self.mutate("createPlan", "plan { id }", **fields)
        assert payload["userErrors"] == []
        return str(payload["plan"]["id"])

    async def a_subscription(self, customer_id: str | None = None, plan_id: str | None = None, **fields: Any) -> str:
        """Creates a subscription and returns its id. Creates the customer and the plan if they are not given."""
        fields = {
            "customerId": customer_id or await self.a_customer(),
            "planId": plan_id or await self.a_plan(),
            **fields,
        }
        payload = await self.mutate("createSubscription", "subscription { id }", **fields)
        assert payload["userErrors"] == [], payload
        return str(payload["subscription"]["id"])


async def read_subscription(api: Api, subscription_id: str, selection: str) -> Any:
    data = await api(f"query ($id: ID!) {{ subscription(id: $id) {{ {selection} }} }}", id=subscription_id)
    return data["subscription"]


@asynccontextmanager
async def api_over(url: str) -> AsyncIterator[tuple[Api, Database]]:
    """Opens a client of the API over the database at a URL. Requests do not go through a socket."""
    database = Database(url, PATIENT_DATABASE)
    transport = httpx.ASGITransport(create_app(database, settings=patient()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client), database
    await database.close()


ALL_SETTLED = "SELECT bool_and(xid < event_horizon()) FROM events"


async def events_settle(database: Database) -> None:
    """Waits until the feed includes all events: no older transaction is open, in this or any other database of the
    server.
    """
    async with asyncio.timeout(PATIENCE_SECONDS), database.sessions() as session:
        while not await session.scalar(text(ALL_SETTLED)):  # noqa: ASYNC110 - PostgreSQL cannot notify us of this
            await asyncio.sleep(0.01)


def live_of(app: Starlette) -> Live:
    """Returns the streams of a server. Tests that do not run its lifespan must run them."""
    endpoints = (getattr(route, "endpoint", None) for route in app.routes)
    [endpoint] = [each for each in endpoints if isinstance(each, GraphQLEndpoint)]
    return endpoint.live
