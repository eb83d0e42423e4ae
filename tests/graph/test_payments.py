"""Payments: which invoices they pay, in which order, and how the remainder is used."""

import asyncio
from typing import Any

import pytest

from db import models
from db.access.transactions import Sessions
from tests.graph.test_bad_input import everything
from tests.graph.test_invoices import a_draft, an_open_invoice, events_of, pay, read, read_customer
from tests.support import Api, TestClock, count, day, refusal

pytestmark = pytest.mark.usefixtures("events_name_changes")


async def due(api: Api, *invoice_ids: str) -> list[tuple[str, int]]:
    """Returns the status and the amount due of each invoice."""
    nodes = (
        await api(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Invoice { status amountDueCents } } }", ids=invoice_ids
        )
    )["nodes"]
    return [(node["status"], node["amountDueCents"]) for node in nodes]


async def test_an_invoice_is_paid_in_parts(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    clock.forward(days=1)

    await pay(api, customer_id, 400)
    in_part = await read(api, invoice_id, "status amountDueCents paidAt version")
    clock.forward(days=1)
    await pay(api, customer_id, 600)
    in_full = await read(api, invoice_id, "status amountDueCents paidAt version")

    assert in_part == {"status": "OPEN", "amountDueCents": 600, "paidAt": None, "version": 3}
    assert in_full == {"status": "PAID", "amountDueCents": 0, "paidAt": day(2), "version": 4}


async def test_what_is_due_first_is_paid_first(api: Api) -> None:
    customer_id = await api.a_customer()
    last, first, middle = [await an_open_invoice(api, customer_id, 1000, netDays=net_days) for net_days in (30, 10, 20)]

    recorded = await api.mutate(
        "recordPayment",
        "payment { amountCents overpaymentCents allocations { kind amountCents invoice { id } } }",
        customerId=customer_id,
        amountCents=1500,
        currency="EUR",
    )

    assert recorded["payment"] == {
        "amountCents": 1500,
        "overpaymentCents": 0,
        "allocations": [
            {"kind": "PAYMENT", "amountCents": 1000, "invoice": {"id": first}},
            {"kind": "PAYMENT", "amountCents": 500, "invoice": {"id": middle}},
        ],
    }
    assert await due(api, first, middle, last) == [("PAID", 0), ("OPEN", 500), ("OPEN", 1000)]


async def test_of_invoices_that_are_due_together_the_first_is_paid_first(api: Api) -> None:
    customer_id = await api.a_customer()
    invoices = [await an_open_invoice(api, customer_id, 1000) for _ in range(3)]

    await pay(api, customer_id, 1001)

    assert await due(api, *invoices) == [("PAID", 0), ("OPEN", 999), ("OPEN", 1000)]


async def test_a_payment_goes_where_it_is_meant_to_in_that_order(api: Api) -> None:
    customer_id = await api.a_customer()
    one, two, three, four = [await an_open_invoice(api, customer_id, 1000) for _ in range(4)]

    recorded = await api.mutate(
        "recordPayment",
        "payment { allocations { amountCents invoice { id } } }",
        customerId=customer_id,
        amountCents=1800,
        currency="EUR",
        allocations=[{"invoiceId": four, "amountCents": 300}, {"invoiceId": two}, {"invoiceId": three}],
    )

    assert recorded["payment"]["allocations"] == [
        {"amountCents": 300, "invoice": {"id": four}},
        {"amountCents": 1000, "invoice": {"id": two}},
        {"amountCents": 500, "invoice": {"id": three}},
    ]
    assert await due(api, one, two, three, four) == [("OPEN", 1000), ("PAID", 0), ("OPEN", 500), ("OPEN", 700)]


async def test_what_the_named_invoices_do_not_take_is_too_much_though_others_are_open(
    api: Api, sessions: Sessions
) -> None:
    customer_id = await api.a_customer()
    named, other = [await an_open_invoice(api, customer_id, 1000) for _ in range(2)]
    payment = {
        "customerId": customer_id,
        "amountCents": 1500,
        "currency": "EUR",
        "allocations": [{"invoiceId": named}],
    }
    before = await everything(sessions)

    refused = await api.mutate("recordPayment", "payment { id }", **payment)
    after_refusal = await everything(sessions)
    allowed = await api.mutate(
        "recordPayment", "payment { overpaymentCents } customer { balanceCents }", **payment, allowOverpayment=True
    )

    assert refusal(refused) == ("OVERPAYMENT", ["input", "amountCents"])
    assert after_refusal == before
    assert allowed["payment"] == {"overpaymentCents": 500}
    assert allowed["customer"] == {"balanceCents": 0}
    assert await due(api, named, other) == [("PAID", 0), ("OPEN", 500)]


async def test_what_was_given_up_on_is_paid_only_where_it_is_named(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    given_up = await an_open_invoice(api, customer_id, 1000)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=given_up)
    payment = {"customerId": customer_id, "amountCents": 400, "currency": "EUR"}
    before = await everything(sessions)

    by_default = await api.mutate("recordPayment", "payment { id }", **payment)
    after_refusal = await everything(sessions)
    statuses = []
    for amount in (400, 600):
        await pay(api, customer_id, amount, allocations=[{"invoiceId": given_up}])
        statuses += await due(api, given_up)

    assert refusal(by_default) == ("OVERPAYMENT", ["input", "amountCents"])
    assert after_refusal == before
    assert statuses == [("UNCOLLECTIBLE", 600), ("PAID", 0)]


async def test_more_than_is_due_becomes_balance_only_where_that_is_allowed(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    payment = {"customerId": customer_id, "amountCents": 1500, "currency": "EUR"}
    before = await everything(sessions)

    refused = await api.mutate("recordPayment", "payment { id } customer { id }", **payment)
    after_refusal = await everything(sessions)
    allowed = await api.mutate(
        "recordPayment",
        "payment { amountCents overpaymentCents allocations { amountCents } } customer { balanceCents }",
        **payment,
        allowOverpayment=True,
    )

    assert refused.pop("userErrors")[0]["code"] == "OVERPAYMENT"
    assert refused == {"payment": None, "customer": None}
    assert after_refusal == before
    assert allowed == {
        "payment": {"amountCents": 1500, "overpaymentCents": 500, "allocations": [{"amountCents": 1000}]},
        "customer": {"balanceCents": 500},
        "userErrors": [],
    }
    assert await due(api, invoice_id) == [("PAID", 0)]


async def test_a_payment_before_any_invoice_is_balance_and_fixes_the_currency(api: Api, sessions: Sessions) -> None:
    customer_id, plan_in_euros = await api.a_customer(), await api.a_plan(currency="EUR")

    recorded = await api.mutate(
        "recordPayment",
        "payment { currency overpaymentCents allocations { id } } customer { currency balanceCents version }",
        customerId=customer_id,
        amountCents=500,
        currency="JPY",
        allowOverpayment=True,
    )
    before = await everything(sessions)
    in_euros: dict[str, dict[str, Any]] = {
        "recordPayment": {"currency": "EUR", "amountCents": 500, "allowOverpayment": True},
        "createInvoice": {"currency": "EUR"},
        "createSubscription": {"planId": plan_in_euros},
    }
    refused = {
        name: refusal(await api.mutate(name, "__typename", customerId=customer_id, **fields))
        for name, fields in in_euros.items()
    }

    assert recorded["payment"] == {"currency": "JPY", "overpaymentCents": 500, "allocations": []}
    assert recorded["customer"] == {"currency": "JPY", "balanceCents": 500, "version": 3}
    assert refused == {
        "recordPayment": ("CURRENCY_MISMATCH", ["input", "currency"]),
        "createInvoice": ("CURRENCY_MISMATCH", ["input", "currency"]),
        "createSubscription": ("CURRENCY_MISMATCH", ["input", "planId"]),
    }
    assert await everything(sessions) == before
    assert await events_of(api, sessions, customer_id) == [
        ("CUSTOMER_CREATED", 1, []),
        ("CUSTOMER_UPDATED", 2, ["currency"]),
        ("CUSTOMER_BALANCE_CHANGED", 3, ["balanceCents"]),
    ]


async def test_the_balance_pays_the_next_invoices_as_far_as_it_goes(api: Api) -> None:
    customer_id = await api.a_customer()
    await pay(api, customer_id, 1500, allowOverpayment=True)

    one, two, three = [await an_open_invoice(api, customer_id, 1000) for _ in range(3)]

    assert await due(api, one, two, three) == [("PAID", 0), ("OPEN", 500), ("OPEN", 1000)]
    ledger = "sequence kind amountCents balanceAfterCents currency invoice { id } payment { amountCents }"
    assert await read_customer(api, customer_id, f"balanceCents ledger {{ nodes {{ {ledger} }} totalCount }}") == {
        "balanceCents": 0,
        "ledger": {
            "nodes": [
                {
                    "sequence": 1,
                    "kind": "OVERPAYMENT",
                    "amountCents": 1500,
                    "balanceAfterCents": 1500,
                    "currency": "EUR",
                    "invoice": None,
                    "payment": {"amountCents": 1500},
                },
                {
                    "sequence": 2,
                    "kind": "APPLIED",
                    "amountCents": -1000,
                    "balanceAfterCents": 500,
                    "currency": "EUR",
                    "invoice": {"id": one},
                    "payment": None,
                },
                {
                    "sequence": 3,
                    "kind": "APPLIED",
                    "amountCents": -500,
                    "balanceAfterCents": 0,
                    "currency": "EUR",
                    "invoice": {"id": two},
                    "payment": None,
                },
            ],
            "totalCount": 3,
        },
    }


async def test_an_invoice_says_what_paid_it_and_a_payment_what_it_paid(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    await pay(api, customer_id, 100, allowOverpayment=True)
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    clock.forward(days=1)
    recorded = await api.mutate(
        "recordPayment",
        "payment { id method reference receivedAt createdAt customer { id } allocations { kind invoice { id } } }",
        customerId=customer_id,
        amountCents=700,
        currency="EUR",
        method="CARD",
        reference="  ch_1 ",
        receivedAt=day(0.5),
    )
    clock.forward(days=1)
    await pay(api, customer_id, 200, reference="last")

    payment_id = recorded["payment"].pop("id")
    assert recorded["payment"] == {
        "method": "CARD",
        "reference": "ch_1",
        "receivedAt": day(0.5),
        "createdAt": day(1),
        "customer": {"id": customer_id},
        "allocations": [{"kind": "PAYMENT", "invoice": {"id": invoice_id}}],
    }
    invoice = await read(
        api,
        invoice_id,
        "payments { reference amountCents } "
        "allocations { kind amountCents createdAt releasedAt payment { reference } sourceInvoice { id } }",
    )
    counts = {"releasedAt": None, "sourceInvoice": None}
    assert invoice == {
        "payments": [{"reference": "ch_1", "amountCents": 700}, {"reference": "last", "amountCents": 200}],
        "allocations": [
            counts | {"kind": "BALANCE", "amountCents": 100, "createdAt": day(0), "payment": None},
            counts | {"kind": "PAYMENT", "amountCents": 700, "createdAt": day(1), "payment": {"reference": "ch_1"}},
            counts | {"kind": "PAYMENT", "amountCents": 200, "createdAt": day(2), "payment": {"reference": "last"}},
        ],
    }
    customer = await read_customer(api, customer_id, "payments { nodes { reference } }")
    assert customer == {"payments": {"nodes": [{"reference": None}, {"reference": "ch_1"}, {"reference": "last"}]}}
    found = await api("query ($id: ID!) { payment(id: $id) { reference } }", id=payment_id)
    assert found == {"payment": {"reference": "ch_1"}}


async def test_each_change_that_money_makes_is_an_event(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    one, two = await an_open_invoice(api, customer_id, 1000), await an_open_invoice(api, customer_id, 1000)

    recorded = await api.mutate(
        "recordPayment", "payment { id }", customerId=customer_id, amountCents=1400, currency="EUR"
    )
    await pay(api, customer_id, 900, allowOverpayment=True)
    three = await an_open_invoice(api, customer_id, 1000)

    finalized = [
        ("INVOICE_CREATED", 1, []),
        ("INVOICE_FINALIZED", 2, ["status", "number", "billTo", "issuedAt", "dueAt", "taxDate"]),
    ]
    paid = ["status", "amountDueCents", "paidAt"]
    happened = {
        object_id: await events_of(api, sessions, object_id)
        for object_id in (recorded["payment"]["id"], one, two, three, customer_id)
    }
    assert happened == {
        recorded["payment"]["id"]: [("PAYMENT_RECORDED", 1, [])],
        one: [*finalized, ("INVOICE_PAID", 3, paid)],
        two: [*finalized, ("INVOICE_PARTIALLY_PAID", 3, ["amountDueCents"]), ("INVOICE_PAID", 4, paid)],
        three: [*finalized, ("INVOICE_PARTIALLY_PAID", 3, ["amountDueCents"])],
        customer_id: [
            ("CUSTOMER_CREATED", 1, []),
            ("CUSTOMER_UPDATED", 2, ["currency"]),
            ("CUSTOMER_BALANCE_CHANGED", 3, ["balanceCents"]),
            ("CUSTOMER_BALANCE_CHANGED", 4, ["balanceCents"]),
        ],
    }


async def test_a_draft_takes_no_money_before_it_is_finalized(api: Api) -> None:
    customer_id = await api.a_customer()
    await pay(api, customer_id, 1500, allowOverpayment=True)

    draft = await a_draft(api, customer_id, 1000)
    before = await due(api, draft), await read_customer(api, customer_id, "balanceCents")
    await api.mutate("finalizeInvoice", "invoice { id }", id=draft)
    after = await due(api, draft), await read_customer(api, customer_id, "balanceCents")

    assert before == ([("DRAFT", 1000)], {"balanceCents": 1500})
    assert after == ([("PAID", 0)], {"balanceCents": 500})


async def test_a_payment_that_is_sent_again_with_its_key_is_recorded_once(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    await an_open_invoice(api, customer_id, 1000)
    payment = {"customerId": customer_id, "amountCents": 400, "currency": "EUR", "idempotencyKey": "transfer-1"}

    first = await api.mutate("recordPayment", "payment { id }", **payment)
    before = await everything(sessions)
    again = await api.mutate("recordPayment", "payment { id }", **payment)
    other = await api.mutate("recordPayment", "payment { id }", **payment | {"amountCents": 500})

    assert again == first
    assert refusal(other) == ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])
    assert await everything(sessions) == before


async def test_an_archived_customer_still_pays(api: Api) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    await api.mutate("archiveCustomer", "customer { id }", id=customer_id)

    await pay(api, customer_id, 1000)

    assert await due(api, invoice_id) == [("PAID", 0)]


async def test_of_two_payments_at_once_each_pays_what_the_other_left(api: Api) -> None:
    customer_id = await api.a_customer()
    invoices = [await an_open_invoice(api, customer_id, 1000) for _ in range(2)]

    await asyncio.gather(*(pay(api, customer_id, 250) for _ in range(8)))

    assert await due(api, *invoices) == [("PAID", 0)] * 2


async def test_money_of_another_age_is_refused(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    payment = {"customerId": customer_id, "amountCents": 1, "currency": "EUR", "allowOverpayment": True}

    old = await api.mutate("recordPayment", "payment { id }", **payment, receivedAt="1901-01-01T00:00:00Z")
    ancient = await api.post(
        "mutation ($input: RecordPaymentInput!) { recordPayment(input: $input) { payment { id } } }",
        input={**payment, "receivedAt": "0001-01-01T00:00:00Z"},
    )

    assert refusal(old) == ("INVALID_INPUT", ["input", "receivedAt"])
    assert ancient.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await count(sessions, models.Payment) == 0
