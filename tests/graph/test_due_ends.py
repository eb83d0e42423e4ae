"""Payments and voids of a customer whose subscription is due to end: the end and its last invoice come first."""

from typing import Any

import pytest

from db.database import Database
from services.verify import snapshot, verify
from tests.graph.test_invoices import an_open_invoice, pay
from tests.support import Api, TestClock

pytestmark = pytest.mark.usefixtures("events_name_changes")

LAST = """
    query ($id: ID!) {
        customer(id: $id) {
            balanceCents
            subscriptions(first: 1) { nodes { status } }
            invoices(last: 1, filter: {kind: PRORATION}) { nodes { status amountCents amountDueCents } }
        }
    }
"""


async def violations(database: Database) -> list[str]:
    async with snapshot(database) as session:
        return [check.line() for check in await verify(session) if not check.holds]


async def to_end_after_a_change(api: Api, clock: TestClock, customer_id: str) -> None:
    """Creates a paid subscription that ends with its period. A change adds pending lines of 2000 for the last
    invoice.
    """
    before, after = [await api.a_plan(amountCents=cents) for cents in (3000, 6000)]
    subscription_id = await api.a_subscription(customer_id, before)
    await pay(api, customer_id, 3000)
    clock.forward(days=10)
    await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, planId=after, mode="NEXT_INVOICE")
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=True)


async def last(api: Api, customer_id: str) -> Any:
    """Returns the last invoice of a canceled subscription, with the customer's balance."""
    customer = (await api(LAST, id=customer_id))["customer"]
    assert [node["status"] for node in customer["subscriptions"]["nodes"]] == ["CANCELED"]
    [invoice] = customer["invoices"]["nodes"]
    return invoice | {"balanceCents": customer["balanceCents"]}


async def test_a_payment_after_a_due_end_is_on_its_invoice(api: Api, clock: TestClock, database: Database) -> None:
    customer_id = await api.a_customer()
    await to_end_after_a_change(api, clock, customer_id)
    clock.forward(days=25)

    await pay(api, customer_id, 700)
    part = await last(api, customer_id)
    await pay(api, customer_id, 1300)

    assert part == {"status": "OPEN", "amountCents": 2000, "amountDueCents": 1300, "balanceCents": 0}
    assert await last(api, customer_id) == part | {"status": "PAID", "amountDueCents": 0}
    assert await violations(database) == []


async def test_a_payment_pays_the_invoice_of_a_due_end(api: Api, clock: TestClock, database: Database) -> None:
    customer_id = await api.a_customer()
    await to_end_after_a_change(api, clock, customer_id)
    clock.forward(days=25)

    await pay(api, customer_id, 2000)

    paid = {"status": "PAID", "amountCents": 2000, "amountDueCents": 0, "balanceCents": 0}
    assert await last(api, customer_id) == paid
    assert await violations(database) == []


async def test_what_a_void_gives_back_is_on_the_invoice_of_a_due_end(
    api: Api, clock: TestClock, database: Database
) -> None:
    customer_id = await api.a_customer()
    await to_end_after_a_change(api, clock, customer_id)
    await pay(api, customer_id, 700, allowOverpayment=True)
    one_off = await an_open_invoice(api, customer_id, 1000)
    clock.forward(days=25)

    await api.mutate("voidInvoice", "invoice { id }", id=one_off)

    part_paid = {"status": "OPEN", "amountCents": 2000, "amountDueCents": 1300, "balanceCents": 0}
    assert await last(api, customer_id) == part_paid
    assert await violations(database) == []
