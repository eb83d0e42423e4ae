"""Figures of the business: allowed for all API keys, rejected for customer sessions. Demo data needs an ADMIN key."""

from uuid import UUID

import pytest

from billing.enums import ApiKeyScope, CustomerPermission
from billing.ids import CustomerId
from db.database import Database
from db.models import Customer
from graph.settings import Settings
from tests.access.conftest import Serving, a_key, a_session
from tests.support import Api, TestClock, count

FIGURES = '{ analytics { holds currencies { currency mrrCents(at: "2026-02-01T00:00:00Z") } } }'


@pytest.mark.parametrize("scope", [ApiKeyScope.READ, ApiKeyScope.ADMIN])
async def test_every_key_reads_figures(
    serving: Serving, api: Api, database: Database, clock: TestClock, scope: ApiKeyScope
) -> None:
    await api.a_subscription(plan_id=await api.a_plan(interval="MONTH", intervalCount=1))
    server = await serving(Settings(requires_key=True))
    reader = server((await a_key(database, clock, scope)).token)

    assert await reader(FIGURES) == {"analytics": {"holds": 0, "currencies": [{"currency": "EUR", "mrrCents": 2900}]}}


async def test_a_customer_session_reads_no_figures_but_its_changes_count(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    plan_id = await api.a_plan(interval="MONTH", intervalCount=1)
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, plan_id)
    await api.a_subscription(plan_id=plan_id)
    server = await serving(Settings(requires_key=True))
    may_cancel = CustomerPermission.CANCEL_SUBSCRIPTION
    session = server(await a_session(database, clock, CustomerId(UUID(customer_id)), may_cancel))

    refused = (await session.post(FIGURES)).json()
    clock.forward(seconds=1)
    ended = await session.mutate("cancelSubscription", "subscription { status }", id=subscription_id, atPeriodEnd=False)

    assert [error["extensions"]["code"] for error in refused["errors"]] == ["FORBIDDEN"]
    assert ended == {"subscription": {"status": "CANCELED"}, "userErrors": []}
    assert (await api(FIGURES))["analytics"]["currencies"][0]["mrrCents"] == 2900


@pytest.mark.parametrize("scope", [ApiKeyScope.READ, ApiKeyScope.WRITE])
async def test_demo_data_needs_an_admin(
    serving: Serving, database: Database, clock: TestClock, scope: ApiKeyScope
) -> None:
    server = await serving(Settings(requires_key=True))
    refused = server((await a_key(database, clock, scope)).token)
    document = "mutation { createDemoData(input: {customers: 1}) { customers } }"

    answer = (await refused.post(document)).json()

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert await count(database.sessions, Customer) == 0
