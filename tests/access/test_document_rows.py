"""Rate limits: parsing and planning a document counts against the limit of the API key."""

import pytest

from billing.enums import ApiKeyScope
from db.database import Database
from graph.settings import Settings
from services.settings import RateLimit
from tests.access.conftest import Serving, a_key
from tests.scanners.expensive import Recipe
from tests.support import TestClock

LIMIT = RateLimit(rows_per_second=0.001, burst=200)
PADDING = "#" * 10_000
"""Comment that costs as much as a hundred rows."""


@pytest.mark.parametrize(
    ("documents", "statuses"),
    [
        ([f"{{ a: __typename }} {PADDING}"] * 10, [200] * 10),
        ([f"{{ a{n}: __typename }} {PADDING}" for n in range(4)], [200, 200, 429, 429]),
        ([f"{{ nothing }} {PADDING}"] * 3, [200, 200, 429]),
        ([Recipe(fragments=8, copies=30).text()] * 2, [200, 429]),
    ],
    ids=["one that is kept", "several", "one that is not valid", "one that is too large"],
)
async def test_a_key_is_charged_for_each_document_that_is_read(
    serving: Serving, database: Database, clock: TestClock, documents: list[str], statuses: list[int]
) -> None:
    server = await serving(Settings(requires_key=True, rate_limit=LIMIT))
    api = server((await a_key(database, clock, ApiKeyScope.READ)).token)

    assert [(await api.post(document)).status_code for document in documents] == statuses


async def test_a_key_is_charged_for_the_bytes_of_an_answer(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    server = await serving(Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=0.001, burst=40)))
    api = server((await a_key(database, clock, ApiKeyScope.READ)).token)

    answers = [await api.post("{ __schema { types { name fields { name description } } } }") for _ in range(2)]

    assert len(answers[0].content) > 40 * 1024
    assert [answer.status_code for answer in answers] == [200, 429]


async def test_a_key_is_charged_for_each_plan_that_is_made(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    """A document needs a separate query plan for each combination of its conditions."""
    conditions = " ".join(f"$c{n}: Boolean!" for n in range(6))
    fields = " ".join(f"a{n}: __typename" for n in range(13))
    conditional = " ".join(f"... @include(if: $c{n}) {{ __typename }}" for n in range(6))
    document = f"query ({conditions}) {{ {fields} {conditional} }}"
    server = await serving(Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=0.001, burst=100)))
    api = server((await a_key(database, clock, ApiKeyScope.READ)).token)

    async def send(truths: int) -> int:
        answer = await api.post(document, **{f"c{n}": bool(truths >> n & 1) for n in range(6)})
        return answer.status_code

    assert {await send(0) for _ in range(30)} == {200}
    assert 429 in [await send(truths) for truths in range(40)]


async def test_a_key_is_charged_for_variables_that_are_refused(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    uses = " ".join(f"a{n}: invoices(filter: {{status: $words}}) {{ totalCount }}" for n in range(20))
    document = f"query ($words: [InvoiceStatus!]) {{ {uses} }}"
    server = await serving(Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=0.001, burst=500)))
    api = server((await a_key(database, clock, ApiKeyScope.READ)).token)

    answers = [await api.post(document, words=["OPEN"] * 30_000) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].json()["errors"][0]["extensions"] == {
        "code": "COST_LIMIT",
        "asked": 20 * (30_001 - 20),
        "limit": 10_000,
    }
