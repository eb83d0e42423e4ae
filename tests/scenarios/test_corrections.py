"""A month of corrections: a credit note, a refund, a returned payment and a cancellation."""

from typing import Any

from tests.scenarios.story import Story, amounts
from tests.support import Api

NOTE = "creditNote { id number amountCents appliedCents restoredCents balanceCents refundCents outsideCents }"


async def state(story: Story, *numbers: int) -> list[tuple[str, int]]:
    """Returns the status and the amount due of the invoices with these sequence numbers."""
    found = {invoice["number"]: (invoice["status"], invoice["amountDueCents"]) for invoice in await story.invoices()}
    return [found[number] for number in numbers]


async def paid(story: Story, amount_cents: int) -> str:
    """Records a payment and returns its id."""
    payload = await story.do(
        "recordPayment", "payment { id }", customerId=story.customer_id, amountCents=amount_cents, currency="EUR"
    )
    return str(payload["payment"]["id"])


async def refused(story: Story, name: str, **fields: Any) -> str:
    """Runs a mutation that must be rejected and returns the code."""
    [error] = (await story.api.mutate(name, "userErrors { code }", **fields))["userErrors"]
    return str(error["code"])


async def test_a_month_with_a_credit_note_a_refund_a_reversal_and_a_cancellation(api: Api) -> None:
    story = await Story.begin(api, "2027-04-01", netDays=14)
    a = await api.a_plan(name="A", amountCents=9999, interval="MONTH", intervalCount=1)
    b = await api.a_plan(name="B", amountCents=25001, interval="MONTH", intervalCount=1)
    first = await story.subscribe(a)
    p1 = await paid(story, 9999)
    await story.advance("2027-04-11")
    changed = await story.change(planId=b, mode="IMMEDIATE")
    p2 = await paid(story, 10001)
    assert (first["amountCents"], amounts(changed), changed["amountCents"]) == (9999, [-6666, 16667], 10001)

    await story.advance("2027-04-12")
    upcoming = await story.subscription("upcomingInvoices { amountCents }")
    assert upcoming == {"upcomingInvoices": [{"amountCents": 25001}]}

    await story.advance("2027-04-14")
    lines = await api(
        "query ($id: ID!) { invoice(id: $id) { lines { id amountCents creditableCents } } }", id=changed["id"]
    )
    charge = lines["invoice"]["lines"][1]
    assert [line["creditableCents"] for line in lines["invoice"]["lines"]] == [0, 16667]
    credit = {
        "invoiceId": changed["id"],
        "lines": [{"lineId": charge["id"], "amountCents": 5000}],
        "distribution": {"refundCents": 3000},
    }
    preview = await api(
        "query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) {"
        " toDistributeCents creditNote { amountCents refundCents balanceCents } userErrors { code } } }",
        input=credit,
    )
    noted = await story.do("createCreditNote", f"{NOTE} customer {{ balanceCents }}", **credit, reason="Too much")
    note_id = noted["creditNote"].pop("id")
    assert preview["previewCreditNote"] == {
        "toDistributeCents": 5000,
        "creditNote": {"amountCents": 5000, "refundCents": 3000, "balanceCents": 2000},
        "userErrors": [],
    }
    assert noted["creditNote"]["number"] == 1
    assert noted["customer"] == {"balanceCents": 2000}
    refund = {"paymentId": p2, "amountCents": 3000, "creditNoteId": note_id}
    refunded = await story.do("recordRefund", "creditNote { refundedCents } payment { refundedCents }", **refund)
    assert refunded["creditNote"] == refunded["payment"] == {"refundedCents": 3000}
    assert await state(story, 1, 2) == [("PAID", 0), ("PAID", 0)]

    await story.advance("2027-04-16T12:00:00Z")
    reversed_ = await story.do(
        "reversePayment", "payment { reversedCents } customer { balanceCents }", id=p1, reason="Returned"
    )
    assert reversed_["payment"] == {"reversedCents": 9999}
    assert reversed_["customer"] == {"balanceCents": 0}
    assert await state(story, 1, 2) == [("OPEN", 7999), ("PAID", 0)]
    assert await story.status() == "PAST_DUE"

    await story.advance("2027-04-21")
    ended = await story.cancel(atPeriodEnd=False, settlement="CREDIT")
    assert (ended["amountCents"], amounts(ended)) == (-5834, [-5834])
    assert await state(story, 1) == [("OPEN", 2165)]

    await story.advance("2027-04-28")
    await paid(story, 2165)
    assert await state(story, 1, 2, 3) == [("PAID", 0), ("PAID", 0), ("PAID", 0)]
    assert await story.customer("balanceCents") == {"balanceCents": 0}

    assert await refused(story, "reversePayment", id=p1, reason="Again") == "REVERSAL_EXCEEDS_PAYMENT"
    assert await refused(story, "recordRefund", paymentId=p1, amountCents=1) == "REFUND_EXCEEDS_PAYMENT"
    more = {"invoiceId": changed["id"], "lines": [{"lineId": charge["id"], "amountCents": 5834}], "reason": "More"}
    assert await refused(story, "createCreditNote", **more) == "CREDIT_EXCEEDS_LINE"
