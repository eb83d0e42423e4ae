"""Messages of user errors: what is wrong, and what to do."""

from typing import Any

import pytest

from billing.limits import MAX_PO_NUMBER
from tests.graph.test_invoices import a_draft, an_open_invoice, pay
from tests.graph.test_previews import preview
from tests.graph.test_test_clocks import a_clock
from tests.support import Api, TestClock, day


async def message_of(api: Api, mutation: str, **fields: Any) -> str:
    """Returns the message of the only user error of a mutation."""
    [error] = (await api.mutate(mutation, "__typename", **fields))["userErrors"]
    return str(error["message"])


async def an_invoice_in(api: Api, status: str) -> str:
    customer_id = await api.a_customer()
    invoice_id = await (a_draft(api, customer_id, 1000) if status == "DRAFT" else an_open_invoice(api, customer_id))
    match status:
        case "PAID":
            await pay(api, customer_id, 1000)
        case "VOID":
            await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)
        case "UNCOLLECTIBLE":
            await api.mutate("markInvoiceUncollectible", "invoice { id }", id=invoice_id)
    return invoice_id


LINE = {"description": "More", "unitAmountCents": 1}


@pytest.mark.parametrize(
    ("status", "mutation", "message"),
    [
        ("OPEN", "addInvoiceLine", "This invoice is OPEN: only a DRAFT can be changed."),
        ("OPEN", "finalizeInvoice", "This invoice is OPEN: only a DRAFT can be finalized."),
        ("PAID", "deleteDraftInvoice", "This invoice is PAID: only a DRAFT can be deleted."),
        ("PAID", "updateInvoice", "This invoice is PAID: only its `metadata` can still change."),
        ("DRAFT", "voidInvoice", "This invoice is a DRAFT: call deleteDraftInvoice."),
        ("PAID", "voidInvoice", "This invoice is PAID: only an OPEN or UNCOLLECTIBLE invoice can be voided."),
        ("VOID", "voidInvoice", "This invoice is VOID: only an OPEN or UNCOLLECTIBLE invoice can be voided."),
        (
            "PAID",
            "markInvoiceUncollectible",
            "This invoice is PAID: only an OPEN invoice can be marked as UNCOLLECTIBLE.",
        ),
        (
            "DRAFT",
            "markInvoiceUncollectible",
            "This invoice is a DRAFT: only an OPEN invoice can be marked as UNCOLLECTIBLE.",
        ),
        ("UNCOLLECTIBLE", "markInvoiceUncollectible", "This invoice is already UNCOLLECTIBLE."),
        ("OPEN", "reissueInvoice", "This invoice is OPEN: only a VOID invoice can be reissued."),
    ],
)
async def test_an_error_about_a_status_says_what_is_possible(
    api: Api, status: str, mutation: str, message: str
) -> None:
    invoice_id = await an_invoice_in(api, status)
    fields = {"invoiceId": invoice_id} | LINE if mutation == "addInvoiceLine" else {"id": invoice_id}
    if mutation == "updateInvoice":
        fields |= {"memo": "Thank you"}

    assert await message_of(api, mutation, **fields) == message


async def test_only_what_is_owed_can_be_paid(api: Api) -> None:
    customer_id = await api.a_customer()
    allocations = [{"invoiceId": await a_draft(api, customer_id, 1000)}]

    message = await message_of(
        api, "recordPayment", customerId=customer_id, amountCents=1, currency="EUR", allocations=allocations
    )

    assert message == "This invoice is a DRAFT: only an OPEN or UNCOLLECTIBLE invoice can be paid."


async def test_an_address_that_another_customer_has_by_now_is_changed_first(api: Api) -> None:
    archived = await api.a_customer(email="ada@example.com")
    await api.mutate("archiveCustomer", "customer { id }", id=archived)
    await api.a_customer(email="ada@example.com")

    assert await message_of(api, "unarchiveCustomer", id=archived) == (
        "Another customer has this e-mail address: change the e-mail address of this archived customer with"
        " updateCustomer first."
    )
    assert await message_of(api, "createCustomer", name="Ada", email="ada@example.com") == (
        "Another customer has this e-mail address."
    )


@pytest.mark.parametrize(("fields", "ends_at"), [({}, day(30)), ({"at": day(45)}, day(45))], ids=["period", "time"])
async def test_a_second_cancellation_says_when_the_subscription_ends(
    api: Api, fields: dict[str, Any], ends_at: str
) -> None:
    subscription_id = await api.a_subscription()
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, **fields)

    assert await message_of(api, "cancelSubscription", id=subscription_id) == (
        f"This subscription is set to cancel and ends at {ends_at}: call undoSubscriptionCancellation first."
    )


async def test_a_second_trial_names_the_field_that_asks_for_it(api: Api) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(trialDays=14)
    first = await api.a_subscription(customer_id, plan_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=first, atPeriodEnd=False)
    again = {"customerId": customer_id, "planId": plan_id}

    days = await preview(api, "previewSubscription", "__typename", **again, trialDays=3)
    end = await preview(api, "previewSubscription", "__typename", **again, trialEnd=day(3))

    message = "This customer has already had a trial of this plan: leave the trial out, or give `trialDays: 0`."
    assert days["userErrors"] == [
        {"code": "TRIAL_ALREADY_USED", "message": message, "field": ["input", "trialDays"]},
    ]
    assert end["userErrors"] == [
        {"code": "TRIAL_ALREADY_USED", "message": message, "field": ["input", "trialEnd"]},
    ]


async def test_a_trial_that_has_not_started_moves_with_the_start(api: Api) -> None:
    pending = await api.a_subscription(trialDays=14, startAt=day(3))

    assert await message_of(api, "updateTrial", id=pending, endNow=True) == (
        "This subscription is PENDING, not TRIALING: move its start with updateSubscription(startAt:)."
    )


async def test_a_trial_that_starts_in_this_second_cannot_end_yet(api: Api, clock: TestClock) -> None:
    on_a_clock = await api.a_customer(testClockId=await a_clock(api, frozenAt=day(0)))
    trials = [await api.a_subscription(customer_id, trialDays=14) for customer_id in (None, on_a_clock)]

    assert [await message_of(api, "updateTrial", id=each, endNow=True) for each in trials] == [
        "A trial must last at least one second, and this one started now: try again a second later.",
        "A trial must last at least one second, and this one started now: advance the test clock first.",
    ]


async def test_codes_in_lower_case_are_named_in_upper_case(api: Api) -> None:
    assert await message_of(api, "createPlan", code="pro", name="Pro", amountCents=1, currency="eur") == (
        "'eur' is not an ISO 4217 currency code: codes are upper case, such as 'EUR'."
    )
    assert await message_of(api, "createCustomer", name="Ada", email="a@example.com", address={"country": "de"}) == (
        "'de' is not an ISO 3166-1 alpha-2 country code: codes are upper case, such as 'DE'."
    )
    assert await message_of(api, "createPlan", code="pro", name="Pro", amountCents=1, currency="euro") == (
        "'euro' is not an ISO 4217 currency code."
    )


async def test_names_of_fields_are_spelled_as_people_spell_them(api: Api) -> None:
    number = await message_of(
        api, "createCustomer", name="Ada", email="ada@example.com", poNumber="x" * (MAX_PO_NUMBER + 1)
    )
    email = await message_of(api, "createCustomer", name="Ada", email="ada")

    assert number == f"PO number must have at most {MAX_PO_NUMBER} characters."
    assert email == "An e-mail address must have an @-sign."


@pytest.mark.parametrize(
    ("interval", "anchor", "needs"),
    [
        ("MONTH", {}, "by months or years needs `dayOfMonth`."),
        ("MONTH", {"dayOfWeek": "MONDAY"}, "by months or years needs `dayOfMonth`, not `dayOfWeek`."),
        ("WEEK", {}, "by weeks needs `dayOfWeek`."),
        ("WEEK", {"dayOfMonth": 1}, "by weeks needs `dayOfWeek`, not `dayOfMonth` or `month`."),
    ],
)
async def test_a_billing_anchor_lacks_what_was_not_given(api: Api, interval: str, anchor: Any, needs: str) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(interval=interval)

    message = await message_of(api, "createSubscription", customerId=customer_id, planId=plan_id, billingAnchor=anchor)

    assert message == f"The billing anchor of a plan that is billed {needs}"
