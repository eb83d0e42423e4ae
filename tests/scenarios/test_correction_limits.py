"""Corrections at the limits of what is allowed, and while the end of a subscription is due."""

from datetime import timedelta
from typing import Any

from tests.scenarios.story import Story, amounts, written
from tests.scenarios.test_corrections import refused
from tests.support import Api, TestClock

PREVIEW = """query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) {
    creditNote { amountCents appliedCents balanceCents } userErrors { code } } }"""
HUGE = 9_000_000_000_000_000


async def a_changed_plan(api: Api) -> tuple[Story, Any]:
    """Returns the story of a subscription that changed its plan within a period, and the invoice of the change."""
    story = await Story.begin(api, "2027-04-01")
    await story.subscribe(await api.a_plan(name="A", amountCents=3000, interval="MONTH", intervalCount=1))
    await story.advance("2027-04-11")
    plan_b = await api.a_plan(name="B", amountCents=6000, interval="MONTH", intervalCount=1)
    return story, await story.change(planId=plan_b, mode="IMMEDIATE")


async def test_the_invoice_of_a_change_is_reissued_after_an_anchor_reset_at_period_end(api: Api) -> None:
    story, changed = await a_changed_plan(api)
    anchor = {"billingAnchor": {"dayOfMonth": 15}, "atPeriodEnd": True}
    await story.do("resetBillingAnchor", "subscription { id }", id=story.subscription_id, **anchor)
    await story.do("voidInvoice", "invoice { id }", id=changed["id"])

    again = await story.do("reissueInvoice", "invoice { lines { amountCents } }", id=changed["id"])

    assert amounts(again["invoice"]) == amounts(changed) == [-2000, 4000]


async def test_the_invoice_of_a_change_is_not_reissued_after_its_period_was_cut_short(api: Api) -> None:
    story, changed = await a_changed_plan(api)
    await story.do("voidInvoice", "invoice { id }", id=changed["id"])
    await story.do("resetBillingAnchor", "subscription { id }", id=story.subscription_id, atPeriodEnd=False)

    assert await refused(story, "reissueInvoice", id=changed["id"]) == "INVOICE_NOT_REISSUABLE"


async def test_a_void_credit_note_stays_void_when_its_invoice_is_voided(api: Api) -> None:
    story, changed = await a_changed_plan(api)
    noted = await story.do(
        "createCreditNote", "creditNote { id }", invoiceId=changed["id"], amountCents=500, reason="Too much"
    )
    note_id = noted["creditNote"]["id"]
    assert await refused(story, "voidInvoice", id=changed["id"]) == "INVOICE_CREDITED"
    await story.do("voidCreditNote", "creditNote { id }", id=note_id)
    await story.do("voidInvoice", "invoice { id }", id=changed["id"])

    assert await refused(story, "voidCreditNote", id=note_id) == "CREDIT_NOTE_VOID"


async def test_a_preview_counts_the_credits_of_an_end_that_is_due(api: Api, clock: TestClock) -> None:
    story = await Story.in_real_time(api)
    first = await story.subscribe(await api.a_plan(amountCents=3000, interval="DAY", intervalCount=30))
    ends_at = written(clock.now + timedelta(days=10))
    await story.do(
        *("cancelSubscription", "subscription { id }"),
        id=story.subscription_id,
        atPeriodEnd=True,
        settlement="CREDIT",
        at=ends_at,
    )
    clock.forward(days=11)
    credit = {"invoiceId": first["id"], "whole": True}

    preview = await api(PREVIEW, input=credit)
    created = await api.mutate(
        "createCreditNote", "creditNote { amountCents appliedCents balanceCents }", **credit, reason="Too much"
    )

    assert preview["previewCreditNote"]["creditNote"] == created["creditNote"]
    assert created["creditNote"] == {"amountCents": 1000, "appliedCents": 1000, "balanceCents": 0}


async def test_a_reversal_that_makes_the_balance_too_large_is_refused(api: Api) -> None:
    story = await Story.begin(api, "2027-04-01")
    payment_id = await paid_in_advance(story, HUGE)
    draft = await story.do(
        "createInvoice",
        "invoice { id }",
        customerId=story.customer_id,
        currency="EUR",
        lines=[{"description": "All", "unitAmountCents": HUGE}],
    )
    await story.do("finalizeInvoice", "invoice { id }", id=draft["invoice"]["id"])
    adjustment = {"amountCents": HUGE - 1, "currency": "EUR", "reason": "Goodwill"}
    await story.do("adjustBalance", "customer { id }", customerId=story.customer_id, **adjustment)

    assert await refused(story, "reversePayment", id=payment_id, reason="Returned") == "AMOUNT_TOO_LARGE"
    assert await story.customer("balanceCents") == {"balanceCents": HUGE - 1}


async def paid_in_advance(story: Story, amount_cents: int) -> str:
    """Records a payment that is all overpayment, and returns its id."""
    payload = await story.do(
        "recordPayment",
        "payment { id }",
        customerId=story.customer_id,
        amountCents=amount_cents,
        currency="EUR",
        allowOverpayment=True,
    )
    return str(payload["payment"]["id"])


async def test_the_invoice_of_a_change_whose_pending_credit_was_dropped_is_not_reissued(api: Api) -> None:
    """The charge would be billed again, and the credit that belongs to it would not."""
    story = await Story.begin(api, "2027-04-01")
    await story.subscribe(await api.a_plan(name="A", amountCents=3000, interval="MONTH", intervalCount=1))
    await story.advance("2027-04-11")
    plan_b = await api.a_plan(name="B", amountCents=6000, interval="MONTH", intervalCount=1)
    changed = await story.change(planId=plan_b, mode="CHARGE_NOW_CREDIT_LATER")
    await story.do("voidInvoice", "invoice { id }", id=changed["id"])

    assert await refused(story, "reissueInvoice", id=changed["id"]) == "INVOICE_NOT_REISSUABLE"
    assert (await story.subscription("pendingLines { amountCents }"))["pendingLines"] == []
