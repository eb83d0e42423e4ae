"""The caller of a request, as the API shows it."""

from uuid import UUID

import pytest

from billing.enums import ApiKeyScope
from billing.ids import CustomerId
from db.database import Database
from graph.settings import Settings
from tests.access.conftest import Serving, a_key, a_session
from tests.support import TestClock

VIEWER = "{ viewer { scope customerId } }"


async def test_without_a_key_the_caller_may_do_everything(serving: Serving) -> None:
    api = (await serving(Settings()))(None)

    assert await api(VIEWER) == {"viewer": {"scope": "ADMIN", "customerId": None}}


@pytest.mark.parametrize("scope", [ApiKeyScope.READ, ApiKeyScope.WRITE, ApiKeyScope.ADMIN])
async def test_a_key_sees_its_scope(serving: Serving, database: Database, clock: TestClock, scope: ApiKeyScope) -> None:
    key = await a_key(database, clock, scope)
    api = (await serving(Settings(requires_key=True)))(key.token)

    assert await api(VIEWER) == {"viewer": {"scope": scope.value, "customerId": None}}


async def test_a_session_sees_its_customer(serving: Serving, database: Database, clock: TestClock) -> None:
    clients = await serving(Settings())
    customer_id = await clients(None).a_customer()

    session = clients(await a_session(database, clock, CustomerId(UUID(customer_id))))

    assert await session(VIEWER) == {"viewer": {"scope": "CUSTOMER", "customerId": customer_id}}
