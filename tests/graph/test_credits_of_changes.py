"""Credits of changes: voiding the charge of a change also removes its credit, on whichever invoices the two are."""

from typing import Any

import pytest
from sqlalchemy import text

from billing.limits import MAX_PENDING_LINES
from db.database import Database, single_connection
from services.verify import snapshot, verify
from tests.graph.test_bad_input import everything
from tests.graph.test_invoices import pay
from tests.support import Api, TestClock, read_subscription, refusal, run

pytestmark = pytest.mark.usefixtures("events_name_changes")

CREDIT_LATER = "CHARGE_NOW_CREDIT_LATER"

SUBSCRIPTION = """
    status
    pendingLines { amountCents }
    invoices(first: 50) { nodes { id kind status amountCents lines { amountCents } } }
"""


@pytest.fixture
async def customer_id(api: Api) -> str:
    return await api.a_customer()


@pytest.fixture
async def plans(api: Api) -> list[str]:
    """Plans for 3000, 6000 and 9000 cents, each for 30 days."""
    return [await api.a_plan(amountCents=cents) for cents in (3000, 6000, 9000)]


@pytest.fixture
async def subscription_id(api: Api, customer_id: str, plans: list[str]) -> str:
    """Paid subscription to the first plan."""
    subscription_id = await api.a_subscription(customer_id, plans[0])
    await pay(api, customer_id, 3000)
    return subscription_id


async def change(api: Api, subscription_id: str, **fields: Any) -> Any:
    """Changes the subscription. Returns the invoice of the change, or None if there is none."""
    payload = await api.mutate(
        "changeSubscription", "invoice { id amountCents amountDueCents }", id=subscription_id, **fields
    )
    assert payload["userErrors"] == []
    return payload["invoice"]


async def void(api: Api, invoice_id: str) -> None:
    payload = await api.mutate("voidInvoice", "invoice { status }", id=invoice_id)
    assert payload["invoice"] == {"status": "VOID"}, payload


async def reissued(api: Api, invoice_id: str) -> list[int]:
    """Reissues a void invoice. Returns the amounts of the new invoice's lines."""
    payload = await api.mutate("reissueInvoice", "invoice { lines { amountCents } }", id=invoice_id)
    assert payload["userErrors"] == []
    return amounts(payload["invoice"]["lines"])


def amounts(lines: Any) -> list[int]:
    return [line["amountCents"] for line in lines]


async def waiting(api: Api, subscription_id: str) -> list[int]:
    return amounts((await read_subscription(api, subscription_id, SUBSCRIPTION))["pendingLines"])


async def billed(api: Api, subscription_id: str) -> list[tuple[str, list[int]]]:
    """Returns the status and the amounts of each invoice of a subscription."""
    found = await read_subscription(api, subscription_id, SUBSCRIPTION)
    return [(node["status"], amounts(node["lines"])) for node in found["invoices"]["nodes"]]


async def latest_id(api: Api, subscription_id: str) -> str:
    found = await read_subscription(api, subscription_id, SUBSCRIPTION)
    return str(found["invoices"]["nodes"][-1]["id"])


async def assert_sound(database: Database) -> None:
    async with snapshot(database) as session:
        assert [check.line() for check in await verify(session) if not check.holds] == []


async def forget_changes(url: str) -> None:
    """Clears the change ids of lines, since servers of the previous release do not write them."""
    async with single_connection(url) as connection:
        for table in ("invoice_lines", "pending_lines"):
            await connection.execute(text(f"UPDATE {table} SET change_id = NULL"))
        await connection.commit()


@pytest.mark.parametrize("first", [CREDIT_LATER, "NEXT_INVOICE"])
async def test_voiding_a_charge_removes_only_its_own_credit(
    api: Api, clock: TestClock, database: Database, plans: list[str], subscription_id: str, first: str
) -> None:
    clock.forward(days=15)
    await change(api, subscription_id, planId=plans[1], mode=first)
    before = await waiting(api, subscription_id)
    second = await change(api, subscription_id, planId=plans[2], mode=CREDIT_LATER)
    both = await waiting(api, subscription_id)

    await void(api, second["id"])

    assert before == ([-1500] if first == CREDIT_LATER else [-1500, 3000])
    assert both == [*before, -3000]
    assert await waiting(api, subscription_id) == before
    await assert_sound(database)


async def test_the_invoice_of_the_second_change_at_an_instant_can_be_voided(
    api: Api, clock: TestClock, plans: list[str], subscription_id: str
) -> None:
    clock.forward(days=15)
    first = await change(api, subscription_id, planId=plans[1], mode="IMMEDIATE")
    second = await change(api, subscription_id, planId=plans[2], mode="IMMEDIATE")

    refused = await api.mutate("voidInvoice", "invoice { id }", id=first["id"])
    await void(api, second["id"])
    await void(api, first["id"])

    assert refusal(refused) == ("INVOICE_REVERSED", ["input", "id"])


async def a_renewal_with_a_credit(
    api: Api, clock: TestClock, database: Database, plans: list[str], subscription_id: str
) -> tuple[str, str]:
    """Bills a change whose credit comes with the renewal. Returns the ids of the change's invoice and of the
    renewal's.
    """
    clock.forward(days=15)
    charge = await change(api, subscription_id, planId=plans[1], mode=CREDIT_LATER)
    clock.forward(days=15)
    await run(database, clock)
    assert (await billed(api, subscription_id))[1:] == [("OPEN", [3000]), ("OPEN", [-1500, 6000])]
    return charge["id"], await latest_id(api, subscription_id)


async def test_a_credit_does_not_come_back_once_its_charge_is_void(
    api: Api, clock: TestClock, database: Database, plans: list[str], subscription_id: str
) -> None:
    charge, renewal = await a_renewal_with_a_credit(api, clock, database, plans, subscription_id)
    await void(api, renewal)
    await void(api, charge)
    left = await waiting(api, subscription_id)

    again = await reissued(api, renewal)

    assert left == []
    assert again == [6000]
    await assert_sound(database)


async def test_a_credit_of_an_older_server_does_not_come_back_once_its_charge_is_void(
    api: Api, clock: TestClock, database: Database, database_url: str, plans: list[str], subscription_id: str
) -> None:
    charge, renewal = await a_renewal_with_a_credit(api, clock, database, plans, subscription_id)
    await forget_changes(database_url)
    await void(api, renewal)
    await void(api, charge)

    assert await reissued(api, renewal) == [6000]


async def test_a_credit_waits_again_and_comes_back_with_the_invoice_that_is_issued_again(
    api: Api, clock: TestClock, database: Database, plans: list[str], subscription_id: str
) -> None:
    _, renewal = await a_renewal_with_a_credit(api, clock, database, plans, subscription_id)

    await void(api, renewal)
    waits = await waiting(api, subscription_id)
    again = await reissued(api, renewal)

    assert waits == [-1500]
    assert again == [-1500, 6000]
    assert await waiting(api, subscription_id) == []
    await assert_sound(database)


async def test_a_credit_that_the_next_invoice_took_is_not_given_twice(
    api: Api, clock: TestClock, database: Database, plans: list[str], subscription_id: str
) -> None:
    _, renewal = await a_renewal_with_a_credit(api, clock, database, plans, subscription_id)
    await void(api, renewal)
    clock.forward(days=30)
    await run(database, clock)
    following = (await billed(api, subscription_id))[-1]

    again = await reissued(api, renewal)

    assert following == ("OPEN", [-1500, 6000])
    assert again == [6000]
    await assert_sound(database)


async def test_a_credit_of_an_older_server_is_issued_again_with_its_invoice(
    api: Api, clock: TestClock, database: Database, database_url: str, plans: list[str], subscription_id: str
) -> None:
    _, renewal = await a_renewal_with_a_credit(api, clock, database, plans, subscription_id)
    await forget_changes(database_url)

    await void(api, renewal)
    waits = await waiting(api, subscription_id)

    assert waits == []
    assert await reissued(api, renewal) == [-1500, 6000]


async def test_a_credit_waits_again_once_the_invoice_of_another_change_that_took_it_is_void(
    api: Api, clock: TestClock, database: Database, plans: list[str], customer_id: str, subscription_id: str
) -> None:
    clock.forward(days=10)
    charge = await change(api, subscription_id, planId=plans[1], mode=CREDIT_LATER)
    await pay(api, customer_id, charge["amountDueCents"])
    clock.forward(days=10)
    second = await change(api, subscription_id, planId=plans[2], quantity=9, mode="IMMEDIATE")
    took = (await billed(api, subscription_id))[-1]

    await void(api, second["id"])

    assert took == ("OPEN", [-2000, -2000, 27_000])
    assert await waiting(api, subscription_id) == [-2000]
    await assert_sound(database)
    clock.forward(days=10)
    await run(database, clock)
    assert (await billed(api, subscription_id))[-1] == ("OPEN", [-2000, 81_000])


@pytest.mark.parametrize("subscribed_again", [False, True])
async def test_a_credit_on_the_void_last_invoice_of_a_subscription_becomes_an_invoice(
    api: Api,
    clock: TestClock,
    database: Database,
    plans: list[str],
    customer_id: str,
    subscription_id: str,
    subscribed_again: bool,
) -> None:
    clock.forward(days=10)
    charge = await change(api, subscription_id, planId=plans[1], mode=CREDIT_LATER)
    await pay(api, customer_id, charge["amountDueCents"])
    clock.forward(days=10)
    await change(api, subscription_id, quantity=5, mode="NEXT_INVOICE")
    canceled = await api.mutate("cancelSubscription", "invoice { id }", id=subscription_id, atPeriodEnd=False)
    last = (await billed(api, subscription_id))[-1]
    following = None
    if subscribed_again:
        following = await api.a_subscription(customer_id, await api.a_plan(amountCents=2000, netDays=0))
        clock.forward(days=1)
        await run(database, clock)
        assert (await read_subscription(api, following, "status")) == {"status": "PAST_DUE"}

    await void(api, canceled["invoice"]["id"])

    assert last == ("OPEN", [-2000, -2000, 10_000])
    assert (await billed(api, subscription_id))[-2:] == [("VOID", [-2000, -2000, 10_000]), ("PAID", [-2000])]
    balance = (await api("query ($id: ID!) { customer(id: $id) { balanceCents } }", id=customer_id))["customer"]
    assert balance == {"balanceCents": 0 if subscribed_again else 2000}
    if following:
        assert (await read_subscription(api, following, "status")) == {"status": "ACTIVE"}
    await assert_sound(database)


async def test_the_credit_of_a_new_period_goes_with_the_period(
    api: Api, clock: TestClock, plans: list[str], subscription_id: str
) -> None:
    yearly = await api.a_plan(amountCents=90_000, interval="YEAR")
    clock.forward(days=10)
    charge = await change(api, subscription_id, planId=plans[1], mode=CREDIT_LATER)
    clock.forward(days=10)
    year = await change(api, subscription_id, planId=yearly)
    lines = (await billed(api, subscription_id))[-1][1]

    await void(api, year["id"])
    waits = await waiting(api, subscription_id)

    assert charge["amountCents"] == 4000
    assert lines == [-2000, -2000, 90_000]
    assert waits == [-2000]
    assert await reissued(api, year["id"]) == lines


async def test_a_void_is_rejected_if_it_would_exceed_the_limit_of_pending_lines(
    api: Api, clock: TestClock, database: Database, plans: list[str], subscription_id: str
) -> None:
    _, renewal = await a_renewal_with_a_credit(api, clock, database, plans, subscription_id)
    clock.forward(days=30)
    await run(database, clock)
    for number in range(MAX_PENDING_LINES // 2):
        clock.forward(seconds=3600)
        await change(api, subscription_id, quantity=2 + number % 2, mode="NEXT_INVOICE")
    assert len(await waiting(api, subscription_id)) == MAX_PENDING_LINES
    before = await everything(database.sessions)

    refused = await api.mutate("voidInvoice", "invoice { id }", id=renewal)

    assert refusal(refused) == ("TOO_MANY_LINES", None)
    assert await everything(database.sessions) == before
