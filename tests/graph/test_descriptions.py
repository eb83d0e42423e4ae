"""Metadata of invoices and payments, and the purchase order number and memo of invoices."""

from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from tests.support import Api, TestClock, day, events_settle, refusal, run

DESCRIPTION = "poNumber memo netDays version updatedAt metadata { key value }"
LINES = [{"description": "Setup", "unitAmountCents": 5000}]
GOLD = [{"key": "tier", "value": "gold"}]

pytestmark = pytest.mark.usefixtures("events_name_changes")


async def a_draft(api: Api, customer_id: str, **fields: Any) -> str:
    payload = await api.mutate(
        "createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", lines=LINES, **fields
    )
    assert payload["userErrors"] == []
    return str(payload["invoice"]["id"])


async def described(api: Api, invoice_id: str) -> Any:
    data = await api(f"query ($id: ID!) {{ invoice(id: $id) {{ {DESCRIPTION} }} }}", id=invoice_id)
    return data["invoice"]


async def events_of(api: Api, database: Database, object_id: str) -> list[Any]:
    await events_settle(database)
    data = await api(
        "query ($id: ID!) { events(filter: {objectId: $id}) { nodes { type version changes } } }", id=object_id
    )
    return [(event["type"], event["version"], event["changes"]) for event in data["events"]["nodes"]]


async def test_a_draft_has_its_own_description(api: Api) -> None:
    customer_id = await api.a_customer(poNumber="PO-1", invoiceMemo="Thank you")
    draft_id = await a_draft(api, customer_id, poNumber=" PO-2 ", memo="Two\r\nlines", metadata=GOLD)

    before = await described(api, draft_id)
    payload = await api.mutate("finalizeInvoice", "invoice { poNumber memo metadata { key value } }", id=draft_id)

    assert before == {
        "poNumber": "PO-2",
        "memo": "Two\nlines",
        "netDays": None,
        "version": 1,
        "updatedAt": day(0),
        "metadata": GOLD,
    }
    assert payload["invoice"] == {"poNumber": "PO-2", "memo": "Two\nlines", "metadata": GOLD}


async def test_a_draft_without_a_description_gets_the_customers_when_it_is_finalized(api: Api) -> None:
    customer_id = await api.a_customer(poNumber="PO-1")
    draft_id = await a_draft(api, customer_id)
    before = await described(api, draft_id)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, poNumber="PO-2", invoiceMemo="Thank you")

    await api.mutate("finalizeInvoice", "invoice { id }", id=draft_id)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, poNumber="PO-3", invoiceMemo=None)

    after = await described(api, draft_id)
    assert (before["poNumber"], before["memo"]) == (None, None)
    assert (after["poNumber"], after["memo"]) == ("PO-2", "Thank you")


async def test_a_draft_can_be_changed(api: Api, database: Database, clock: TestClock) -> None:
    draft_id = await a_draft(api, await api.a_customer(), poNumber="PO-1", memo="Thank you", netDays=3)
    clock.forward(days=1)

    changed = await api.mutate(
        "updateInvoice", f"invoice {{ {DESCRIPTION} }}", id=draft_id, netDays=7, memo=None, metadata=GOLD
    )
    again = await api.mutate("updateInvoice", "invoice { version }", id=draft_id, netDays=7, metadata=GOLD)

    assert changed["invoice"] == {
        "poNumber": "PO-1",
        "memo": None,
        "netDays": 7,
        "version": 2,
        "updatedAt": day(1),
        "metadata": GOLD,
    }
    assert again == {"invoice": {"version": 2}, "userErrors": []}
    assert await events_of(api, database, draft_id) == [
        ("INVOICE_CREATED", 1, []),
        ("INVOICE_UPDATED", 2, ["memo", "metadata", "netDays"]),
    ]


@pytest.mark.parametrize("field", ["poNumber", "memo", "netDays"])
@pytest.mark.parametrize("status", ["OPEN", "PAID", "VOID", "UNCOLLECTIBLE"])
async def test_a_finalized_invoice_takes_only_metadata(api: Api, database: Database, status: str, field: str) -> None:
    customer_id = await api.a_customer()
    invoice_id = await a_draft(api, customer_id, poNumber="PO-1")
    await api.mutate("finalizeInvoice", "invoice { id }", id=invoice_id)
    match status:
        case "PAID":
            await api.mutate(
                "recordPayment", "payment { id }", customerId=customer_id, amountCents=5000, currency="EUR"
            )
        case "VOID":
            await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)
        case "UNCOLLECTIBLE":
            await api.mutate("markInvoiceUncollectible", "invoice { id }", id=invoice_id)
    before = await described(api, invoice_id)

    refused = await api.mutate(
        "updateInvoice", "invoice { id }", id=invoice_id, metadata=GOLD, **{field: 3 if field == "netDays" else "x"}
    )
    unchanged = await described(api, invoice_id)
    changed = await api.mutate(
        "updateInvoice", "invoice { status metadata { key value } }", id=invoice_id, metadata=GOLD
    )

    assert refusal(refused) == (f"INVOICE_{status}", ["input", field])
    assert unchanged == before
    assert changed["invoice"] == {"status": status, "metadata": GOLD}
    assert (await events_of(api, database, invoice_id))[-1] == ("INVOICE_UPDATED", before["version"] + 1, ["metadata"])


async def test_a_subscriptions_invoices_and_previews_have_the_customers_description(
    api: Api, database: Database, clock: TestClock
) -> None:
    customer_id = await api.a_customer(poNumber="PO-1", invoiceMemo="Thank you")
    subscription_id = await api.a_subscription(customer_id)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, poNumber="PO-2", invoiceMemo=None)
    invoices = "query ($id: ID!) { subscription(id: $id) { %s invoices { nodes { poNumber memo metadata { key } } } } }"
    previewed = await api(invoices % "upcomingInvoices { poNumber memo }", id=subscription_id)
    clock.forward(days=30)

    await run(database, clock)

    billed = await api(invoices % "", id=subscription_id)
    assert previewed["subscription"]["upcomingInvoices"] == [{"poNumber": "PO-2", "memo": None}]
    assert billed["subscription"]["invoices"]["nodes"] == [
        {"poNumber": "PO-1", "memo": "Thank you", "metadata": []},
        {"poNumber": "PO-2", "memo": None, "metadata": []},
    ]


async def test_a_reissued_invoice_has_the_description_of_the_one_that_it_replaces(api: Api) -> None:
    customer_id = await api.a_customer(poNumber="PO-1")
    subscribed = await api.mutate(
        "createSubscription", "invoice { id }", customerId=customer_id, planId=await api.a_plan()
    )
    invoice_id = subscribed["invoice"]["id"]
    await api.mutate("updateInvoice", "invoice { id }", id=invoice_id, metadata=GOLD)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, poNumber="PO-2", invoiceMemo="Thank you")
    await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)

    reissued = await api.mutate("reissueInvoice", "invoice { poNumber memo metadata { key } }", id=invoice_id)

    assert reissued["invoice"] == {"poNumber": "PO-1", "memo": None, "metadata": []}


async def test_the_metadata_of_a_payment_can_be_changed(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    recorded = await api.mutate(
        "recordPayment",
        "payment { id version updatedAt metadata { key value } }",
        customerId=await api.a_customer(),
        amountCents=100,
        currency="EUR",
        allowOverpayment=True,
        metadata=[{"key": "batch", "value": "7"}],
    )
    payment_id = recorded["payment"].pop("id")
    clock.forward(days=1)
    selection = "payment { version createdAt updatedAt metadata { key value } }"

    changed = await api.mutate("updatePayment", selection, id=payment_id, metadata=GOLD)
    omitted = await api.mutate("updatePayment", selection, id=payment_id)
    same = await api.mutate("updatePayment", selection, id=payment_id, metadata=GOLD)

    assert recorded["payment"] == {
        "version": 1,
        "updatedAt": day(0),
        "metadata": [{"key": "batch", "value": "7"}],
    }
    assert changed["payment"] == {"version": 2, "createdAt": day(0), "updatedAt": day(1), "metadata": GOLD}
    assert changed == omitted == same
    assert await events_of(api, database, payment_id) == [
        ("PAYMENT_RECORDED", 1, []),
        ("PAYMENT_UPDATED", 2, ["metadata"]),
    ]
