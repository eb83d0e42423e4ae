"""Two concurrent corrections of one customer have the same result as one of the two sequential orders."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from db.database import Database
from tests.races.fingerprints import Fingerprint, assert_sound, differences, fingerprints
from tests.support import Api, TestClock

TIMES = 20
"""Number of concurrent runs of each pair."""

AT_ONCE = 3
"""Number of pairs that run at the same time."""

Ids: TypeAlias = dict[str, str]
Prepare: TypeAlias = Callable[[Api], Awaitable[Ids]]
"""Creates a customer with all that the pair needs. Returns ids by name, the customer's as "customer"."""

Step: TypeAlias = Callable[[Ids], tuple[str, dict[str, Any]]]
"""Returns a mutation and its input."""

Codes: TypeAlias = tuple[str | None, ...]
"""Error code of each step, or None if it was accepted."""


async def done(api: Api, step: tuple[str, dict[str, Any]], delay: float = 0) -> str | None:
    """Sends a mutation. Returns its error code."""
    await asyncio.sleep(delay)
    name, fields = step
    errors = (await api.mutate(name, "", **fields))["userErrors"]
    return errors[0]["code"] if errors else None


async def made(api: Api, name: str, thing: str, **fields: Any) -> str:
    """Runs a mutation that must succeed. Returns the id of an object of its payload."""
    payload = await api.mutate(name, f"{thing} {{ id }}", **fields)
    assert payload["userErrors"] == [], payload
    return str(payload[thing]["id"])


async def an_invoice(api: Api, customer_id: str, *cents: int, **fields: Any) -> str:
    lines = [{"description": "Work", "unitAmountCents": each} for each in cents]
    draft = await made(api, "createInvoice", "invoice", customerId=customer_id, currency="EUR", lines=lines, **fields)
    return await made(api, "finalizeInvoice", "invoice", id=draft)


async def a_payment(api: Api, customer_id: str, cents: int) -> str:
    payment = {"customerId": customer_id, "amountCents": cents, "currency": "EUR", "allowOverpayment": True}
    return await made(api, "recordPayment", "payment", **payment)


async def an_open_invoice(api: Api) -> Ids:
    customer_id = await api.a_customer()
    return {"customer": customer_id, "invoice": await an_invoice(api, customer_id, 1000, 2000)}


async def a_paid_invoice(api: Api) -> Ids:
    found = await an_open_invoice(api)
    return found | {"payment": await a_payment(api, found["customer"], 4000)}


async def a_note_to_refund(api: Api) -> Ids:
    found = await a_paid_invoice(api)
    distribution = {"refundCents": 2000}
    credit = {"invoiceId": found["invoice"], "amountCents": 2500, "distribution": distribution, "reason": "Too much"}
    return found | {"note": await made(api, "createCreditNote", "creditNote", **credit)}


async def a_draft_and_an_overpayment(api: Api) -> Ids:
    found = await a_paid_invoice(api)
    lines = [{"description": "More", "unitAmountCents": 700}]
    draft = await made(api, "createInvoice", "invoice", customerId=found["customer"], currency="EUR", lines=lines)
    return found | {"draft": draft}


def note(**fields: Any) -> Step:
    return lambda ids: ("createCreditNote", {"invoiceId": ids["invoice"], "reason": "Too much", **fields})


def payment(cents: int, **fields: Any) -> Step:
    return lambda ids: (
        "recordPayment",
        {"customerId": ids["customer"], "amountCents": cents, "currency": "EUR", **fields},
    )


def reversal(cents: int | None = None) -> Step:
    return lambda ids: ("reversePayment", {"id": ids["payment"], "amountCents": cents, "reason": "Returned"})


def refund(cents: int, *, of_note: bool = False) -> Step:
    return lambda ids: (
        "recordRefund",
        {"paymentId": ids["payment"], "amountCents": cents, "creditNoteId": ids["note"] if of_note else None},
    )


def void_note(ids: Ids) -> tuple[str, dict[str, Any]]:
    return "voidCreditNote", {"id": ids["note"]}


def void_invoice(ids: Ids) -> tuple[str, dict[str, Any]]:
    return "voidInvoice", {"id": ids["invoice"]}


def finalize_draft(ids: Ids) -> tuple[str, dict[str, Any]]:
    return "finalizeInvoice", {"id": ids["draft"]}


def adjustment(cents: int) -> Step:
    return lambda ids: (
        "adjustBalance",
        {"customerId": ids["customer"], "amountCents": cents, "currency": "EUR", "reason": "Sorry"},
    )


WHOLE = note(whole=True)
PAIRS: dict[str, tuple[Prepare, Step, Step, set[Codes]]] = {
    "two full credit notes": (
        *(a_paid_invoice, note(whole=True, distribution={"refundCents": 3000}), WHOLE),
        {(None, "CREDIT_EXCEEDS_INVOICE"), ("CREDIT_EXCEEDS_INVOICE", None)},
    ),
    "two credit notes that fit": (a_paid_invoice, note(amountCents=1000), note(amountCents=1500), {(None, None)}),
    "a credit note and a payment": (
        *(an_open_invoice, WHOLE, payment(3000)),
        {(None, "OVERPAYMENT"), (None, None)},
    ),
    "a credit note and an overpayment": (
        *(an_open_invoice, note(amountCents=2000), payment(2500, allowOverpayment=True)),
        {(None, None)},
    ),
    "a reversal and a payment": (a_paid_invoice, reversal(), payment(3500, allowOverpayment=True), {(None, None)}),
    "a reversal and an invoice that takes the balance": (
        *(a_draft_and_an_overpayment, reversal(1000), finalize_draft),
        {(None, None)},
    ),
    "two reversals": (
        *(a_paid_invoice, reversal(4000), reversal(2500)),
        {(None, "REVERSAL_EXCEEDS_PAYMENT"), ("REVERSAL_EXCEEDS_PAYMENT", None)},
    ),
    "a void invoice and a credit note": (
        *(an_open_invoice, void_invoice, note(amountCents=1)),
        {(None, "INVOICE_VOID"), ("INVOICE_CREDITED", None)},
    ),
    "a void credit note and another one": (
        *(a_note_to_refund, void_note, note(amountCents=600)),
        {(None, None), (None, "CREDIT_EXCEEDS_INVOICE")},
    ),
    "a refund and a reversal": (
        *(a_paid_invoice, refund(1000), reversal(4000)),
        {(None, "REVERSAL_EXCEEDS_PAYMENT"), ("REFUND_EXCEEDS_PAYMENT", None)},
    ),
    "a refund and the void of its credit note": (
        *(a_note_to_refund, refund(2000, of_note=True), void_note),
        {(None, "CREDIT_NOTE_REFUNDED"), ("CREDIT_NOTE_VOID", None)},
    ),
    "two refunds of a credit note": (
        *(a_note_to_refund, refund(2000, of_note=True), refund(1, of_note=True)),
        {(None, "REFUND_EXCEEDS_CREDIT_NOTE"), ("REFUND_EXCEEDS_CREDIT_NOTE", None)},
    ),
    "the same balance refunded and lowered": (
        *(a_paid_invoice, refund(1000), adjustment(-1)),
        {(None, "BALANCE_TOO_LOW"), ("BALANCE_TOO_LOW", None)},
    ),
}
"""The preparation, two steps, and the codes with which they end in either order."""


@pytest.mark.parametrize("pair", PAIRS)
async def test_two_corrections(api: Api, database: Database, pair: str) -> None:
    prepare, first, second, expected = PAIRS[pair]

    codes = await race(api, database, prepare, first, second)

    assert codes == expected
    await assert_sound(database)


async def test_a_credit_note_and_a_downgrade(api: Api, database: Database, clock: TestClock) -> None:
    plan_id, cheaper = await api.a_plan(amountCents=3000), await api.a_plan(amountCents=1000)

    async def half_a_period(api: Api) -> Ids:
        customer_id = await api.a_customer()
        subscribed = await api.mutate(
            "createSubscription", "subscription { id } invoice { id }", customerId=customer_id, planId=plan_id
        )
        await a_payment(api, customer_id, 3000)
        ids = {"subscription": subscribed["subscription"]["id"], "invoice": subscribed["invoice"]["id"]}
        return {"customer": customer_id, **ids}

    def downgrade(ids: Ids) -> tuple[str, dict[str, Any]]:
        return "changeSubscription", {"id": ids["subscription"], "planId": cheaper, "mode": "IMMEDIATE"}

    codes = await race(api, database, half_a_period, WHOLE, downgrade, later=lambda: clock.forward(days=15))

    assert codes == {(None, None)}
    await assert_sound(database)


async def race(
    api: Api,
    database: Database,
    prepare: Prepare,
    first: Step,
    second: Step,
    *,
    later: Callable[[], None] = lambda: None,
) -> set[Codes]:
    """Runs two steps in both orders and `TIMES` times concurrently, on twins, and compares the results.

    Calls `later` before the steps. Returns the codes of both orders.
    """
    in_order, other_way, *raced = [await prepare(api) for _ in range(2 + TIMES)]
    later()
    these = (await done(api, first(in_order)), await done(api, second(in_order)))
    back = await done(api, second(other_way))
    those = (await done(api, first(other_way)), back)
    places = asyncio.Semaphore(AT_ONCE)

    async def at_once(n: int, ids: Ids) -> Codes:
        # Either step may arrive first, also if one takes longer before it locks the customer.
        delays = random.Random(n).sample((0, 0.01 * (n % 3)), 2)
        async with places:
            return tuple(await asyncio.gather(done(api, first(ids), delays[0]), done(api, second(ids), delays[1])))

    codes = await asyncio.gather(*(at_once(n, ids) for n, ids in enumerate(raced)))
    found = await fingerprints(database)
    this, that = (these, found[UUID(in_order["customer"])]), (those, found[UUID(other_way["customer"])])
    for n, ids in enumerate(raced):
        outcome = (codes[n], found[UUID(ids["customer"])])
        if outcome not in (this, that):
            pytest.fail("\n".join([f"Race {n}", *against(outcome, this), "or else", *against(outcome, that)]))
    return {these, those}


def against(outcome: tuple[Codes, Fingerprint], other: tuple[Codes, Fingerprint]) -> list[str]:
    """Returns the differences between two outcomes."""
    return [f"{outcome[0]} and {other[0]}", *differences(outcome[1], other[1])]


async def test_twenty_credit_notes_at_once_have_the_numbers_one_to_twenty(api: Api, database: Database) -> None:
    for paid in (False, True):
        ids = await (a_paid_invoice if paid else an_open_invoice)(api)
        payloads = await asyncio.gather(
            *(
                api.mutate(
                    "createCreditNote",
                    "creditNote { number amountCents }",
                    invoiceId=ids["invoice"],
                    amountCents=1,
                    reason="One cent",
                )
                for _ in range(20)
            )
        )

        assert [payload["userErrors"] for payload in payloads] == [[]] * 20
        numbers = sorted(payload["creditNote"]["number"][-6:] for payload in payloads)
        assert numbers == [f"-C{n:04}" for n in range(1, 21)]
        query = """query ($id: ID!) { invoice(id: $id) { amountDueCents creditableCents customer { balanceCents }
          creditNotes(first: 100) { totalCount nodes { number } } } }"""
        invoice = (await api(query, id=ids["invoice"]))["invoice"]
        assert [node["number"][-6:] for node in invoice["creditNotes"]["nodes"]] == numbers
        assert invoice["creditableCents"] == 2980
        assert (invoice["amountDueCents"], invoice["customer"]["balanceCents"]) == ((0, 1020) if paid else (2980, 0))
    await assert_sound(database)
