"""Acceptance story S01: a month with tax, a discount, a change, a credit note, a refund and a returned payment."""

from typing import Any

from tests.graph.test_discounts import a_coupon
from tests.graph.test_taxes import a_rate, a_seller, registered
from tests.scenarios.story import Story, amounts
from tests.scenarios.test_corrections import NOTE, paid, refused, state
from tests.support import Api

TOTALS = "subtotalCents discountCents taxCents amountCents amountDueCents"
LINES = "lines { id amountCents discountCents netCents taxes { amountCents } creditableCents }"


async def invoice(api: Api, id_: str) -> Any:
    return (await api(f"query ($id: ID!) {{ invoice(id: $id) {{ {TOTALS} {LINES} }} }}", id=id_))["invoice"]


def parts(line: Any) -> tuple[int, int, int]:
    """Returns the amount, the discount and the tax of a line."""
    return line["amountCents"], line["discountCents"], sum(tax["amountCents"] for tax in line["taxes"])


async def test_story_s01(api: Api) -> None:
    await a_seller(api, "DE")
    await registered(api, DE=[await a_rate(api, "19")])
    coupon = await a_coupon(api, percentOff="15")
    a = await api.a_plan(name="A", amountCents=9999, interval="MONTH", intervalCount=1)
    b = await api.a_plan(name="B", amountCents=25001, interval="MONTH", intervalCount=1)
    story = await Story.begin(api, "2027-04-01", netDays=14, address={"country": "DE"})

    first = await invoice(api, (await story.subscribe(a, couponCodes=[coupon["code"]]))["id"])
    assert [parts(line) for line in first["lines"]] == [(9999, 1500, 1615)]
    assert (first["subtotalCents"], first["taxCents"], first["amountCents"]) == (8499, 1615, 10114)
    p1 = await paid(story, 10114)

    await story.advance("2027-04-11")
    changed_id = (await story.change(planId=b, mode="IMMEDIATE"))["id"]
    changed = await invoice(api, changed_id)
    assert [parts(line) for line in changed["lines"]] == [(-5666, 0, -1077), (16667, 2500, 2692)]
    assert (changed["subtotalCents"], changed["taxCents"], changed["amountCents"]) == (8501, 1615, 10116)
    p2 = await paid(story, 10116)

    await story.advance("2027-04-12")
    upcoming = await story.subscription(f"upcomingInvoices {{ {TOTALS} discounts {{ name amountCents }} }}")
    assert upcoming["upcomingInvoices"] == [
        {
            "subtotalCents": 21251,
            "discountCents": 3750,
            "taxCents": 4038,
            "amountCents": 25289,
            "amountDueCents": 25289,
            "discounts": [{"name": coupon["name"], "amountCents": 3750}],
        }
    ]

    await story.advance("2027-04-14")
    charge = changed["lines"][1]["id"]
    noted = await story.do(
        "createCreditNote",
        f"{NOTE[:-1]} lines {{ amountCents discountCents taxes {{ amountCents }} }} }} customer {{ balanceCents }}",
        invoiceId=changed_id,
        lines=[{"lineId": charge, "amountCents": 5000}],
        distribution={"refundCents": 3000},
        reason="Too much",
    )
    note = noted["creditNote"]
    assert [parts(line) for line in note["lines"]] == [(5000, 750, 808)]
    assert (note["amountCents"], note["refundCents"], note["balanceCents"]) == (5058, 3000, 2058)
    assert noted["customer"] == {"balanceCents": 2058}
    await story.do("recordRefund", "payment { id }", paymentId=p2, amountCents=3000, creditNoteId=note["id"])
    assert await state(story, 2) == [("PAID", 0)]

    await story.advance("2027-04-16T12:00:00Z")
    await story.do("reversePayment", "payment { id }", id=p1, reason="Returned")
    assert await state(story, 1, 2) == [("OPEN", 8056), ("PAID", 0)]
    assert await story.status() == "PAST_DUE"
    assert await story.customer("balanceCents") == {"balanceCents": 0}

    await story.advance("2027-04-21")
    ended = await story.cancel(atPeriodEnd=False, settlement="CREDIT")
    assert amounts(ended) == [-4959]
    last = await invoice(api, ended["id"])
    assert (last["subtotalCents"], last["taxCents"], last["amountCents"]) == (-4959, -942, -5901)
    assert await state(story, 1) == [("OPEN", 2155)]

    await story.advance("2027-04-28")
    await paid(story, 2155)
    assert await state(story, 1, 2, 3) == [("PAID", 0), ("PAID", 0), ("PAID", 0)]
    assert await story.customer("balanceCents") == {"balanceCents": 0}
    assert 10114 + 10116 - 5058 - 5901 == 10114 - 10114 + 10116 - 3000 + 2155 == 9271

    assert await refused(story, "reversePayment", id=p1, reason="Again") == "REVERSAL_EXCEEDS_PAYMENT"
    assert await refused(story, "recordRefund", paymentId=p1, amountCents=1) == "REFUND_EXCEEDS_PAYMENT"
    # A note of net 4959 would be 5834 before the discount: only less than that is left on the line.
    more = {"invoiceId": changed_id, "lines": [{"lineId": charge, "amountCents": 5834}], "reason": "More"}
    assert await refused(story, "createCreditNote", **more) == "CREDIT_EXCEEDS_LINE"
