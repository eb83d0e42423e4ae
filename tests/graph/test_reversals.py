"""Reversals and refunds of payments, and adjustments of the balance."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from tests.graph.test_bad_input import everything
from tests.graph.test_credit_notes import an_invoice_of, balance, credit
from tests.graph.test_credits_of_changes import assert_sound
from tests.graph.test_invoices import events_of, first_invoice, read, read_customer
from tests.graph.test_payments import due
from tests.support import Api, TestClock, day, read_subscription, refusal, run

ALLOCATIONS = "allocations { kind amountCents releasedAt }"


@pytest.fixture(autouse=True)
async def books_in_order(database: Database, events_name_changes: None) -> AsyncIterator[None]:
    """After the test, `billing verify` finds no violation, and all events name what they changed."""
    yield
    await assert_sound(database)


@pytest.fixture
async def customer_id(api: Api) -> str:
    return await api.a_customer()


async def payment(api: Api, customer_id: str, cents: int, *invoice_ids: str) -> str:
    """Records a payment, of the given invoices or else of those due first. Returns its id."""
    allocations = [{"invoiceId": invoice_id} for invoice_id in invoice_ids] or None
    payload = await api.mutate(
        "recordPayment",
        "payment { id }",
        customerId=customer_id,
        amountCents=cents,
        currency="EUR",
        allocations=allocations,
        allowOverpayment=True,
    )
    assert payload["userErrors"] == [], payload
    return str(payload["payment"]["id"])


async def reverse(api: Api, payment_id: str, cents: int | None = None) -> Any:
    """Reverses a payment, or a part of it. Returns the payload."""
    payload = await api.mutate(
        "reversePayment",
        "payment { reversedCents reversedAt } customer { balanceCents }",
        id=payment_id,
        amountCents=cents,
        reason="Returned",
    )
    assert payload["userErrors"] == [], payload
    return payload


async def refund(api: Api, payment_id: str, cents: int, **fields: Any) -> Any:
    """Records a refund. Returns the payload."""
    payload = await api.mutate(
        "recordRefund",
        "payment { refundedCents } creditNote { refundedCents } customer { balanceCents }",
        paymentId=payment_id,
        amountCents=cents,
        **fields,
    )
    assert payload["userErrors"] == [], payload
    return payload


async def adjust(api: Api, customer_id: str, cents: int) -> int:
    """Adjusts the balance. Returns the balance."""
    payload = await api.mutate(
        "adjustBalance",
        "customer { balanceCents }",
        customerId=customer_id,
        amountCents=cents,
        currency="EUR",
        reason="Sorry",
    )
    assert payload["userErrors"] == [], payload
    return int(payload["customer"]["balanceCents"])


async def refused(api: Api, sessions: Sessions, name: str, **fields: Any) -> tuple[str, list[str] | None]:
    """Runs a mutation that must be rejected and store nothing. Returns code and field."""
    before = await everything(sessions)
    payload = await api.mutate(name, "customer { id }", **fields)
    assert await everything(sessions) == before
    return refusal(payload)


async def read_payment(api: Api, payment_id: str, selection: str) -> Any:
    return (await api(f"query ($id: ID!) {{ payment(id: $id) {{ {selection} }} }}", id=payment_id))["payment"]


async def ledger(api: Api, customer_id: str) -> list[tuple[str, int, int]]:
    """Returns kind, amount and balance of each entry."""
    entries = "ledger(first: 100) { nodes { kind amountCents balanceAfterCents } }"
    nodes = (await read_customer(api, customer_id, entries))["ledger"]["nodes"]
    return [(node["kind"], node["amountCents"], node["balanceAfterCents"]) for node in nodes]


# Reversals


async def test_what_a_reversed_payment_paid_is_owed_again(
    api: Api, sessions: Sessions, clock: TestClock, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    clock.forward(days=1)

    reversed_ = await reverse(api, payment_id)

    assert reversed_ == {
        "payment": {"reversedCents": 3000, "reversedAt": day(1)},
        "customer": {"balanceCents": 0},
        "userErrors": [],
    }
    assert await read(api, invoice_id, f"status amountDueCents paidAt {ALLOCATIONS}") == {
        "status": "OPEN",
        "amountDueCents": 3000,
        "paidAt": None,
        "allocations": [{"kind": "PAYMENT", "amountCents": 3000, "releasedAt": day(1)}],
    }
    assert await read_payment(
        api,
        payment_id,
        "amountCents overpaymentCents refundedCents version updatedAt reversals { amountCents reason createdAt }",
    ) == {
        "amountCents": 3000,
        "overpaymentCents": 0,
        "refundedCents": 0,
        "version": 2,
        "updatedAt": day(1),
        "reversals": [{"amountCents": 3000, "reason": "Returned", "createdAt": day(1)}],
    }
    again = await refused(api, sessions, "reversePayment", id=payment_id, reason="Again")
    assert again == ("REVERSAL_EXCEEDS_PAYMENT", ["input", "amountCents"])
    # Another payment pays it.
    await payment(api, customer_id, 3000)
    assert await due(api, invoice_id) == [("PAID", 0)]


async def test_a_payment_is_reversed_in_parts(api: Api, sessions: Sessions, clock: TestClock, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    seen = []
    for cents in (1000, 500, None):
        clock.forward(days=1)
        await reverse(api, payment_id, cents)
        seen.extend(await due(api, invoice_id))
        if cents is not None:
            most = await refused(api, sessions, "reversePayment", id=payment_id, amountCents=2001, reason="Too much")
            assert most == ("REVERSAL_EXCEEDS_PAYMENT", ["input", "amountCents"])

    assert seen == [("OPEN", 1000), ("OPEN", 1500), ("OPEN", 3000)]
    found = await read_payment(api, payment_id, f"reversedCents reversals {{ amountCents createdAt }} {ALLOCATIONS}")
    assert found["reversals"] == [
        {"amountCents": 1000, "createdAt": day(1)},
        {"amountCents": 500, "createdAt": day(2)},
        {"amountCents": 1500, "createdAt": day(3)},
    ]
    assert sorted((each["amountCents"], each["releasedAt"]) for each in found["allocations"]) == [
        (1500, day(3)),
        (2000, day(2)),
        (3000, day(1)),
    ]


async def test_the_invoices_that_were_paid_last_are_owed_again_first(api: Api, customer_id: str) -> None:
    one, two, three = [await an_invoice_of(api, customer_id, 1000) for _ in range(3)]
    payment_id = await payment(api, customer_id, 2500, two, three, one)
    assert await due(api, one, two, three) == [("OPEN", 500), ("PAID", 0), ("PAID", 0)]

    await reverse(api, payment_id, 1200)

    assert await due(api, one, two, three) == [("OPEN", 1000), ("PAID", 0), ("OPEN", 700)]


async def test_an_overpayment_is_taken_back_from_the_balance_first(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 5000)

    await reverse(api, payment_id, 1500)
    of_balance = await due(api, invoice_id), await balance(api, customer_id)
    await reverse(api, payment_id, 1500)
    of_both = await due(api, invoice_id), await balance(api, customer_id)

    assert of_balance == ([("PAID", 0)], 500)
    assert of_both == ([("OPEN", 1000)], 0)
    assert await ledger(api, customer_id) == [
        ("OVERPAYMENT", 2000, 2000),
        ("REVERSAL", -1500, 500),
        ("REVERSAL", -500, 0),
    ]


async def test_what_the_balance_paid_is_given_back_if_a_reversal_needs_it(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    payment_id = await payment(api, customer_id, 2000)
    one, two = [await an_invoice_of(api, customer_id, 1000) for _ in range(2)]
    assert await due(api, one, two) == [("PAID", 0), ("PAID", 0)]
    clock.forward(days=1)

    await reverse(api, payment_id, 1300)

    # Both are released as a whole, because one is too little. What is left pays the one that is due first.
    assert await due(api, one, two) == [("OPEN", 300), ("OPEN", 1000)]
    assert (await ledger(api, customer_id))[3:] == [
        ("GIVEN_BACK", 1000, 1000),
        ("GIVEN_BACK", 1000, 2000),
        ("REVERSAL", -1300, 700),
        ("APPLIED", -700, 0),
    ]


async def test_only_as_much_is_given_back_as_the_balance_lacks(api: Api, customer_id: str) -> None:
    payment_id = await payment(api, customer_id, 2500)
    one, two = [await an_invoice_of(api, customer_id, 1000) for _ in range(2)]

    await reverse(api, payment_id, 600)

    # 500 are in the balance. The invoice that was paid last gives back 1000 and gets 900 again.
    assert await due(api, one, two) == [("PAID", 0), ("OPEN", 100)]
    assert await balance(api, customer_id) == 0


async def test_a_reversal_does_not_release_allocations_of_other_payments(api: Api, customer_id: str) -> None:
    first = await payment(api, customer_id, 1000)
    balance_paid = await an_invoice_of(api, customer_id, 1000)
    paid = await an_invoice_of(api, customer_id, 1000)
    second = await payment(api, customer_id, 1000)

    await reverse(api, second)
    assert await due(api, balance_paid, paid) == [("PAID", 0), ("OPEN", 1000)]
    await reverse(api, first)
    assert await due(api, balance_paid, paid) == [("OPEN", 1000), ("OPEN", 1000)]


@pytest.mark.parametrize("way", ["lowered", "refunded"])
async def test_a_reversal_is_rejected_if_the_balance_was_lowered_or_refunded(
    api: Api, sessions: Sessions, customer_id: str, way: str
) -> None:
    await an_invoice_of(api, customer_id, 3000)
    other = await payment(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 2000)
    if way == "lowered":
        await adjust(api, customer_id, -1)
    else:
        await refund(api, other, 1)

    spent = await refused(api, sessions, "reversePayment", id=payment_id, reason="Returned")
    assert spent == ("BALANCE_SPENT", None)

    # What is still there can be taken back.
    await reverse(api, payment_id, 1999)
    assert await balance(api, customer_id) == 0
    assert await adjust(api, customer_id, 1) == 1
    await reverse(api, payment_id)
    assert await balance(api, customer_id) == 0


async def test_the_balance_that_is_left_pays_what_is_owed_again(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    await adjust(api, customer_id, 700)

    await reverse(api, payment_id)

    assert await due(api, invoice_id) == [("OPEN", 2300)]
    assert await ledger(api, customer_id) == [("ADJUSTMENT", 700, 700), ("APPLIED", -700, 0)]


async def test_an_uncollectible_invoice_owes_more_after_a_reversal(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 1000)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=invoice_id)

    await reverse(api, payment_id)

    assert await due(api, invoice_id) == [("UNCOLLECTIBLE", 3000)]


@pytest.mark.parametrize(
    ("name", "status", "cents"),
    [("voidInvoice", "VOID", 0), ("markInvoiceUncollectible", "UNCOLLECTIBLE", 2300)],
    ids=["void", "uncollectible"],
)
async def test_a_reopened_invoice_can_be_voided_or_marked_uncollectible(
    api: Api, sessions: Sessions, customer_id: str, name: str, status: str, cents: int
) -> None:
    await adjust(api, customer_id, 700)
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 2300)
    await reverse(api, payment_id, 2299)
    if name == "voidInvoice":
        code = refusal(await api.mutate(name, "invoice { id }", id=invoice_id))
        assert code == ("INVOICE_HAS_PAYMENTS", ["input", "id"])
    await reverse(api, payment_id)

    ended = await api.mutate(name, "invoice { status amountDueCents }", id=invoice_id)

    assert ended["invoice"] == {"status": status, "amountDueCents": cents}
    assert await balance(api, customer_id) == (700 if status == "VOID" else 0)


async def test_a_reversal_makes_a_subscription_past_due_and_a_payment_ends_that(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, customer_id: str
) -> None:
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000, netDays=5))
    invoice_id = await first_invoice(api, subscription_id)
    payment_id = await payment(api, customer_id, 3000)
    clock.forward(days=10)
    await run(database, clock)

    seen = [await read_subscription(api, subscription_id, "status")]
    await reverse(api, payment_id)
    seen.append(await read_subscription(api, subscription_id, "status"))
    await payment(api, customer_id, 3000)
    seen.append(await read_subscription(api, subscription_id, "status"))

    assert [each["status"] for each in seen] == ["ACTIVE", "PAST_DUE", "ACTIVE"]
    assert await events_of(api, sessions, payment_id) == [
        ("PAYMENT_RECORDED", 1, []),
        ("PAYMENT_REVERSED", 2, ["reversedCents", "reversedAt"]),
    ]
    assert [name for name, _, _ in await events_of(api, sessions, invoice_id)] == [
        "INVOICE_FINALIZED",
        "INVOICE_PAID",
        "INVOICE_REOPENED",
        "INVOICE_PAID",
    ]


async def test_a_reversal_after_the_end_of_a_subscription_makes_nothing_past_due(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000, netDays=0))
    payment_id = await payment(api, customer_id, 3000)
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
    await api.mutate("archiveCustomer", "customer { id }", id=customer_id)
    clock.forward(days=9)

    await reverse(api, payment_id)

    found = await read_subscription(api, subscription_id, "status invoices { nodes { status amountDueCents } }")
    assert found == {"status": "CANCELED", "invoices": {"nodes": [{"status": "OPEN", "amountDueCents": 3000}]}}


async def test_what_a_credit_note_added_to_the_balance_pays_what_a_reversal_leaves_due(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    note = await credit(api, invoice_id, amountCents=1000)

    await reverse(api, payment_id)

    assert await due(api, invoice_id) == [("OPEN", 2000)]
    assert await balance(api, customer_id) == 0
    spent = await refused(api, sessions, "voidCreditNote", id=note["id"])
    assert spent == ("BALANCE_SPENT", None)
    # The rest can still be credited: the invoice owes nothing then.
    await credit(api, invoice_id, whole=True)
    assert await due(api, invoice_id) == [("PAID", 0)]


async def test_a_reversal_with_its_key_is_done_once(api: Api, sessions: Sessions, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    request = {"id": payment_id, "amountCents": 1000, "reason": "Returned", "idempotencyKey": "once"}

    answers = [await api.mutate("reversePayment", "payment { reversedCents }", **request) for _ in range(2)]
    other = await refused(api, sessions, "reversePayment", **request | {"amountCents": None})

    assert answers == [{"payment": {"reversedCents": 1000}, "userErrors": []}] * 2
    assert other == ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])
    assert await due(api, invoice_id) == [("OPEN", 1000)]


# Refunds


async def test_a_refund_without_a_credit_note_comes_from_the_balance(
    api: Api, sessions: Sessions, clock: TestClock, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 5000)
    clock.forward(days=1)

    refunded = await refund(api, payment_id, 1500, reference="RF 1")
    too_much = await refused(api, sessions, "recordRefund", paymentId=payment_id, amountCents=501)

    assert refunded == {
        "payment": {"refundedCents": 1500},
        "creditNote": None,
        "customer": {"balanceCents": 500},
        "userErrors": [],
    }
    assert too_much == ("BALANCE_TOO_LOW", ["input", "amountCents"])
    assert await due(api, invoice_id) == [("PAID", 0)]
    assert await ledger(api, customer_id) == [("OVERPAYMENT", 2000, 2000), ("REFUND", -1500, 500)]
    selection = "version refunds { amountCents reference createdAt payment { id } creditNote { id } } reversals { id }"
    assert await read_payment(api, payment_id, selection) == {
        "version": 2,
        "refunds": [
            {
                "amountCents": 1500,
                "reference": "RF 1",
                "createdAt": day(1),
                "payment": {"id": payment_id},
                "creditNote": None,
            }
        ],
        "reversals": [],
    }
    assert (await events_of(api, sessions, payment_id))[1:] == [("PAYMENT_REFUNDED", 2, ["refundedCents"])]


async def test_the_refund_of_a_credit_note_is_recorded_in_parts_and_of_several_payments(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    one, two = [await payment(api, customer_id, 1500) for _ in range(2)]
    note = await credit(api, invoice_id, amountCents=2000, distribution={"refundCents": 2000})

    refunded = [await refund(api, each, cents, creditNoteId=note["id"]) for each, cents in ((one, 1500), (two, 400))]
    of_note = await refused(api, sessions, "recordRefund", paymentId=two, amountCents=101, creditNoteId=note["id"])
    of_payment = await refused(api, sessions, "recordRefund", paymentId=one, amountCents=1, creditNoteId=note["id"])
    await refund(api, two, 100, creditNoteId=note["id"])

    assert [(each["payment"], each["creditNote"]) for each in refunded] == [
        ({"refundedCents": 1500}, {"refundedCents": 1500}),
        ({"refundedCents": 400}, {"refundedCents": 1900}),
    ]
    assert of_note == ("REFUND_EXCEEDS_CREDIT_NOTE", ["input", "amountCents"])
    assert of_payment == ("REFUND_EXCEEDS_PAYMENT", ["input", "amountCents"])
    assert await due(api, invoice_id) == [("PAID", 0)]
    assert await ledger(api, customer_id) == []
    query = "query ($id: ID!) { creditNote(id: $id) { refundedCents refunds { amountCents payment { id } } } }"
    assert (await api(query, id=note["id"]))["creditNote"] == {
        "refundedCents": 2000,
        "refunds": [
            {"amountCents": cents, "payment": {"id": each}} for cents, each in ((1500, one), (400, two), (100, two))
        ],
    }


async def test_what_is_left_of_a_refunded_payment_is_reversed_and_its_invoice_owes_only_that(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    note = await credit(api, invoice_id, amountCents=1000, distribution={"refundCents": 1000})
    await refund(api, payment_id, 1000, creditNoteId=note["id"])

    more = await refused(api, sessions, "reversePayment", id=payment_id, amountCents=2001, reason="Returned")
    await reverse(api, payment_id)

    assert more == ("REVERSAL_EXCEEDS_PAYMENT", ["input", "amountCents"])
    assert await due(api, invoice_id) == [("OPEN", 2000)]
    rest = await refused(api, sessions, "recordRefund", paymentId=payment_id, amountCents=1)
    assert rest == ("REFUND_EXCEEDS_PAYMENT", ["input", "amountCents"])


async def test_a_refund_of_an_adjustment_leaves_the_invoice_of_the_payment_paid(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3500)
    await adjust(api, customer_id, 1000)

    await refund(api, payment_id, 1200)
    assert (await due(api, invoice_id), await balance(api, customer_id)) == ([("PAID", 0)], 300)

    # All of the overpayment was refunded: 2300 are left of the payment, all of which paid the invoice.
    await reverse(api, payment_id, 2300)
    assert (await due(api, invoice_id), await balance(api, customer_id)) == ([("OPEN", 2000)], 0)


async def test_a_void_credit_note_is_not_refunded(api: Api, sessions: Sessions, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 3000)
    note = await credit(api, invoice_id, whole=True, distribution={"refundCents": 3000})
    assert (await api.mutate("voidCreditNote", "creditNote { id }", id=note["id"]))["userErrors"] == []

    code = await refused(api, sessions, "recordRefund", paymentId=payment_id, amountCents=1, creditNoteId=note["id"])

    assert code == ("CREDIT_NOTE_VOID", ["input", "creditNoteId"])


async def test_a_refund_with_its_key_is_recorded_once(api: Api, sessions: Sessions, customer_id: str) -> None:
    payment_id = await payment(api, customer_id, 3000)
    request = {"paymentId": payment_id, "amountCents": 1000, "idempotencyKey": "once"}

    answers = [await api.mutate("recordRefund", "payment { refundedCents }", **request) for _ in range(2)]
    other = await refused(api, sessions, "recordRefund", **request | {"reference": "RF 1"})

    assert answers == [{"payment": {"refundedCents": 1000}, "userErrors": []}] * 2
    assert other == ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])
    assert await balance(api, customer_id) == 2000


# Adjustments


async def test_an_adjustment_pays_open_invoices_first_and_the_rest_waits(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    given_up = await an_invoice_of(api, customer_id, 500, netDays=0)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=given_up)
    later, sooner = [await an_invoice_of(api, customer_id, 1000, netDays=days) for days in (20, 10)]

    rest = [await adjust(api, customer_id, cents) for cents in (1300, 1000, -200)]
    too_much = await refused(
        api, sessions, "adjustBalance", customerId=customer_id, amountCents=-101, currency="EUR", reason="Back"
    )

    assert rest == [0, 300, 100]
    assert too_much == ("BALANCE_TOO_LOW", ["input", "amountCents"])
    assert await due(api, given_up, sooner, later) == [("UNCOLLECTIBLE", 500), ("PAID", 0), ("PAID", 0)]
    selection = "ledger { nodes { kind amountCents reason } }"
    assert (await read_customer(api, customer_id, selection))["ledger"]["nodes"] == [
        {"kind": "ADJUSTMENT", "amountCents": 1300, "reason": "Sorry"},
        {"kind": "APPLIED", "amountCents": -1000, "reason": None},
        {"kind": "APPLIED", "amountCents": -300, "reason": None},
        {"kind": "ADJUSTMENT", "amountCents": 1000, "reason": "Sorry"},
        {"kind": "APPLIED", "amountCents": -700, "reason": None},
        {"kind": "ADJUSTMENT", "amountCents": -200, "reason": "Sorry"},
    ]


async def test_an_adjustment_sets_the_currency_of_a_new_customer(
    api: Api, sessions: Sessions, clock: TestClock, customer_id: str
) -> None:
    clock.forward(days=1)

    assert await adjust(api, customer_id, 700) == 700

    assert await read_customer(api, customer_id, "currency balanceCents updatedAt") == {
        "currency": "EUR",
        "balanceCents": 700,
        "updatedAt": day(1),
    }
    other = await refused(
        api, sessions, "adjustBalance", customerId=customer_id, amountCents=1, currency="USD", reason="Sorry"
    )
    assert other == ("CURRENCY_MISMATCH", ["input", "currency"])
    first = await an_invoice_of(api, customer_id, 1000)
    assert await due(api, first) == [("OPEN", 300)]


async def test_an_adjustment_ends_past_due(api: Api, database: Database, clock: TestClock, customer_id: str) -> None:
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000, netDays=5))
    clock.forward(days=10)
    await run(database, clock)
    assert (await read_subscription(api, subscription_id, "status"))["status"] == "PAST_DUE"

    await adjust(api, customer_id, 2999)
    in_part = await read_subscription(api, subscription_id, "status")
    await adjust(api, customer_id, 1)

    assert in_part == {"status": "PAST_DUE"}
    assert await read_subscription(api, subscription_id, "status") == {"status": "ACTIVE"}


async def test_an_adjustment_with_its_key_is_done_once(api: Api, sessions: Sessions, customer_id: str) -> None:
    request = {
        "customerId": customer_id,
        "amountCents": 700,
        "currency": "EUR",
        "reason": "Sorry",
        "idempotencyKey": "once",
    }

    answers = [await api.mutate("adjustBalance", "customer { balanceCents }", **request) for _ in range(2)]
    other = await refused(api, sessions, "adjustBalance", **request | {"reason": "Very sorry"})

    assert answers == [{"customer": {"balanceCents": 700}, "userErrors": []}] * 2
    assert other == ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])


async def test_what_the_balance_does_not_need_returns_to_the_invoice_that_it_was_taken_from(
    api: Api, customer_id: str
) -> None:
    overpayment = await payment(api, customer_id, 1000)
    invoice_id = await an_invoice_of(api, customer_id, 1500)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=invoice_id)

    reversed_ = await reverse(api, overpayment, 100)

    assert reversed_["customer"]["balanceCents"] == 0
    assert await due(api, invoice_id) == [("UNCOLLECTIBLE", 600)]
