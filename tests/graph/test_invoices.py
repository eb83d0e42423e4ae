"""Invoices from draft to paid, including void, uncollectible and reissued ones."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from db.access.transactions import Sessions
from db.database import Database
from db.models import Event
from tests.graph.test_bad_input import everything
from tests.races.fingerprints import assert_sound
from tests.support import Api, TestClock, day, refusal, run

pytestmark = pytest.mark.usefixtures("events_name_changes")

AMOUNTS = "status amountCents amountDueCents"


async def read(api: Api, invoice_id: str, selection: str) -> Any:
    data = await api(f"query ($id: ID!) {{ invoice(id: $id) {{ {selection} }} }}", id=invoice_id)
    return data["invoice"]


async def read_customer(api: Api, customer_id: str, selection: str) -> Any:
    data = await api(f"query ($id: ID!) {{ customer(id: $id) {{ {selection} }} }}", id=customer_id)
    return data["customer"]


async def a_draft(api: Api, customer_id: str, *cents: int, **fields: Any) -> str:
    """Creates a draft with a line for each amount. Returns its id."""
    lines = [{"description": f"Part {n}", "unitAmountCents": amount} for n, amount in enumerate(cents, start=1)]
    payload = await api.mutate(
        "createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", lines=lines, **fields
    )
    return str(payload["invoice"]["id"])


async def an_open_invoice(api: Api, customer_id: str, cents: int = 1000, **fields: Any) -> str:
    """Creates and finalizes a one-off invoice. Returns its id."""
    draft = await a_draft(api, customer_id, cents, **fields)
    return str((await api.mutate("finalizeInvoice", "invoice { id }", id=draft))["invoice"]["id"])


async def pay(api: Api, customer_id: str, cents: int, **fields: Any) -> None:
    payload = await api.mutate(
        "recordPayment", "payment { id }", customerId=customer_id, amountCents=cents, currency="EUR", **fields
    )
    assert payload["userErrors"] == [], payload


async def events_of(api: Api, sessions: Sessions, object_id: str) -> list[tuple[str, int, list[str]]]:
    """Returns type, version and changed fields of each event of an object.

    Waits for the feed: it shows events only after all older transactions of the server have ended, in any database.
    """
    query = "query ($id: ID!) { events(filter: {objectId: $id}) { nodes { type version changes } } }"
    async with sessions() as session:
        stored = await session.scalar(select(func.count()).select_from(Event).where(Event.object_id == object_id))
    while True:
        nodes = (await api(query, id=object_id))["events"]["nodes"]
        if len(nodes) == stored:
            return [(node["type"], node["version"], node["changes"]) for node in nodes]
        await asyncio.sleep(0.01)


async def first_invoice(api: Api, subscription_id: str) -> str:
    data = await api(
        "query ($id: ID!) { subscription(id: $id) { invoices(first: 1) { nodes { id } } } }", id=subscription_id
    )
    return str(data["subscription"]["invoices"]["nodes"][0]["id"])


async def test_a_one_off_invoice_from_the_draft_to_the_money(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer(name="Ada Lovelace", email="ada@example.com", taxId="GB 123")
    state = f"number {AMOUNTS} issuedAt dueAt paidAt version billTo {{ name email taxId address {{ city }} }}"

    created = await api.mutate(
        "createInvoice",
        f"invoice {{ id kind currency subtotalCents taxCents periodStart periodEnd subscription {{ id }} {state} }}",
        customerId=customer_id,
        currency="EUR",
        lines=[{"description": "  Setup ", "unitAmountCents": 500}],
    )
    invoice_id = created["invoice"].pop("id")
    clock.forward(days=1)
    added = await api.mutate(
        "addInvoiceLine",
        f"invoice {{ {state} lines {{ kind description quantity unitAmountCents amountCents periodOrdinal }} }}",
        invoiceId=invoice_id,
        description="Hours",
        unitAmountCents=250,
        quantity=4,
    )
    clock.forward(days=1)
    finalized = await api.mutate("finalizeInvoice", f"invoice {{ {state} }}", id=invoice_id)
    clock.forward(days=1)
    await pay(api, customer_id, 1500)
    paid = await read(api, invoice_id, state)

    draft = {
        "number": None,
        "status": "DRAFT",
        "issuedAt": None,
        "dueAt": None,
        "paidAt": None,
        "billTo": None,
    }
    assert created["invoice"] == draft | {
        "kind": "ONE_OFF",
        "currency": "EUR",
        "subtotalCents": 500,
        "taxCents": 0,
        "amountCents": 500,
        "amountDueCents": 500,
        "periodStart": day(0),
        "periodEnd": day(0),
        "subscription": None,
        "version": 1,
    }
    line = {"kind": "ONE_OFF", "periodOrdinal": None}
    assert added["invoice"] == draft | {
        "amountCents": 1500,
        "amountDueCents": 1500,
        "version": 2,
        "lines": [
            line | {"description": "Setup", "quantity": 1, "unitAmountCents": 500, "amountCents": 500},
            line | {"description": "Hours", "quantity": 4, "unitAmountCents": 250, "amountCents": 1000},
        ],
    }
    number = finalized["invoice"]["number"]
    assert number.endswith("-0001")
    final = {
        "number": number,
        "amountCents": 1500,
        "issuedAt": day(2),
        "dueAt": day(16),
        "billTo": {"name": "Ada Lovelace", "email": "ada@example.com", "taxId": "GB 123", "address": None},
    }
    assert finalized["invoice"] == final | {"status": "OPEN", "amountDueCents": 1500, "paidAt": None, "version": 3}
    assert paid == final | {"status": "PAID", "amountDueCents": 0, "paidAt": day(3), "version": 4}


async def test_the_time_to_pay_is_the_invoices_or_the_customers_or_the_plans_or_fourteen_days(api: Api) -> None:
    due = {}
    for of_customer in (None, 0, 20):
        for of_other in (None, 0, 30):
            customer_id = await api.a_customer(netDays=of_customer)
            one_off = await an_open_invoice(api, customer_id, netDays=of_other)
            plan_id = await api.a_plan(netDays=of_other)
            recurring = await first_invoice(api, await api.a_subscription(customer_id, plan_id))
            due[of_customer, of_other] = (
                await read(api, one_off, "netDays dueAt"),
                (await read(api, recurring, "dueAt"))["dueAt"],
            )

    assert due == {
        (None, None): ({"netDays": None, "dueAt": day(14)}, day(14)),
        (None, 0): ({"netDays": 0, "dueAt": day(0)}, day(0)),
        (None, 30): ({"netDays": 30, "dueAt": day(30)}, day(30)),
        (0, None): ({"netDays": None, "dueAt": day(0)}, day(0)),
        (0, 0): ({"netDays": 0, "dueAt": day(0)}, day(0)),
        (0, 30): ({"netDays": 30, "dueAt": day(30)}, day(0)),
        (20, None): ({"netDays": None, "dueAt": day(20)}, day(20)),
        (20, 0): ({"netDays": 0, "dueAt": day(0)}, day(20)),
        (20, 30): ({"netDays": 30, "dueAt": day(30)}, day(20)),
    }


async def test_a_draft_is_deleted_with_its_lines_and_leaves_no_gap_in_the_numbers(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    draft, other = await a_draft(api, customer_id, 500, 700), await a_draft(api, customer_id, 900)

    deleted = await api.mutate("deleteDraftInvoice", "deletedInvoiceId", id=draft)
    again = await api.mutate("deleteDraftInvoice", "deletedInvoiceId", id=draft)
    finalized = await api.mutate("finalizeInvoice", "invoice { number }", id=other)

    assert deleted == {"deletedInvoiceId": draft, "userErrors": []}
    assert refusal(again) == ("INVOICE_NOT_FOUND", ["input", "id"])
    assert await read(api, draft, "id") is None
    assert finalized["invoice"]["number"].endswith("-0001")
    assert await read_customer(api, customer_id, "invoices { nodes { id } }") == {
        "invoices": {"nodes": [{"id": other}]}
    }
    assert await events_of(api, sessions, draft) == [("INVOICE_CREATED", 1, []), ("INVOICE_DELETED", 2, [])]


async def test_each_state_refuses_what_it_does_not_allow_and_nothing_changes(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    states = {"DRAFT": await a_draft(api, customer_id, 1000)}
    for state in ("PAID", "OPEN", "VOID", "UNCOLLECTIBLE"):
        states[state] = await an_open_invoice(api, customer_id)
    await pay(api, customer_id, 1000)
    await api.mutate("voidInvoice", "invoice { id }", id=states["VOID"])
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=states["UNCOLLECTIBLE"])
    assert {state: (await read(api, id_, "status"))["status"] for state, id_ in states.items()} == {
        state: state for state in states
    }
    before = await everything(sessions)

    allowed = {
        "addInvoiceLine": {"DRAFT"},
        "deleteDraftInvoice": {"DRAFT"},
        "finalizeInvoice": {"DRAFT"},
        "markInvoiceUncollectible": {"OPEN"},
        "voidInvoice": {"OPEN", "UNCOLLECTIBLE"},
        "reissueInvoice": {"VOID"},
    }
    refused = {}
    for name, fitting in allowed.items():
        for state in states.keys() - fitting:
            fields = (
                {"invoiceId": states[state], "description": "More", "unitAmountCents": 1}
                if name == "addInvoiceLine"
                else {"id": states[state]}
            )
            refused[name, state] = refusal(await api.mutate(name, "__typename", **fields))

    assert refused == {
        (name, state): (f"INVOICE_{state}", ["input", "invoiceId" if name == "addInvoiceLine" else "id"])
        for name, fitting in allowed.items()
        for state in states.keys() - fitting
    }
    assert await everything(sessions) == before


@pytest.mark.parametrize("end", ["paid", "voided"])
async def test_what_nobody_expected_any_more_is_still_paid_or_voided(api: Api, end: str) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_open_invoice(api, customer_id)

    given_up = await api.mutate("markInvoiceUncollectible", f"invoice {{ {AMOUNTS} }}", id=invoice_id)
    if end == "paid":
        await pay(api, customer_id, 1000, allocations=[{"invoiceId": invoice_id}])
    else:
        await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)

    assert given_up["invoice"] == {"status": "UNCOLLECTIBLE", "amountCents": 1000, "amountDueCents": 1000}
    assert await read(api, invoice_id, AMOUNTS) == {
        "status": "PAID" if end == "paid" else "VOID",
        "amountCents": 1000,
        "amountDueCents": 0,
    }


async def test_a_draft_without_lines_is_not_finalized(api: Api, sessions: Sessions) -> None:
    draft = await a_draft(api, await api.a_customer())
    before = await everything(sessions)

    assert refusal(await api.mutate("finalizeInvoice", "invoice { id }", id=draft)) == (
        "INVOICE_EMPTY",
        ["input", "id"],
    )
    assert await everything(sessions) == before


REISSUED = (
    "kind amountCents periodStart periodEnd "
    "lines { kind description quantity unitAmountCents amountCents periodOrdinal periodStart periodEnd plan { id } }"
)


async def test_a_voided_invoice_of_a_period_is_issued_again_with_the_next_number(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer(name="Ada")
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(), quantity=2)
    first = await first_invoice(api, subscription_id)
    await api.mutate("voidInvoice", "invoice { id }", id=first)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="Countess")
    clock.forward(days=3)

    reissued = await api.mutate(
        "reissueInvoice",
        f"invoice {{ id number status issuedAt dueAt replaces {{ id }} replacedBy {{ id }} billTo {{ name }} "
        f"subscription {{ id }} {REISSUED} }}",
        id=first,
    )

    second = reissued["invoice"].pop("id")
    said = {key: reissued["invoice"].pop(key) for key in ("number", "status", "issuedAt", "dueAt", "billTo")}
    assert said.pop("number").endswith("-0002")
    assert said == {"status": "OPEN", "issuedAt": day(3), "dueAt": day(17), "billTo": {"name": "Countess"}}
    links = {key: reissued["invoice"].pop(key) for key in ("replaces", "replacedBy", "subscription")}
    assert links == {"replaces": {"id": first}, "replacedBy": None, "subscription": {"id": subscription_id}}
    assert reissued["invoice"] == await read(api, first, REISSUED)
    assert await read(api, first, "status replaces { id } replacedBy { id } billTo { name }") == {
        "status": "VOID",
        "replaces": None,
        "replacedBy": {"id": second},
        "billTo": {"name": "Ada"},
    }


async def test_an_invoice_has_one_successor_and_so_may_that(api: Api, sessions: Sessions) -> None:
    first = await first_invoice(api, await api.a_subscription())
    await api.mutate("voidInvoice", "invoice { id }", id=first)
    second = (await api.mutate("reissueInvoice", "invoice { id }", id=first))["invoice"]["id"]
    await api.mutate("voidInvoice", "invoice { id }", id=second)
    before = await everything(sessions)

    again = await api.mutate("reissueInvoice", "invoice { id }", id=first)
    after_refusal = await everything(sessions)
    third = await api.mutate("reissueInvoice", "invoice { number replaces { id } }", id=second)

    assert refusal(again) == ("INVOICE_ALREADY_REISSUED", ["input", "id"])
    assert after_refusal == before
    assert third["invoice"].pop("number").endswith("-0003")
    assert third["invoice"] == {"replaces": {"id": second}}


async def test_the_invoice_of_a_subscription_that_has_ended_is_issued_again(api: Api) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    ended = await api.a_subscription(customer_id, plan_id)
    first = await first_invoice(api, ended)
    await api.mutate("cancelSubscription", "subscription { id }", id=ended, atPeriodEnd=False)
    await api.a_subscription(customer_id, plan_id)
    await api.mutate("voidInvoice", "invoice { id }", id=first)

    reissued = await api.mutate("reissueInvoice", "invoice { number subscription { id status } }", id=first)

    assert reissued["invoice"].pop("number").endswith("-0003")
    assert reissued["invoice"] == {"subscription": {"id": ended, "status": "CANCELED"}}


async def test_what_was_voided_before_a_change_was_charged_for_is_not_issued_again(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    first = await first_invoice(api, subscription_id)
    await api.mutate("voidInvoice", "invoice { id }", id=first)
    clock.forward(days=15)
    await api.mutate("changeSubscription", "invoice { id }", id=subscription_id, quantity=2)

    refused = await api.mutate("reissueInvoice", "invoice { id }", id=first)

    assert refusal(refused) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])


async def test_what_was_voided_before_the_end_is_not_issued_again(api: Api) -> None:
    subscription_id = await api.a_subscription()
    first = await first_invoice(api, subscription_id)
    await api.mutate("voidInvoice", "invoice { id }", id=first)
    await api.mutate("cancelSubscription", "invoice { id }", id=subscription_id, atPeriodEnd=False, settlement="CREDIT")

    refused = await api.mutate("reissueInvoice", "invoice { id }", id=first)

    assert refusal(refused) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])


async def test_a_one_off_invoice_is_not_issued_again(api: Api, sessions: Sessions) -> None:
    one_off = await an_open_invoice(api, await api.a_customer())
    await api.mutate("voidInvoice", "invoice { id }", id=one_off)
    before = await everything(sessions)

    refused = await api.mutate("reissueInvoice", "invoice { id }", id=one_off)

    assert refusal(refused) == ("INVOICE_NOT_RECURRING", ["input", "id"])
    assert await everything(sessions) == before


async def an_upgrade(api: Api, clock: TestClock, subscription_id: str, **fields: Any) -> str:
    """Changes the quantity to 2 after ten days. Returns the id of the invoice, which is void."""
    clock.forward(days=10)
    changed = await api.mutate(
        "changeSubscription", "invoice { id kind }", id=subscription_id, quantity=2, mode="IMMEDIATE", **fields
    )
    assert changed["invoice"]["kind"] == "PRORATION"
    assert (await api.mutate("voidInvoice", "invoice { id }", id=changed["invoice"]["id"]))["userErrors"] == []
    return str(changed["invoice"]["id"])


async def test_the_invoice_of_a_change_is_issued_again(
    api: Api, database: Database, clock: TestClock, sessions: Sessions
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    void = await an_upgrade(api, clock, subscription_id)
    clock.forward(days=2)

    reissued = await api.mutate(
        "reissueInvoice",
        "invoice { kind status number amountDueCents periodStart periodEnd issuedAt replaces { id } lines { kind"
        " amountCents periodStart periodEnd reverses { amountCents } } }",
        id=void,
    )

    span = {"periodStart": day(10), "periodEnd": day(30)}
    number = reissued["invoice"].pop("number")
    assert number.endswith("-0003")
    assert reissued["invoice"] == {
        "kind": "PRORATION",
        "status": "OPEN",
        "amountDueCents": 2000,
        "issuedAt": day(12),
        "replaces": {"id": void},
        "lines": [
            {"kind": "PRORATION_CREDIT", "amountCents": -2000, "reverses": {"amountCents": 3000}, **span},
            {"kind": "PRORATION_CHARGE", "amountCents": 4000, "reverses": None, **span},
        ],
        **span,
    }
    before = await everything(sessions)
    again = await api.mutate("reissueInvoice", "invoice { id }", id=void)
    assert refusal(again) == ("INVOICE_ALREADY_REISSUED", ["input", "id"])
    assert await everything(sessions) == before
    # The next change credits what the reissued invoice charged.
    clock.forward(days=8)
    changed = await api.mutate(
        "changeSubscription", "invoice { lines { amountCents } }", id=subscription_id, quantity=1, mode="IMMEDIATE"
    )
    assert [line["amountCents"] for line in changed["invoice"]["lines"]] == [-2000, 1000]
    await assert_sound(database)


@pytest.mark.parametrize("meanwhile", ["another change", "the end", "the next period"])
async def test_the_invoice_of_a_change_is_not_issued_again_after_the_next(
    api: Api, database: Database, clock: TestClock, sessions: Sessions, meanwhile: str
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    void = await an_upgrade(api, clock, subscription_id)
    clock.forward(days=1)
    match meanwhile:
        case "another change":
            changed = await api.mutate(
                "changeSubscription", "subscription { id }", id=subscription_id, quantity=3, mode="IMMEDIATE"
            )
            assert changed["userErrors"] == []
        case "the end":
            ended = await api.mutate(
                "cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False, settlement="CREDIT"
            )
            assert ended["userErrors"] == []
        case _:
            clock.forward(days=20)
            await run(database, clock)
    before = await everything(sessions)

    payload = await api.mutate("reissueInvoice", "invoice { lines { amountCents } }", id=void)

    if meanwhile == "the next period":
        assert [line["amountCents"] for line in payload["invoice"]["lines"]] == [-2000, 4000]
    else:
        assert refusal(payload) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])
        assert await everything(sessions) == before
    await assert_sound(database)


async def test_the_invoice_of_a_change_is_not_issued_again_for_a_credited_line(
    api: Api, database: Database, clock: TestClock, sessions: Sessions
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    void = await an_upgrade(api, clock, subscription_id)
    credited = await first_invoice(api, subscription_id)
    note = await api.mutate(
        "createCreditNote", "creditNote { id }", invoiceId=credited, amountCents=1001, reason="Too much"
    )
    before = await everything(sessions)

    refused = await api.mutate("reissueInvoice", "invoice { id }", id=void)

    assert refusal(refused) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])
    assert await everything(sessions) == before
    # Without the credit note, the first invoice can be credited again.
    await api.mutate("voidCreditNote", "creditNote { id }", id=note["creditNote"]["id"])
    reissued = await api.mutate("reissueInvoice", "invoice { amountCents }", id=void)
    assert reissued["invoice"] == {"amountCents": 2000}
    await assert_sound(database)


@pytest.mark.parametrize(
    ("cents", "opened", "balance"),
    [
        ((1000, -400), 600, 0),
        ((1000, -1000), 0, 0),
        ((0,), 0, 0),
        ((0, 0), 0, 0),
        ((-1000,), 0, 1000),
        ((500, -1500), 0, 1000),
    ],
    ids=["more than 0", "exactly 0", "a line of 0", "lines of 0", "less than 0", "less than 0 in all"],
)
async def test_a_draft_may_have_lines_of_zero_and_less(
    api: Api, database: Database, clock: TestClock, cents: tuple[int, ...], opened: int, balance: int
) -> None:
    customer_id = await api.a_customer()
    draft = await a_draft(api, customer_id, *cents)
    before = await read(api, draft, f"{AMOUNTS} creditableCents")
    clock.forward(days=1)

    payload = await api.mutate("finalizeInvoice", f"invoice {{ number paidAt {AMOUNTS} }}", id=draft)

    assert before == {
        "status": "DRAFT",
        "amountCents": sum(cents),
        "amountDueCents": max(0, sum(cents)),
        "creditableCents": 0,
    }
    assert payload["invoice"] == {
        "number": payload["invoice"]["number"],
        "status": "OPEN" if opened else "PAID",
        "paidAt": None if opened else day(1),
        "amountCents": sum(cents),
        "amountDueCents": opened,
    }
    assert payload["invoice"]["number"].endswith("-0001")
    assert await read_customer(api, customer_id, "balanceCents") == {"balanceCents": balance}
    assert (await read(api, draft, "creditableCents"))["creditableCents"] == opened
    await assert_sound(database)


async def test_the_credit_of_a_one_off_invoice_pays_open_invoices_and_the_rest_is_balance(
    api: Api, database: Database, sessions: Sessions
) -> None:
    customer_id = await api.a_customer()
    given_up = await an_open_invoice(api, customer_id, 500, netDays=0)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=given_up)
    later, sooner = [await an_open_invoice(api, customer_id, 1000, netDays=days) for days in (20, 10)]
    credits_ = [await a_draft(api, customer_id, -1500), await a_draft(api, customer_id, 100, -900)]

    for credit in credits_:
        assert (await api.mutate("finalizeInvoice", "invoice { id }", id=credit))["userErrors"] == []

    allocations = "allocations { kind amountCents sourceInvoice { id } }"
    assert [await read(api, each, f"status amountDueCents {allocations}") for each in (sooner, later, given_up)] == [
        {
            "status": "PAID",
            "amountDueCents": 0,
            "allocations": [{"kind": "CREDIT", "amountCents": 1000, "sourceInvoice": {"id": credits_[0]}}],
        },
        {
            "status": "PAID",
            "amountDueCents": 0,
            "allocations": [
                {"kind": "CREDIT", "amountCents": 500, "sourceInvoice": {"id": credit}} for credit in credits_
            ],
        },
        {"status": "UNCOLLECTIBLE", "amountDueCents": 500, "allocations": []},
    ]
    ledger = "balanceCents ledger { nodes { kind amountCents invoice { id } } }"
    assert await read_customer(api, customer_id, ledger) == {
        "balanceCents": 300,
        "ledger": {"nodes": [{"kind": "INVOICE_CREDIT", "amountCents": 300, "invoice": {"id": credits_[1]}}]},
    }
    before = await everything(sessions)
    codes = [
        refusal(await api.mutate("createCreditNote", "creditNote { id }", invoiceId=credit, reason="No", whole=True))
        for credit in credits_
    ]
    assert codes == [("CREDIT_EXCEEDS_INVOICE", ["input", "whole"])] * 2
    assert await everything(sessions) == before
    await assert_sound(database)


async def yearly_after_ten_days(api: Api, clock: TestClock) -> tuple[str, str, str]:
    """Changes a monthly subscription to a yearly plan after ten days.

    Returns the ids of the subscription, of the first month's invoice, and of the year's invoice, which credits the
    rest of the month.
    """
    monthly = await api.a_plan(amountCents=3000)
    yearly = await api.a_plan(amountCents=40_000, interval="YEAR")
    subscription_id = await api.a_subscription(plan_id=monthly)
    of_month = await first_invoice(api, subscription_id)
    clock.forward(days=10)
    changed = await api.mutate("changeSubscription", "invoice { id kind }", id=subscription_id, planId=yearly)
    assert changed["invoice"]["kind"] == "RECURRING"
    return subscription_id, of_month, changed["invoice"]["id"]


async def test_an_invoice_with_a_credit_is_issued_again_with_it(api: Api, clock: TestClock) -> None:
    _, _, of_year = await yearly_after_ten_days(api, clock)
    await api.mutate("voidInvoice", "invoice { id }", id=of_year)

    reissued = await api.mutate(
        "reissueInvoice", "invoice { amountCents lines { amountCents reverses { amountCents } } }", id=of_year
    )

    assert reissued["invoice"] == {
        "amountCents": 38_000,
        "lines": [
            {"amountCents": -2000, "reverses": {"amountCents": 3000}},
            {"amountCents": 40_000, "reverses": None},
        ],
    }


@pytest.mark.parametrize("meanwhile", ["given back elsewhere", "taken back"])
async def test_an_invoice_is_not_issued_again_once_what_it_gave_back_is_gone(
    api: Api, sessions: Sessions, clock: TestClock, meanwhile: str
) -> None:
    subscription_id, of_month, of_year = await yearly_after_ten_days(api, clock)
    await api.mutate("voidInvoice", "invoice { id }", id=of_year)
    if meanwhile == "taken back":
        await api.mutate("voidInvoice", "invoice { id }", id=of_month)
    else:
        await api.mutate(
            "cancelSubscription", "invoice { id }", id=subscription_id, atPeriodEnd=False, settlement="CREDIT"
        )
    before = await everything(sessions)

    refused = await api.mutate("reissueInvoice", "invoice { id }", id=of_year)

    assert refusal(refused) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])
    assert await everything(sessions) == before


async def test_a_void_invoice_gives_the_balance_back_that_it_used(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    await pay(api, customer_id, 400, allowOverpayment=True)
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    used = await read(api, invoice_id, "amountDueCents customer { balanceCents }")
    clock.forward(days=1)

    voided = await api.mutate(
        "voidInvoice",
        f"invoice {{ {AMOUNTS} allocations {{ kind amountCents createdAt releasedAt }} }}",
        id=invoice_id,
    )

    assert used == {"amountDueCents": 600, "customer": {"balanceCents": 0}}
    assert voided["invoice"] == {
        "status": "VOID",
        "amountCents": 1000,
        "amountDueCents": 0,
        "allocations": [{"kind": "BALANCE", "amountCents": 400, "createdAt": day(0), "releasedAt": day(1)}],
    }
    ledger = "sequence kind amountCents balanceAfterCents invoice { id }"
    assert await read_customer(api, customer_id, f"balanceCents ledger {{ nodes {{ {ledger} }} }}") == {
        "balanceCents": 400,
        "ledger": {
            "nodes": [
                {"sequence": 1, "kind": "OVERPAYMENT", "amountCents": 400, "balanceAfterCents": 400, "invoice": None},
                {
                    "sequence": 2,
                    "kind": "APPLIED",
                    "amountCents": -400,
                    "balanceAfterCents": 0,
                    "invoice": {"id": invoice_id},
                },
                {
                    "sequence": 3,
                    "kind": "GIVEN_BACK",
                    "amountCents": 400,
                    "balanceAfterCents": 400,
                    "invoice": {"id": invoice_id},
                },
            ]
        },
    }


async def test_the_credit_that_paid_a_part_of_a_void_invoice_becomes_balance(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000))
    await pay(api, customer_id, 3000)
    one_off = await an_open_invoice(api, customer_id, 5000)
    clock.forward(days=10)
    await api.mutate("cancelSubscription", "invoice { id }", id=subscription_id, atPeriodEnd=False, settlement="CREDIT")
    due = (await read(api, one_off, "amountDueCents"))["amountDueCents"]

    voided = await api.mutate("voidInvoice", "invoice { allocations { kind releasedAt } }", id=one_off)

    assert due == 3000
    assert voided["invoice"] == {"allocations": [{"kind": "CREDIT", "releasedAt": day(10)}]}
    assert await read_customer(api, customer_id, "balanceCents") == {"balanceCents": 2000}


async def test_an_invoice_that_money_was_received_for_is_not_voided(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    await pay(api, customer_id, 1)
    before = await everything(sessions)

    refused = await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)

    assert refusal(refused) == ("INVOICE_HAS_PAYMENTS", ["input", "id"])
    assert await everything(sessions) == before


@pytest.mark.parametrize("mode", ["IMMEDIATE", "NEXT_INVOICE"])
async def test_an_invoice_is_not_voided_while_a_line_of_it_is_given_back_elsewhere(
    api: Api, sessions: Sessions, clock: TestClock, mode: str
) -> None:
    subscription_id = await api.a_subscription()
    first = await first_invoice(api, subscription_id)
    clock.forward(days=10)
    changed = await api.mutate("changeSubscription", "invoice { id }", id=subscription_id, quantity=2, mode=mode)
    before = await everything(sessions)

    refused = await api.mutate("voidInvoice", "invoice { id }", id=first)
    after_refusal = await everything(sessions)
    if mode == "IMMEDIATE":
        await api.mutate("voidInvoice", "invoice { id }", id=changed["invoice"]["id"])
        voided = await api.mutate("voidInvoice", "invoice { status }", id=first)
        assert voided["invoice"] == {"status": "VOID"}

    assert refusal(refused) == ("INVOICE_REVERSED", ["input", "id"])
    assert after_refusal == before


async def test_an_invoice_is_addressed_to_the_customer_as_it_stood_when_it_was_finalized(api: Api) -> None:
    customer_id = await api.a_customer(name="Ada", address={"city": "London"})
    draft = await a_draft(api, customer_id, 1000)
    bill_to = "billTo { name address { city } }"

    as_draft = await read(api, draft, bill_to)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="Countess", address={"city": "Ockham"})
    await api.mutate("finalizeInvoice", "invoice { id }", id=draft)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="Augusta", address=None)

    assert as_draft == {"billTo": None}
    assert await read(api, draft, f"{bill_to} customer {{ name }}") == {
        "billTo": {"name": "Countess", "address": {"city": "Ockham"}},
        "customer": {"name": "Augusta"},
    }


async def test_a_draft_has_at_most_a_hundred_lines(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    full = await a_draft(api, customer_id, *range(1, 101))
    before = await everything(sessions)

    at_once = await api.mutate(
        "createInvoice",
        "invoice { id }",
        customerId=customer_id,
        currency="EUR",
        lines=[{"description": "Part", "unitAmountCents": 1}] * 101,
    )
    one_more = await api.mutate(
        "addInvoiceLine", "invoice { id }", invoiceId=full, description="Part 101", unitAmountCents=1
    )

    assert refusal(at_once) == ("TOO_MANY_LINES", ["input", "lines"])
    assert refusal(one_more) == ("TOO_MANY_LINES", ["input", "invoiceId"])
    assert await everything(sessions) == before
    invoice = await read(api, full, "amountCents lines { description amountCents }")
    assert invoice == {
        "amountCents": 5050,
        "lines": [{"description": f"Part {n}", "amountCents": n} for n in range(1, 101)],
    }


async def test_numbers_are_given_in_the_order_of_finalizing(api: Api) -> None:
    customer_id = await api.a_customer()
    first, second = await a_draft(api, customer_id, 1), await a_draft(api, customer_id, 2)

    for invoice_id in (second, first):
        await api.mutate("finalizeInvoice", "invoice { id }", id=invoice_id)

    numbers = [(await read(api, invoice_id, "number"))["number"][-4:] for invoice_id in (first, second)]
    assert numbers == ["0002", "0001"]


async def test_each_step_of_an_invoice_is_an_event_with_its_version(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    invoice_id = await a_draft(api, customer_id, 1000)
    await api.mutate("addInvoiceLine", "invoice { id }", invoiceId=invoice_id, description="More", unitAmountCents=1)
    await api.mutate("finalizeInvoice", "invoice { id }", id=invoice_id)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=invoice_id)
    await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)

    assert await events_of(api, sessions, invoice_id) == [
        ("INVOICE_CREATED", 1, []),
        ("INVOICE_UPDATED", 2, ["amountCents", "amountDueCents", "lines", "subtotalCents"]),
        ("INVOICE_FINALIZED", 3, ["status", "number", "billTo", "issuedAt", "dueAt", "taxDate"]),
        ("INVOICE_MARKED_UNCOLLECTIBLE", 4, ["status"]),
        ("INVOICE_VOIDED", 5, ["status", "amountDueCents"]),
    ]
