"""Corrections and who may see or make them: customer sessions with and without VIEW_CREDIT_NOTES, and API keys."""

from typing import Any
from uuid import UUID

import pytest

from billing.enums import ApiKeyScope, CustomerPermission
from billing.ids import CustomerId, PlanId, new_id
from db.database import Database
from graph.settings import Settings
from tests.access.conftest import Serving, a_key, a_session
from tests.access.test_customer_sessions import EVERYTHING, ids_in, rows
from tests.graph.test_credit_notes import an_invoice_of, credit, void_note
from tests.graph.test_credits_of_changes import assert_sound
from tests.graph.test_invoices import first_invoice
from tests.graph.test_reversals import payment, refund
from tests.support import Api, TestClock, events_settle, refusal

KEYED = Settings(requires_key=True)
VIEW = CustomerPermission.VIEW_CREDIT_NOTES
CHANGES = tuple(permission for permission in EVERYTHING if permission is not VIEW)


async def a_customer_with_corrections(api: Api) -> dict[str, str]:
    """Creates a customer with credit notes, a refund and balance. Returns the ids by name.

    The paid invoice of 3000 has a credit note of 1000, of which 400 are refunded and 600 are balance, and a void one.
    The open invoice of 2000 has a credit note of 300, and is paid by the balance of 600.
    """
    found = {"customer": (customer_id := await api.a_customer())}
    found["paid"] = await an_invoice_of(api, customer_id, 3000)
    found["payment"] = await payment(api, customer_id, 3000)
    parts = {"distribution": {"refundCents": 400}}
    found["note"] = (await credit(api, found["paid"], amountCents=1000, **parts))["id"]
    found["void note"] = (await credit(api, found["paid"], amountCents=5, distribution={"outsideCents": 5}))["id"]
    await void_note(api, found["void note"])
    await refund(api, found["payment"], 400, creditNoteId=found["note"])
    found["open"] = await an_invoice_of(api, customer_id, 2000)
    found["note of open"] = (await credit(api, found["open"], amountCents=300))["id"]
    query = "query ($id: ID!) { creditNote(id: $id) { number lines { id } } }"
    for name in ("note", "void note", "note of open"):
        note = (await api(query, id=found[name]))["creditNote"]
        found |= {f"number of {name}": note["number"], f"line of {name}": note["lines"][0]["id"]}
    return found


LOOK = """
query ($note: ID!, $notes: [ID!]!, $customer: ID!, $number: String!) {
  creditNote(id: $note) { id }
  node(id: $note) { id }
  nodes(ids: $notes) { id }
  creditNotes { totalCount nodes { id number lines { id } refunds { id } } }
  of_number: creditNotes(filter: {number: $number}) { totalCount }
  of_customer: creditNotes(filter: {customerId: $customer}) { totalCount }
  events { nodes { type objectId } }
  of_note: events(filter: {objectId: $note}) { nodes { type } }
  customer(id: $customer) {
    creditNotes { totalCount nodes { id } }
    balanceCents
    ledger { nodes { kind amountCents creditNote { id } } }
    events { nodes { type object { id } } }
    payments { nodes { refundedCents refunds { amountCents creditNote { id } } } }
    invoices { nodes {
      id amountDueCents creditableCents lines { creditableCents }
      creditNotes { totalCount nodes { id } }
      allocations { kind amountCents creditNote { id } }
    } }
  }
}
"""


async def look(me: Api, whose: dict[str, str]) -> Any:
    notes = [whose[name] for name in ("note", "void note", "note of open")]
    return await me(LOOK, note=whose["note"], notes=notes, customer=whose["customer"], number=whose["number of note"])


async def test_a_session_sees_credit_notes_only_with_the_permission_and_all_amounts_without_it(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    mine, other = await a_customer_with_corrections(api), await a_customer_with_corrections(api)
    await events_settle(database)
    customer_id = CustomerId(UUID(mine["customer"]))
    client = await serving(KEYED)
    without, with_it = [
        client(await a_session(database, clock, customer_id, *permissions)) for permissions in (CHANGES, (VIEW,))
    ]

    # Both use one server, so that statements that are kept for one are used for the other.
    blind, seen, blind_again = await look(without, mine), await look(with_it, mine), await look(without, mine)

    assert blind == blind_again
    notes = [mine["note"], mine["void note"], mine["note of open"]]
    hidden = {value for name, value in mine.items() if "note" in name}
    assert not ids_in(blind) & hidden
    assert (blind["creditNote"], blind["node"], blind["nodes"]) == (None, None, [None] * 3)
    assert blind["creditNotes"] == {"totalCount": 0, "nodes": []}
    assert blind["of_number"] == blind["of_customer"] == {"totalCount": 0}
    assert blind["of_note"] == {"nodes": []}
    assert [event["type"] for event in blind["events"]["nodes"] if event["type"].startswith("CREDIT_NOTE")] == []
    assert blind["customer"]["creditNotes"] == {"totalCount": 0, "nodes": []}

    assert (seen["creditNote"], seen["node"]) == ({"id": notes[0]},) * 2
    assert seen["nodes"] == [{"id": note} for note in notes]
    assert [node["id"] for node in seen["creditNotes"]["nodes"]] == notes
    assert seen["creditNotes"]["totalCount"] == seen["of_customer"]["totalCount"] == 3
    assert seen["of_number"] == {"totalCount": 1}
    assert [event["type"] for event in seen["of_note"]["nodes"]] == ["CREDIT_NOTE_ISSUED", "CREDIT_NOTE_REFUNDED"]
    assert {event["objectId"] for event in seen["events"]["nodes"]} >= set(notes)
    assert ids_in(seen) >= hidden

    amounts = seen["customer"] | {"creditNotes": None, "events": None}
    assert blind["customer"] | {"creditNotes": None, "events": None} == without_notes(amounts)
    assert [
        (invoice["amountDueCents"], invoice["creditableCents"], invoice["lines"])
        for invoice in blind["customer"]["invoices"]["nodes"]
    ] == [(0, 2000, [{"creditableCents": 2000}]), (1100, 1700, [{"creditableCents": 1700}])]
    assert [entry["kind"] for entry in blind["customer"]["ledger"]["nodes"]] == ["CREDIT_NOTE", "APPLIED"]
    assert blind["customer"]["payments"]["nodes"][0]["refunds"] == [{"amountCents": 400, "creditNote": None}]

    for me in (without, with_it):
        answer = await look(me, other)
        assert not ids_in(answer) & {*other.values()}
        assert (answer["creditNote"], answer["customer"], answer["of_customer"]) == (None, None, {"totalCount": 0})


def without_notes(answer: Any) -> Any:
    """Returns what a session without the permission sees: no credit note on anything."""
    nothing = {"creditNote": None, "creditNotes": {"totalCount": 0, "nodes": []}}
    match answer:
        case dict():
            return {
                name: nothing[name] if name in nothing and value else without_notes(value)
                for name, value in answer.items()
            }
        case list():
            return [without_notes(each) for each in answer]
    return answer


@pytest.mark.parametrize("permissions", [CHANGES, (*CHANGES, VIEW)], ids=["without", "with"])
async def test_a_change_of_a_session_counts_credit_notes_that_it_may_not_see(
    serving: Serving,
    api: Api,
    database: Database,
    clock: TestClock,
    permissions: tuple[CustomerPermission, ...],
) -> None:
    dearer = await api.a_plan(amountCents=9000)
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000))
    invoice_id = await first_invoice(api, subscription_id)
    await payment(api, customer_id, 3000)
    await credit(api, invoice_id, whole=True, distribution={"outsideCents": 3000})
    clock.forward(days=15)
    token = await a_session(
        database, clock, CustomerId(UUID(customer_id)), *permissions, plan_ids=[PlanId(UUID(dearer))]
    )
    me = (await serving(KEYED))(token)
    preview = """query ($input: PreviewSubscriptionChangeInput!) { previewSubscriptionChange(input: $input) {
      invoice { lines { amountCents } } userErrors { code } } }"""

    previewed = await me(preview, input={"id": subscription_id, "planId": dearer})
    changed = await me.mutate(
        "changeSubscription", "invoice { lines { amountCents } }", id=subscription_id, planId=dearer
    )

    # The first period was credited as a whole: only the charge is left.
    assert previewed["previewSubscriptionChange"] == {"invoice": {"lines": [{"amountCents": 4500}]}, "userErrors": []}
    assert changed == {"invoice": {"lines": [{"amountCents": 4500}]}, "userErrors": []}
    await assert_sound(database)


async def test_a_session_previews_no_credit_note(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    """The merchant alone issues credit notes."""
    mine = await a_customer_with_corrections(api)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(mine["customer"])), *CHANGES, VIEW))

    answer = await me.post(
        "query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) { toDistributeCents } }",
        input={"invoiceId": mine["paid"], "whole": True},
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def corrections(mine: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Returns valid input of each mutation that corrects."""
    return {
        "createCreditNote": {"invoiceId": mine["open"], "amountCents": 1, "reason": "Mine"},
        "voidCreditNote": {"id": mine["note of open"]},
        "reversePayment": {"id": mine["payment"], "amountCents": 1, "reason": "Mine"},
        "recordRefund": {"paymentId": mine["payment"], "amountCents": 1},
        "adjustBalance": {"customerId": mine["customer"], "amountCents": 1, "currency": "EUR", "reason": "Mine"},
    }


async def test_corrections_need_a_key_that_may_write(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    mine = await a_customer_with_corrections(api)
    await payment(api, mine["customer"], 5000)
    client = await serving(KEYED)
    session = await a_session(database, clock, CustomerId(UUID(mine["customer"])), *CHANGES, VIEW)
    tokens = [session, (await a_key(database, clock, ApiKeyScope.READ)).token]
    writer = client((await a_key(database, clock, ApiKeyScope.WRITE)).token)
    before = await rows(database)

    codes = []
    for token in tokens:
        for name, fields in corrections(mine).items():
            document = (
                f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ __typename }} }}"
            )
            answer = (await client(token).post(document, input=fields)).json()
            codes.append(answer["errors"][0]["extensions"]["code"])
    assert codes == ["FORBIDDEN"] * 10
    assert await rows(database) == before

    for name, fields in corrections(mine).items():
        assert (await writer.mutate(name, "customer { id }", **fields))["userErrors"] == [], name
    await assert_sound(database)


async def test_a_key_that_may_read_previews_a_credit_note(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    mine = await a_customer_with_corrections(api)
    reader = (await serving(KEYED))((await a_key(database, clock, ApiKeyScope.READ)).token)
    query = """query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) {
      creditNote { amountCents } userErrors { code message field } } }"""

    found = await reader(query, input={"invoiceId": mine["open"], "amountCents": 1})
    missing = await reader(query, input={"invoiceId": str(new_id()), "amountCents": 1})

    assert found["previewCreditNote"]["creditNote"] == {"amountCents": 1}
    assert refusal(missing["previewCreditNote"]) == ("INVOICE_NOT_FOUND", ["input", "invoiceId"])
    assert len((await look(reader, mine))["creditNotes"]["nodes"]) == 3
