"""Fixtures for servers that require API keys."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import httpx
import pytest

from billing.enums import ApiKeyScope, CustomerPermission
from billing.ids import CustomerId, PlanId
from db.database import Database
from graph.server.app import create_app
from graph.settings import Settings
from services.api_keys import Issued, create_api_key
from services.customer_sessions import create_customer_session
from tests.support import Api, TestClock, patient

Serving = Callable[..., Awaitable[Callable[[str | None], Api]]]


@pytest.fixture
async def serving(database: Database, clock: TestClock) -> AsyncIterator[Serving]:
    """Factory of servers over the test's database. Each returns a client for a token."""
    async with AsyncExitStack() as stack:

        async def serve(settings: Settings) -> Callable[[str | None], Api]:
            transport = httpx.ASGITransport(create_app(database, settings=patient(settings), clock=clock))

            def client(token: str | None) -> Api:
                headers = {} if token is None else {"authorization": f"Bearer {token}"}
                made = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)
                stack.push_async_callback(made.aclose)
                return Api(made)

            return client

        yield serve


async def a_key(database: Database, clock: TestClock, scope: ApiKeyScope) -> Issued:
    async with database.sessions.begin() as session:
        return await create_api_key(session, name=scope.value, scope=scope, now=clock.now)


async def a_session(
    database: Database,
    clock: TestClock,
    customer_id: CustomerId,
    *permissions: CustomerPermission,
    plan_ids: Sequence[PlanId] = (),
    seconds: int = 900,
) -> str:
    """Creates a customer session and returns its token."""
    async with database.sessions.begin() as session:
        issued = await create_customer_session(
            session,
            customer_id=customer_id,
            seconds=seconds,
            permissions=permissions,
            plan_ids=plan_ids,
            now=clock.now,
        )
    return issued.token
