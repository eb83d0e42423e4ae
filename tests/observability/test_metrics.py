"""`/metrics`, as Prometheus reads it."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.routing import Mount, Route, WebSocketRoute

from billing.enums import ApiKeyScope
from billing.ids import CustomerId
from db.access.transactions import Sessions
from db.database import Database
from db.embedded import EmbeddedPostgres
from db.models import BillingHold
from graph.observability.metrics import RETRIED
from graph.observability.middleware import ROUTES
from graph.server.app import create_app
from graph.server.dashboard import PAGES
from graph.settings import Settings
from tests.access.conftest import a_key, a_session
from tests.cli.conftest import ROOT, Serve, Served
from tests.cli.test_serve import children_of
from tests.db.test_embedded import PACKAGES, as_root, ordinary_uid, python_for_all
from tests.faults.database.test_tried_again import failing_with, fault
from tests.folders import open_folder
from tests.observability.conftest import Samples, gone, samples, value
from tests.support import PATIENCE_SECONDS, Api, TestClock, patient, run, stored

COUNT = "query Count { customers { totalCount } }"
CREATE = 'mutation Create { createCustomer(input: {name: "Ada", email: "%s"}) { userErrors { code } } }'

QUIET = {"BILLING_AUTH": "off", "BILLING_RENEW": "off", "BILLING_METRICS": "on"}

Serving = Callable[..., Api]


@pytest.fixture
async def serving(database: Database, clock: TestClock) -> AsyncIterator[Serving]:
    """Creates servers with metrics over the test's database."""
    clients = []

    def serve(**settings: Any) -> Api:
        app = create_app(database, settings=patient(Settings(metrics=True, **settings)), clock=clock)
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost"))
        return Api(clients[-1])

    yield serve
    for client in clients:
        await client.aclose()


async def scraped(api: Api, **headers: str) -> Samples:
    answer = await api.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.text)


async def test_there_are_none_unless_that_is_set(api: Api) -> None:
    assert (await api.client.get("/metrics")).status_code == 404


async def test_requests_operations_and_errors_are_counted(serving: Serving, tmp_path: Path) -> None:
    trusted = tmp_path / "documents.json"
    trusted.write_text(json.dumps({"hash": COUNT}))
    api = serving(trusted_documents=trusted)

    await api.client.post("/graphql", json={"documentId": "hash"})
    await api.post(COUNT)
    for name in "ABC":
        await api.post(f"query {name} {{ customers {{ totalCount }} }}")
    for _ in range(2):
        await api.post(CREATE % "ada@example.com")
    await api.post("{ nothing }")
    await api.post('{ customers(after: "x") { totalCount } }')
    await api.client.get("/health")
    for path in ("/a", "/b"):
        await api.client.get(path)
    found = await scraped(api)

    assert value(found, "operations_total", operation="Count", type="query", result="ok") == 2
    assert value(found, "operations_total", operation="other", type="query", result="ok") == 3
    assert value(found, "operations_total", operation="other", type="query", result="error") == 1
    assert value(found, "operations_total", operation="other", type="mutation", result="ok") == 1
    assert value(found, "operations_total", operation="other", type="mutation", result="refused") == 1
    assert sum(count for (name, _), count in found.items() if name == "billing_operations_total") == 8
    assert value(found, "operation_duration_seconds_count", operation="Count", type="query") == 2
    assert value(found, "errors_total", code="GRAPHQL_VALIDATION_FAILED") == 1
    assert value(found, "errors_total", code="BAD_USER_INPUT") == 1
    assert value(found, "errors_total", code="INTERNAL_SERVER_ERROR") == 0
    assert value(found, "refusals_total", code="EMAIL_TAKEN") == 1
    assert value(found, "http_requests_total", route="/graphql", status="200") == 9
    assert value(found, "http_requests_total", route="/health", status="200") == 1
    assert value(found, "http_requests_total", route="other", status="404") == 2


async def test_each_route_is_told_by_its_name(database: Database) -> None:
    """The pages below `/`, the files of pages, and unknown paths are counted as `other`."""
    app = create_app(database, settings=Settings(metrics=True))

    pages = {path for name in PAGES for path in (f"/{name}", f"/{name}/{{path:path}}")}
    assert {route.path for route in app.routes if isinstance(route, Route)} == ROUTES | pages
    assert [route.path for route in app.routes if isinstance(route, Mount)] == [
        "/static/dashboard/assets",
        "/static/playground/assets",
    ]
    # A WebSocket is not an HTTP request, so it is not counted.
    assert [route.path for route in app.routes if isinstance(route, WebSocketRoute)] == ["/graphql"]
    assert len(app.routes) == len(ROUTES) + len(pages) + 3


async def test_clients_can_make_no_more_series(serving: Serving) -> None:
    api = serving()

    async def ask(number: int) -> None:
        await api.post(f"query Q{number} {{ customers {{ totalCount }} }}")
        await api.client.get(f"/{number}")
        await api.client.request(f"METHOD{number}", "/graphql")

    await ask(0)
    await scraped(api)
    before = await scraped(api)
    for number in range(1, 30):
        await ask(number)

    assert (await scraped(api)).keys() == before.keys()


async def test_names_and_units_are_prometheus_own(serving: Serving) -> None:
    api = serving()
    await api.post(COUNT)
    families = [*text_string_to_metric_families((await api.client.get("/metrics")).text)]

    assert len(families) == len({family.name for family in families}) >= 15
    for family in families:
        assert family.name.startswith("billing_")
        assert family.documentation
        assert family.name.endswith("_seconds") or family.type != "histogram"
        assert family.type in ("counter", "gauge", "histogram")


@pytest.mark.parametrize("sqlstate", RETRIED)
async def test_what_is_done_again_is_counted_by_sqlstate(serving: Serving, database_url: str, sqlstate: str) -> None:
    api = serving()
    await fault(database_url, failing_with(sqlstate), times=2)
    answer = await api.post(CREATE % "ada@example.com")
    found = await scraped(api)

    assert answer.json()["data"] == {"createCustomer": {"userErrors": []}}
    counted = {state: value(found, "transactions_retried_total", sqlstate=state) for state in RETRIED}
    assert counted == {state: 2 if state == sqlstate else 0 for state in RETRIED}


@as_root
def test_a_number_that_went_from_a_dead_worker_to_another_users_process_is_forgotten() -> None:
    program = (
        "import sys; from pathlib import Path; from graph.observability.metrics import remove_dead_workers;"
        " remove_dead_workers(Path(sys.argv[1]))"
    )
    with open_folder("metrics") as folder:
        folder.chmod(0o777)
        # A file of the first process, owned by root.
        (folder / "gauge_livesum_1.db").touch(0o666)

        subprocess.run(
            [python_for_all(), "-c", program, str(folder)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{PACKAGES}"},
            user=ordinary_uid(),
            extra_groups=[],
            check=True,
            timeout=PATIENCE_SECONDS,
        )

        assert list(folder.iterdir()) == []


async def test_the_pool_is_counted_as_it_is(serving: Serving, database: Database) -> None:
    api = serving()
    async with database.engine.connect(), database.engine.connect():
        busy = await scraped(api)
    idle = await scraped(api)

    assert value(busy, "pool_connections_in_use", pool="work") == 2
    assert value(idle, "pool_connections_in_use", pool="work") == 0
    assert value(idle, "pool_connections_in_use", pool="answers") == 0
    assert value(idle, "pool_connections_max", pool="work") == database.pools["work"].size()
    waited = value(idle, "pool_wait_seconds_count", pool="work")
    assert waited is not None
    assert waited >= 4


async def test_the_lag_is_that_of_what_is_due_and_not_on_hold(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    api = serving()
    subscription = await api.a_subscription()
    clock.forward(hours=1)
    await api.a_subscription()
    on_time = await scraped(api)
    clock.forward(days=30, hours=1)
    late = await scraped(api)
    async with database.sessions.begin() as session:
        row = (
            await session.execute(
                text("SELECT id, customer_id FROM subscriptions WHERE id = :id"), {"id": subscription}
            )
        ).one()
    await stored(
        database.sessions,
        BillingHold(
            subscription_id=row.id,
            customer_id=CustomerId(row.customer_id),
            reason="of the test",
            attempts=1,
            since=clock.now,
            retry_at=clock.now,
        ),
    )
    one_held = await scraped(api)
    async with database.sessions.begin() as session:
        await session.execute(text("DELETE FROM billing_holds"))
    await run(database, clock)
    renewed = await scraped(api)

    figures = [
        (value(found, "renewal_lag_seconds"), value(found, "holds")) for found in (on_time, late, one_held, renewed)
    ]
    assert figures == [(0, 0), (7200, 0), (3600, 1), (0, 0)]


async def test_pools_are_looked_at_also_after_that_has_failed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(database, settings=Settings(metrics=True))
    async with app.router.lifespan_context(app):
        for times in (1, 2):
            for on_wait in database.pools["work"].waited:
                on_wait(cast("float", "no number"))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while caplog.text.count("cannot record the metrics of connections and streams") < times:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)


async def test_renewals_are_counted(database: Database, clock: TestClock) -> None:
    app = create_app(database, settings=Settings(metrics=True), clock=clock, renew_every=0.05)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        api = Api(client)
        await api.a_subscription()
        clock.forward(days=30)
        async with app.router.lifespan_context(app):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while value(found := await scraped(api), "renewals_total", result="renewed") == 0:
                assert time.monotonic() < deadline

    assert value(found, "renewals_total", result="renewed") == 1
    assert value(found, "renewals_total", result="failed") == 0
    assert value(found, "renewal_invoices_total") == 1
    runs = value(found, "renewal_runs_total", result="ok")
    assert runs is not None
    assert runs >= 1


async def test_what_was_renewed_is_counted_also_where_something_fails_afterwards(
    database: Database, clock: TestClock, sessions: Sessions
) -> None:
    app = create_app(database, settings=Settings(metrics=True), clock=clock, renew_every=0.05)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        api = Api(client)
        await api.a_subscription()
        clock.forward(days=30)
        # Expired rows are deleted after the renewals.
        async with sessions.begin() as session:
            await session.execute(text("ALTER TABLE idempotency_keys RENAME TO other_keys"))
        async with app.router.lifespan_context(app):
            deadline = time.monotonic() + PATIENCE_SECONDS
            # More than one failure shows that the loop continues after the first.
            while value(found := await scraped(api), "renewal_runs_total", result="failed") in (None, 0, 1):
                assert time.monotonic() < deadline

    assert value(found, "renewals_total", result="renewed") == 1
    assert value(found, "renewal_invoices_total") == 1
    assert value(found, "renewal_runs_total", result="ok") == 0


async def test_who_may_read_by_the_api_may_read_them(serving: Serving, database: Database, clock: TestClock) -> None:
    open_api = serving()
    customer = CustomerId(UUID(await open_api.a_customer()))
    api = serving(requires_key=True)
    tokens = {
        "none": None,
        "garbage": "Bearer garbage",
        "read": f"Bearer {(await a_key(database, clock, ApiKeyScope.READ)).token}",
        "session": f"Bearer {await a_session(database, clock, customer)}",
    }
    statuses = {
        name: (
            await api.client.get("/metrics", headers={} if header is None else {"authorization": header})
        ).status_code
        for name, header in tokens.items()
    }
    elsewhere = await open_api.client.get("/metrics", headers={"host": "evil.example.com"})

    assert statuses == {"none": 401, "garbage": 401, "read": 200, "session": 403}
    assert elsewhere.status_code == 403


async def test_they_are_there_while_the_database_is_not(
    serving: Serving, database: Database, clock: TestClock, server: EmbeddedPostgres, database_url: str
) -> None:
    api = serving(requires_key=True)
    known = f"Bearer {(await a_key(database, clock, ApiKeyScope.READ)).token}"
    unknown = f"Bearer {(await a_key(database, clock, ApiKeyScope.READ)).token}"
    up = await scraped(api, authorization=known)

    clock.forward(minutes=1)
    async with gone(server, database_url):
        down = await scraped(api, authorization=known)
        refused = await api.client.get("/metrics", headers={"authorization": unknown})
    back = await scraped(api, authorization=known)

    assert value(back, "database_up") == 1
    assert (value(up, "database_up"), value(up, "holds")) == (1, 0)
    assert (value(down, "database_up"), value(down, "holds"), value(down, "renewal_lag_seconds")) == (0, None, None)
    assert value(down, "http_requests_total", route="/metrics", status="200") == 1
    assert refused.status_code == 503


def test_several_workers_tell_the_figures_of_all(serve: Serve, database_url: str) -> None:
    served = serve("--workers", "3", environment={**QUIET, "DATABASE_URL": database_url})
    asked = 40
    for _ in range(asked):
        # Uses a connection per request, so that any worker may get it.
        served.graphql(COUNT)

    def counted(served: Served) -> tuple[float | None, float | None, float | None]:
        found = samples(httpx.get(f"{served.url}/metrics", timeout=30).text)
        return (
            value(found, "operations_total", operation="other", type="query", result="ok"),
            value(found, "operation_duration_seconds_count", operation="other", type="query"),
            value(found, "pool_connections_max", pool="work"),
        )

    deadline = time.monotonic() + PATIENCE_SECONDS
    # A worker writes its counters with a short delay.
    while counted(served) != (asked, asked, 18):
        assert time.monotonic() < deadline, counted(served)
        time.sleep(0.05)
    before = {counted(served) for _ in range(10)}
    workers = children_of(served.process.pid)
    os.kill(workers[-1], signal.SIGKILL)
    [folder] = [
        each for each in Path(gettempdir()).glob("billing-metrics-*") if (each / f"counter_{workers[-1]}.db").exists()
    ]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len([*folder.glob("counter_*.db")]) < 4 or counted(served)[2] != 18:
        assert time.monotonic() < deadline, "no worker takes the place of the one that was killed"
        time.sleep(0.05)
    after = counted(served)

    assert before == {(asked, asked, 18)}
    # Counters of an exited worker remain, while its connections are no longer counted.
    assert after == (asked, asked, 18)
    assert served.stop(signal.SIGTERM) == 0
    assert not folder.exists()
