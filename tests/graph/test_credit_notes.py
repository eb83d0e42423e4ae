"""Credit notes: lines and amounts, distribution of the money, proration and voiding."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from tests.graph.test_bad_input import everything
from tests.graph.test_credits_of_changes import assert_sound
from tests.graph.test_invoices import a_draft, an_open_invoice, events_of, first_invoice, pay, read, read_customer
from tests.graph.test_payments import due
from tests.graph.test_test_clocks import a_clock
from tests.support import Api, TestClock, day, read_subscription, refusal, run

PARTS = ("amountCents", "appliedCents", "restoredCents", "balanceCents", "refundCents", "outsideCents")
NOTE = f"id number status {' '.join(PARTS)} refundedCents lines {{ amountCents }}"


@pytest.fixture(autouse=True)
async def books_in_order(database: Database, events_name_changes: None) -> AsyncIterator[None]:
    """After the test, `billing verify` finds no violation, and all events name what they changed."""
    yield
    await assert_sound(database)


@pytest.fixture
async def customer_id(api: Api) -> str:
    return await api.a_customer()


async def credit(api: Api, invoice_id: str, **fields: Any) -> Any:
    """Issues a credit note and returns it."""
    payload = await api.mutate(
        "createCreditNote", f"creditNote {{ {NOTE} }}", invoiceId=invoice_id, **{"reason": "Too much", **fields}
    )
    assert payload["userErrors"] == [], payload
    return payload["creditNote"]


async def refused_credit(api: Api, sessions: Sessions, invoice_id: str, **fields: Any) -> tuple[str, list[str] | None]:
    """Requests a credit note that must be rejected. Returns code and field. Nothing is stored."""
    before = await everything(sessions)
    payload = await api.mutate(
        "createCreditNote",
        "creditNote { id } customer { id } invoice { id }",
        invoiceId=invoice_id,
        reason="No",
        **fields,
    )
    assert await everything(sessions) == before
    return refusal(payload)


def parts(note: Any) -> tuple[int, ...]:
    """Returns the total of a credit note and its parts: applied, restored, balance, refund, outside."""
    return tuple(note[name] for name in PARTS)


def amounts(lines: Any) -> list[int]:
    return [line["amountCents"] for line in lines]


async def lines_of(api: Api, invoice_id: str) -> list[str]:
    return [line["id"] for line in (await read(api, invoice_id, "lines { id }"))["lines"]]


async def creditable(api: Api, invoice_id: str) -> tuple[int, list[int]]:
    """Returns what can still be credited on an invoice, and on each of its lines."""
    found = await read(api, invoice_id, "creditableCents lines { creditableCents }")
    return found["creditableCents"], [line["creditableCents"] for line in found["lines"]]


async def an_invoice_of(api: Api, customer_id: str, *cents: int, **fields: Any) -> str:
    """Creates and finalizes a one-off invoice with a line for each amount. Returns its id."""
    draft = await a_draft(api, customer_id, *cents, **fields)
    payload = await api.mutate("finalizeInvoice", "invoice { id }", id=draft)
    assert payload["userErrors"] == []
    return draft


async def balance(api: Api, customer_id: str) -> int:
    return int((await read_customer(api, customer_id, "balanceCents"))["balanceCents"])


async def void_note(api: Api, note_id: str) -> Any:
    payload = await api.mutate("voidCreditNote", "creditNote { status voidedAt }", id=note_id)
    assert payload["userErrors"] == [], payload
    return payload["creditNote"]


async def refused_void(api: Api, sessions: Sessions, note_id: str) -> tuple[str, list[str] | None]:
    before = await everything(sessions)
    payload = await api.mutate("voidCreditNote", "creditNote { id } invoice { id } customer { id }", id=note_id)
    assert await everything(sessions) == before
    return refusal(payload)


async def test_credit_notes_lower_the_amount_due_to_zero(api: Api, clock: TestClock, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 1000, 2000)
    _, second = await lines_of(api, invoice_id)
    clock.forward(days=1)

    one = await credit(api, invoice_id, lines=[{"lineId": second, "amountCents": 500}])
    in_part = await due(api, invoice_id), await creditable(api, invoice_id)
    two = await credit(api, invoice_id, amountCents=250)
    three = await credit(api, invoice_id, whole=True)

    assert (parts(one), amounts(one["lines"])) == ((500, 500, 0, 0, 0, 0), [500])
    assert in_part == ([("OPEN", 2500)], (2500, [1000, 1500]))
    assert (parts(two), amounts(two["lines"])) == ((250, 250, 0, 0, 0, 0), [100, 150])
    assert (parts(three), amounts(three["lines"])) == ((2250, 2250, 0, 0, 0, 0), [900, 1350])
    assert [note["number"][-6:] for note in (one, two, three)] == ["-C0001", "-C0002", "-C0003"]
    assert await read(api, invoice_id, "status amountCents amountDueCents paidAt allocations { kind amountCents }") == {
        "status": "PAID",
        "amountCents": 3000,
        "amountDueCents": 0,
        "paidAt": day(1),
        "allocations": [{"kind": "CREDIT_NOTE", "amountCents": cents} for cents in (500, 250, 2250)],
    }
    assert await creditable(api, invoice_id) == (0, [0, 0])
    assert await balance(api, customer_id) == 0


async def test_a_new_credit_note_returns_all_its_fields(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer(name="Ada Lovelace", email="ada@example.com")
    invoice_id = await an_invoice_of(api, customer_id, 1000, 2000)
    first, second = await lines_of(api, invoice_id)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="Ada King")
    clock.forward(days=3)

    made = await api.mutate(
        "createCreditNote",
        f"""creditNote {{
            {NOTE} currency reason memo version issuedAt createdAt updatedAt voidedAt
            billTo {{ name email }} customer {{ id }} invoice {{ id }} refunds {{ id }} testClock {{ id }}
            lines {{ description invoiceLine {{ id }} }}
        }} invoice {{ amountDueCents }} customer {{ id }}""",
        invoiceId=invoice_id,
        # The lines of a credit note are in the order of the invoice.
        lines=[{"lineId": second, "amountCents": 2}, {"lineId": first, "amountCents": 1}],
        reason="  Wrong price ",
        memo="Sorry\nfor that",
    )

    note = made["creditNote"]
    prefix = (await read(api, invoice_id, "number"))["number"].removesuffix("-0001")
    assert made["invoice"] == {"amountDueCents": 2997}
    assert made["customer"] == {"id": customer_id}
    assert note == {
        "id": note["id"],
        "number": f"{prefix}-C0001",
        "status": "ISSUED",
        **dict(zip(PARTS, (3, 3, 0, 0, 0, 0), strict=True)),
        "refundedCents": 0,
        "lines": [
            {"amountCents": 1, "description": "Part 1", "invoiceLine": {"id": first}},
            {"amountCents": 2, "description": "Part 2", "invoiceLine": {"id": second}},
        ],
        "currency": "EUR",
        "reason": "Wrong price",
        "memo": "Sorry\nfor that",
        "version": 1,
        "issuedAt": day(3),
        "createdAt": day(3),
        "updatedAt": day(3),
        "voidedAt": None,
        "billTo": {"name": "Ada King", "email": "ada@example.com"},
        "customer": {"id": customer_id},
        "invoice": {"id": invoice_id},
        "refunds": [],
        "testClock": None,
    }


async def test_of_a_partly_paid_invoice_only_what_exceeds_the_amount_due_is_distributed(
    api: Api, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 1000)

    note = await credit(api, invoice_id, amountCents=2500, distribution={"refundCents": 200})

    assert parts(note) == (2500, 2000, 0, 300, 200, 0)
    assert await due(api, invoice_id) == [("PAID", 0)]
    assert await balance(api, customer_id) == 300
    assert await creditable(api, invoice_id) == (500, [500])


@pytest.mark.parametrize(
    ("distribution", "parts_of_note"),
    [
        (None, (1000, 0, 0, 1000, 0, 0)),
        ({}, (1000, 0, 0, 1000, 0, 0)),
        ({"refundCents": 1000}, (1000, 0, 0, 0, 1000, 0)),
        ({"outsideCents": 1000}, (1000, 0, 0, 0, 0, 1000)),
        ({"balanceCents": 1000}, (1000, 0, 0, 1000, 0, 0)),
        ({"refundCents": 300, "outsideCents": 200}, (1000, 0, 0, 500, 300, 200)),
        ({"refundCents": 300, "outsideCents": 200, "balanceCents": 500}, (1000, 0, 0, 500, 300, 200)),
    ],
    ids=["none", "empty", "refund", "outside", "balance", "the rest to the balance", "all three"],
)
async def test_what_is_left_of_a_paid_invoice_is_distributed_as_requested(
    api: Api, customer_id: str, distribution: Any, parts_of_note: tuple[int, ...]
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 3000)

    note = await credit(api, invoice_id, amountCents=1000, distribution=distribution)

    assert parts(note) == parts_of_note
    assert await balance(api, customer_id) == note["balanceCents"]
    assert await due(api, invoice_id) == [("PAID", 0)]


async def test_an_uncollectible_invoice_owes_less_and_is_paid_when_nothing_is_left(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=invoice_id)

    await credit(api, invoice_id, amountCents=1000)
    in_part = await due(api, invoice_id)
    note = await credit(api, invoice_id, whole=True)

    assert in_part == [("UNCOLLECTIBLE", 2000)]
    assert parts(note) == (2000, 2000, 0, 0, 0, 0)
    assert await due(api, invoice_id) == [("PAID", 0)]
    await void_note(api, note["id"])
    assert await due(api, invoice_id) == [("OPEN", 2000)]


async def test_what_the_balance_paid_returns_to_it_before_anything_is_distributed(api: Api, customer_id: str) -> None:
    await pay(api, customer_id, 2000, allowOverpayment=True)
    invoice_id = await an_invoice_of(api, customer_id, 10_000)
    await pay(api, customer_id, 8000)

    one = await credit(api, invoice_id, amountCents=1500)
    two = await credit(api, invoice_id, amountCents=1500, distribution={"refundCents": 1000})
    three = await credit(api, invoice_id, whole=True, distribution={"refundCents": 7000})

    assert parts(one) == (1500, 0, 1500, 0, 0, 0)
    assert parts(two) == (1500, 0, 500, 0, 1000, 0)
    assert parts(three) == (7000, 0, 0, 0, 7000, 0)
    assert await balance(api, customer_id) == 2000


async def test_what_a_void_credit_note_restored_can_be_restored_again(api: Api, customer_id: str) -> None:
    await pay(api, customer_id, 2000, allowOverpayment=True)
    invoice_id = await an_invoice_of(api, customer_id, 2000)

    notes = []
    for _ in range(3):
        notes.append(await credit(api, invoice_id, whole=True))
        assert await balance(api, customer_id) == 2000
        await void_note(api, notes[-1]["id"])
        assert await balance(api, customer_id) == 0

    assert [parts(note) for note in notes] == [(2000, 0, 2000, 0, 0, 0)] * 3
    assert [note["number"][-6:] for note in notes] == ["-C0001", "-C0002", "-C0003"]


async def test_an_invoice_that_a_credit_paid_gives_it_back_to_the_balance(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=6000))
    await pay(api, customer_id, 6000)
    one_off = await an_invoice_of(api, customer_id, 3000)
    clock.forward(days=15)
    # The credit of 3000 pays the one-off invoice.
    await api.mutate("cancelSubscription", "invoice { id }", id=subscription_id, atPeriodEnd=False, settlement="CREDIT")
    assert await due(api, one_off) == [("PAID", 0)]

    note = await credit(api, one_off, whole=True)

    assert parts(note) == (3000, 0, 3000, 0, 0, 0)
    assert await balance(api, customer_id) == 3000


async def test_what_is_added_to_the_balance_pays_open_but_not_uncollectible_invoices(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    paid = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 3000)
    given_up = await an_invoice_of(api, customer_id, 500, netDays=0)
    await api.mutate("markInvoiceUncollectible", "invoice { id }", id=given_up)
    later, sooner = [await an_invoice_of(api, customer_id, 2000, netDays=days) for days in (20, 10)]
    clock.forward(days=1)

    note = await credit(api, paid, whole=True, distribution={"outsideCents": 500})

    assert parts(note) == (3000, 0, 0, 2500, 0, 500)
    assert await due(api, given_up, sooner, later) == [("UNCOLLECTIBLE", 500), ("PAID", 0), ("OPEN", 1500)]
    ledger = "ledger { nodes { kind amountCents creditNote { id } invoice { id } } }"
    assert (await read_customer(api, customer_id, ledger))["ledger"]["nodes"] == [
        {"kind": "CREDIT_NOTE", "amountCents": 2500, "creditNote": {"id": note["id"]}, "invoice": None},
        {"kind": "APPLIED", "amountCents": -2000, "creditNote": None, "invoice": {"id": sooner}},
        {"kind": "APPLIED", "amountCents": -500, "creditNote": None, "invoice": {"id": later}},
    ]


async def test_a_credit_note_ends_past_due_and_voiding_it_restores_past_due(
    api: Api, database: Database, clock: TestClock, customer_id: str
) -> None:
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000, netDays=5))
    invoice_id = await first_invoice(api, subscription_id)
    clock.forward(days=10)
    await run(database, clock)
    seen = [await read_subscription(api, subscription_id, "status")]

    note = await credit(api, invoice_id, whole=True)
    seen.append(await read_subscription(api, subscription_id, "status"))
    await void_note(api, note["id"])
    seen.append(await read_subscription(api, subscription_id, "status"))

    assert [each["status"] for each in seen] == ["PAST_DUE", "ACTIVE", "PAST_DUE"]


async def test_a_reissued_invoice_is_corrected_and_the_void_one_is_not(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000))
    void = await first_invoice(api, subscription_id)
    await api.mutate("voidInvoice", "invoice { id }", id=void)
    reissued = (await api.mutate("reissueInvoice", "invoice { id }", id=void))["invoice"]["id"]

    assert await creditable(api, void) == (0, [0])
    assert await refused_credit(api, sessions, void, whole=True) == ("INVOICE_VOID", ["input", "invoiceId"])
    note = await credit(api, reissued, amountCents=1000)

    assert parts(note) == (1000, 1000, 0, 0, 0, 0)
    assert await due(api, reissued) == [("OPEN", 2000)]
    await void_note(api, note["id"])
    # A credit note that is void does not keep the invoice from being voided and issued again.
    await api.mutate("voidInvoice", "invoice { id }", id=reissued)
    again = await api.mutate("reissueInvoice", "invoice { amountCents }", id=reissued)
    assert again["invoice"] == {"amountCents": 3000}


async def test_an_invoice_with_a_credit_note_is_not_voided(api: Api, sessions: Sessions, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    note = await credit(api, invoice_id, amountCents=1)
    before = await everything(sessions)

    refused = await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)

    assert refusal(refused) == ("INVOICE_CREDITED", ["input", "id"])
    assert await everything(sessions) == before
    await void_note(api, note["id"])
    allowed = await api.mutate("voidInvoice", "invoice { status amountDueCents creditableCents }", id=invoice_id)
    assert allowed["invoice"] == {"status": "VOID", "amountDueCents": 0, "creditableCents": 0}


async def test_lines_below_zero_are_not_credited_and_the_total_is_the_limit(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 1000, -1500, 2000)
    rebate = (await lines_of(api, invoice_id))[1]

    assert await creditable(api, invoice_id) == (1500, [1000, 0, 2000])
    of_rebate = await refused_credit(api, sessions, invoice_id, lines=[{"lineId": rebate, "amountCents": 1}])
    too_much = await refused_credit(api, sessions, invoice_id, amountCents=1501)
    note = await credit(api, invoice_id, whole=True)

    assert of_rebate == ("CREDIT_EXCEEDS_LINE", ["input", "lines", "0", "amountCents"])
    assert too_much == ("CREDIT_EXCEEDS_INVOICE", ["input", "amountCents"])
    assert (parts(note), amounts(note["lines"])) == ((1500, 1500, 0, 0, 0, 0), [500, 1000])
    assert await creditable(api, invoice_id) == (0, [500, 0, 1000])
    assert await due(api, invoice_id) == [("PAID", 0)]


async def test_the_cents_of_an_amount_go_to_the_largest_remainders(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 100, 100, 100)

    notes = [await credit(api, invoice_id, amountCents=cents) for cents in (100, 2, 1)]
    rest = await credit(api, invoice_id, whole=True)

    assert [amounts(note["lines"]) for note in notes] == [[34, 33, 33], [1, 1], [1]]
    assert sum(amounts(rest["lines"])) == 197
    assert await creditable(api, invoice_id) == (0, [0, 0, 0])


# Proration


async def halved(api: Api, clock: TestClock, customer_id: str, **fields: Any) -> tuple[str, str]:
    """Returns the ids of a paid subscription for 3000 that is canceled or changed half-way by the caller, and of its
    invoice.
    """
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000), **fields)
    invoice_id = await first_invoice(api, subscription_id)
    await pay(api, customer_id, 3000)
    clock.forward(days=15)
    return subscription_id, invoice_id


async def downgrade(api: Api, subscription_id: str, cents: int = 1000, mode: str = "IMMEDIATE") -> list[int]:
    """Changes to a cheaper plan. Returns the amounts of the lines of the invoice."""
    payload = await api.mutate(
        "changeSubscription",
        "invoice { lines { amountCents } }",
        id=subscription_id,
        planId=await api.a_plan(amountCents=cents),
        mode=mode,
    )
    assert payload["userErrors"] == []
    return amounts(payload["invoice"]["lines"]) if payload["invoice"] else []


async def test_after_a_full_credit_note_a_downgrade_credits_nothing_more(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    await credit(api, invoice_id, whole=True)

    assert await downgrade(api, subscription_id) == [500]

    assert await creditable(api, invoice_id) == (0, [0])
    # 3000 came in, 500 of it for the rest of the period on the new plan.
    assert await balance(api, customer_id) == 2500


async def test_after_a_downgrade_a_full_credit_note_credits_the_other_half(
    api: Api, sessions: Sessions, clock: TestClock, customer_id: str
) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    [line] = await lines_of(api, invoice_id)
    assert await downgrade(api, subscription_id) == [-1500, 500]
    assert await creditable(api, invoice_id) == (1500, [1500])

    of_line = await refused_credit(api, sessions, invoice_id, lines=[{"lineId": line, "amountCents": 1501}])
    of_whole = await refused_credit(api, sessions, invoice_id, amountCents=1501)
    note = await credit(api, invoice_id, whole=True)

    assert of_line == ("CREDIT_EXCEEDS_LINE", ["input", "lines", "0", "amountCents"])
    assert of_whole == ("CREDIT_EXCEEDS_INVOICE", ["input", "amountCents"])
    assert parts(note) == (1500, 0, 0, 1500, 0, 0)
    assert await balance(api, customer_id) == 2500


async def test_a_credit_that_waits_for_the_next_invoice_counts_at_once(
    api: Api, database: Database, clock: TestClock, customer_id: str
) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    await downgrade(api, subscription_id, mode="NEXT_INVOICE")

    assert await creditable(api, invoice_id) == (1500, [1500])
    await credit(api, invoice_id, whole=True)
    clock.forward(days=15)
    await run(database, clock)

    latest = await read_subscription(api, subscription_id, "latestInvoice { lines { amountCents } }")
    assert amounts(latest["latestInvoice"]["lines"]) == [-1500, 500, 1000]
    assert await creditable(api, invoice_id) == (0, [0])


async def test_a_downgrade_credits_its_share_of_what_a_credit_note_left(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    note = await credit(api, invoice_id, amountCents=1000)

    assert await downgrade(api, subscription_id) == [-1000, 500]

    assert await creditable(api, invoice_id) == (1000, [1000])
    # What a void credit note had credited can be credited again, and no more.
    await credit(api, invoice_id, whole=True)
    assert parts(note) == (1000, 0, 0, 1000, 0, 0)
    assert await balance(api, customer_id) == 1000 + 1000 - 500 + 1000


async def test_a_cancellation_credits_its_share_of_what_a_credit_note_left(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    await credit(api, invoice_id, amountCents=1, distribution={"outsideCents": 1})

    ended = await api.mutate(
        "cancelSubscription",
        "invoice { lines { amountCents } }",
        id=subscription_id,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    # Half of 2999, rounded away from zero.
    assert amounts(ended["invoice"]["lines"]) == [-1500]
    assert await creditable(api, invoice_id) == (1499, [1499])


async def test_a_void_credit_note_does_not_count_for_a_downgrade(api: Api, clock: TestClock, customer_id: str) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    note = await credit(api, invoice_id, whole=True)
    await void_note(api, note["id"])

    assert await downgrade(api, subscription_id) == [-1500, 500]


async def test_several_downgrades_and_credit_notes_never_credit_more_than_was_billed(
    api: Api, clock: TestClock, customer_id: str
) -> None:
    subscription_id, invoice_id = await halved(api, clock, customer_id)
    await credit(api, invoice_id, amountCents=700)
    assert await downgrade(api, subscription_id, 2000) == [-1150, 1000]
    latest = await read_subscription(api, subscription_id, "latestInvoice { id }")
    assert await creditable(api, latest["latestInvoice"]["id"]) == (0, [0, 1000])
    await credit(api, invoice_id, amountCents=500)
    clock.forward(days=5)
    # Two thirds of the charge of 1000 are left. The first line has nothing left for this time.
    assert await downgrade(api, subscription_id, 900) == [-667, 300]
    clock.forward(days=5)
    ended = await api.mutate(
        "cancelSubscription",
        "invoice { lines { amountCents } }",
        id=subscription_id,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    assert amounts(ended["invoice"]["lines"]) == [-150]
    assert await creditable(api, invoice_id) == (650, [650])
    await credit(api, invoice_id, whole=True)
    assert await creditable(api, invoice_id) == (0, [0])


# Voiding


async def test_a_void_credit_note_makes_a_paid_invoice_owed_again(
    api: Api, sessions: Sessions, clock: TestClock, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 1000)
    note = await credit(api, invoice_id, whole=True)
    clock.forward(days=1)

    voided = await void_note(api, note["id"])
    twice = await refused_void(api, sessions, note["id"])

    assert voided == {"status": "VOID", "voidedAt": day(1)}
    assert twice == ("CREDIT_NOTE_VOID", ["input", "id"])
    assert await read(api, invoice_id, "status amountDueCents paidAt allocations { kind amountCents releasedAt }") == {
        "status": "OPEN",
        "amountDueCents": 2000,
        "paidAt": None,
        "allocations": [
            {"kind": "PAYMENT", "amountCents": 1000, "releasedAt": None},
            {"kind": "CREDIT_NOTE", "amountCents": 2000, "releasedAt": day(1)},
        ],
    }
    assert await balance(api, customer_id) == 0
    assert await creditable(api, invoice_id) == (3000, [3000])


async def test_the_balance_pays_what_a_void_credit_note_leaves_due(api: Api, customer_id: str) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    note = await credit(api, invoice_id, whole=True)
    await pay(api, customer_id, 1000, allowOverpayment=True)

    await void_note(api, note["id"])

    assert await due(api, invoice_id) == [("OPEN", 2000)]
    assert await balance(api, customer_id) == 0


async def test_a_credit_note_whose_balance_was_spent_is_not_voided(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 3000)
    note = await credit(api, invoice_id, whole=True)
    other = await an_invoice_of(api, customer_id, 1)

    refused = await refused_void(api, sessions, note["id"])
    assert refused == ("BALANCE_SPENT", None)

    # One cent of any origin is enough.
    await pay(api, customer_id, 1, allowOverpayment=True)
    await void_note(api, note["id"])
    assert await due(api, invoice_id, other) == [("PAID", 0), ("PAID", 0)]
    assert await balance(api, customer_id) == 0


async def test_a_credit_note_of_which_a_part_was_refunded_is_not_voided(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 3000)
    payment_id = (await read_customer(api, customer_id, "payments { nodes { id } }"))["payments"]["nodes"][0]["id"]
    note = await credit(api, invoice_id, whole=True, distribution={"refundCents": 3000})
    await api.mutate("recordRefund", "payment { id }", paymentId=payment_id, amountCents=1, creditNoteId=note["id"])

    assert await refused_void(api, sessions, note["id"]) == ("CREDIT_NOTE_REFUNDED", ["input", "id"])


async def test_a_part_to_refund_and_one_outside_do_not_keep_a_credit_note_from_being_voided(
    api: Api, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 3000)
    note = await credit(api, invoice_id, whole=True, distribution={"refundCents": 2000, "outsideCents": 1000})

    await void_note(api, note["id"])

    assert await due(api, invoice_id) == [("PAID", 0)]
    assert await creditable(api, invoice_id) == (3000, [3000])


# Reading


async def test_a_preview_tells_what_the_mutation_does_and_stores_nothing(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    await pay(api, customer_id, 200, allowOverpayment=True)
    invoice_id = await an_invoice_of(api, customer_id, 1000, 2000)
    await pay(api, customer_id, 1800)
    line, _ = await lines_of(api, invoice_id)
    requests: list[dict[str, Any]] = [
        {"lines": [{"lineId": line, "amountCents": 1000}]},
        {"amountCents": 1300},
        {"whole": True, "distribution": {"refundCents": 100, "outsideCents": 50}},
    ]
    real = f"currency {' '.join(PARTS)} lines {{ amountCents description invoiceLine {{ id }} }}"
    query = f"""query ($input: PreviewCreditNoteInput!) {{ previewCreditNote(input: $input) {{
      toDistributeCents creditNote {{ {real} }} userErrors {{ code }} }} }}"""

    for request in requests:
        before = await everything(sessions)
        preview = (await api(query, input={"invoiceId": invoice_id, **request}))["previewCreditNote"]
        assert await everything(sessions) == before
        made = await api.mutate(
            "createCreditNote", f"creditNote {{ id {real} }}", invoiceId=invoice_id, reason="Same", **request
        )
        note_id = made["creditNote"].pop("id")
        assert preview == {
            "toDistributeCents": sum(made["creditNote"][name] for name in PARTS[3:]),
            "creditNote": made["creditNote"],
            "userErrors": [],
        }
        await void_note(api, note_id)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amountCents": 3001}, "CREDIT_EXCEEDS_INVOICE"),
        ({"amountCents": 0}, "AMOUNT_NOT_POSITIVE"),
        ({}, "INVALID_INPUT"),
        ({"whole": True, "distribution": {"refundCents": 1}}, "DISTRIBUTION_INVALID"),
    ],
    ids=["too much", "nothing", "no amount", "too much to refund"],
)
async def test_a_preview_is_refused_like_the_mutation(
    api: Api, customer_id: str, fields: dict[str, Any], code: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    query = """query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) {
      toDistributeCents creditNote { amountCents } userErrors { code message field } } }"""

    preview = (await api(query, input={"invoiceId": invoice_id, **fields}))["previewCreditNote"]
    made = await api.mutate("createCreditNote", "creditNote { id }", invoiceId=invoice_id, reason="No", **fields)

    assert preview == {"toDistributeCents": None, "creditNote": None, "userErrors": made["userErrors"]}
    assert refusal(preview)[0] == code


async def test_credit_notes_can_be_filtered_sorted_and_looked_up(api: Api, clock: TestClock, customer_id: str) -> None:
    other = await api.a_customer()
    one, two = await an_invoice_of(api, customer_id, 1000), await an_invoice_of(api, customer_id, 1000)
    three = await an_invoice_of(api, other, 1000)
    on_clock = await api.a_customer(testClockId=(clock_id := await a_clock(api)))
    notes = []
    for invoice_id, cents in ((one, 300), (two, 100), (one, 200), (three, 400)):
        notes.append(await credit(api, invoice_id, amountCents=cents))
        clock.forward(days=1)
    await void_note(api, notes[1]["id"])
    in_test = await credit(api, await an_invoice_of(api, on_clock, 1000), whole=True)
    names = {note["id"]: n for n, note in enumerate([*notes, in_test])}

    async def found(**arguments: Any) -> list[int]:
        query = """query ($filter: CreditNoteFilter, $orderBy: CreditNoteOrder) {
          creditNotes(filter: $filter, orderBy: $orderBy) { totalCount nodes { id } } }"""
        page = (await api(query, **arguments))["creditNotes"]
        assert page["totalCount"] == len(page["nodes"])
        return [names[node["id"]] for node in page["nodes"]]

    assert await found() == [0, 1, 2, 3]
    assert await found(filter={"customerId": customer_id}) == [0, 1, 2]
    assert await found(filter={"invoiceId": one}) == [0, 2]
    assert await found(filter={"status": ["VOID"]}) == [1]
    assert await found(filter={"status": ["ISSUED"], "customerId": customer_id}) == [0, 2]
    assert await found(filter={"number": notes[2]["number"]}) == [2]
    assert await found(filter={"number": "nothing"}) == []
    assert await found(filter={"createdAt": {"from": day(1), "until": day(3)}}) == [1, 2]
    assert await found(filter={"testClockId": clock_id}) == [4]
    assert await found(filter={"customerId": on_clock}) == [4]
    assert await found(filter={"customerId": on_clock, "status": ["VOID"]}) == []
    assert await found(orderBy={"field": "AMOUNT", "direction": "DESC"}) == [3, 0, 2, 1]
    assert await found(orderBy={"field": "CREATED_AT", "direction": "DESC"}) == [3, 2, 1, 0]
    query = """query ($note: ID!, $invoice: ID!, $customer: ID!) {
      creditNote(id: $note) { id }
      node(id: $note) { id ... on CreditNote { amountCents } }
      invoice(id: $invoice) { creditNotes { totalCount nodes { id } } }
      customer(id: $customer) { creditNotes(orderBy: {field: AMOUNT}, filter: {status: [ISSUED]}) { nodes { id } } }
    }"""
    assert await api(query, note=notes[2]["id"], invoice=one, customer=customer_id) == {
        "creditNote": {"id": notes[2]["id"]},
        "node": {"id": notes[2]["id"], "amountCents": 200},
        "invoice": {"creditNotes": {"totalCount": 2, "nodes": [{"id": notes[0]["id"]}, {"id": notes[2]["id"]}]}},
        "customer": {"creditNotes": {"nodes": [{"id": notes[2]["id"]}, {"id": notes[0]["id"]}]}},
    }


async def test_each_step_of_a_credit_note_is_an_event_with_its_version(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    await pay(api, customer_id, 2000)
    payment_id = (await read_customer(api, customer_id, "payments { nodes { id } }"))["payments"]["nodes"][0]["id"]
    kept = await credit(api, invoice_id, amountCents=2000, distribution={"refundCents": 1000})
    void = await credit(api, invoice_id, whole=True)
    refund = {"paymentId": payment_id, "amountCents": 400, "creditNoteId": kept["id"]}
    await api.mutate("recordRefund", "payment { id }", **refund)
    await void_note(api, void["id"])

    assert await events_of(api, sessions, kept["id"]) == [
        ("CREDIT_NOTE_ISSUED", 1, []),
        ("CREDIT_NOTE_REFUNDED", 2, ["refundedCents"]),
    ]
    assert await events_of(api, sessions, void["id"]) == [
        ("CREDIT_NOTE_ISSUED", 1, []),
        ("CREDIT_NOTE_VOIDED", 2, ["status", "voidedAt"]),
    ]
    assert (await events_of(api, sessions, payment_id))[1:] == [("PAYMENT_REFUNDED", 2, ["refundedCents"])]


async def test_a_credit_note_that_is_requested_again_with_its_key_is_issued_once(
    api: Api, sessions: Sessions, customer_id: str
) -> None:
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    request = {"amountCents": 1000, "distribution": {"refundCents": 0}, "idempotencyKey": "once"}

    first = await credit(api, invoice_id, **request)
    again = await credit(api, invoice_id, **{**request, "distribution": {}})
    another = await refused_credit(api, sessions, invoice_id, idempotencyKey="once", amountCents=1001)

    assert first == again
    assert another == ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])
    assert await due(api, invoice_id) == [("OPEN", 2000)]


async def test_the_credit_note_of_an_archived_customer_is_still_issued(api: Api, customer_id: str) -> None:
    invoice_id = await an_open_invoice(api, customer_id)
    archived = await api.mutate("archiveCustomer", "customer { id }", id=customer_id)
    assert archived["userErrors"] == []

    await credit(api, invoice_id, whole=True)

    assert await due(api, invoice_id) == [("PAID", 0)]
