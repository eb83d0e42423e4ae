"""Earlier changes, voids and trials decide what may be billed, credited or tried again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from db.access.transactions import Sessions
from db.database import Database
from db.models import Trial
from tests.support import NOW, Api, TestClock, day, refusal, run


@pytest.fixture
async def monthly(api: Api) -> str:
    return await api.a_plan(code="monthly", amountCents=10_000)


@pytest.fixture
async def cheap(api: Api) -> str:
    return await api.a_plan(code="cheap", amountCents=1000)


async def pay(api: Api, customer_id: str, amount_cents: int, **fields: Any) -> None:
    payment = {"customerId": customer_id, "amountCents": amount_cents, "currency": "EUR"}
    assert (await api.mutate("recordPayment", "payment { id }", **payment, **fields))["userErrors"] == []


async def change(api: Api, subscription_id: str, selection: str = "invoice { id }", **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await api.mutate("changeSubscription", selection, id=subscription_id, **fields)
    return made


async def first_invoice(api: Api, subscription_id: str) -> str:
    found = await api("query ($id: ID!) { subscription(id: $id) { invoices { nodes { id } } } }", id=subscription_id)
    return str(found["subscription"]["invoices"]["nodes"][0]["id"])


async def test_a_preview_shows_what_is_due_before_the_credit_of_a_later_invoice(
    api: Api, clock: TestClock, monthly: str, cheap: str
) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, monthly)
    await pay(api, customer_id, 10_000)
    clock.forward(days=15)
    wanted = {"id": subscription_id, "planId": cheap, "mode": "CHARGE_NOW_CREDIT_LATER"}

    previewed = await api(
        "query ($input: PreviewSubscriptionChangeInput!) {"
        " previewSubscriptionChange(input: $input) { invoice { amountCents amountDueCents } } }",
        input=wanted,
    )
    changed = await api.mutate("changeSubscription", "invoice { amountCents amountDueCents }", **wanted)

    assert changed["invoice"] == {"amountCents": 500, "amountDueCents": 500}
    assert previewed["previewSubscriptionChange"]["invoice"] == changed["invoice"]


async def test_upcoming_invoices_show_what_is_due_when_each_is_made(api: Api, clock: TestClock, monthly: str) -> None:
    """The second invoice's credit exceeds its charge. The remainder pays the first invoice."""
    free = await api.a_plan(amountCents=0)
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, monthly)
    await pay(api, customer_id, 10_000)
    clock.forward(days=15)
    await change(api, subscription_id, planId=free, mode="NEXT_INVOICE")

    found = await api(
        "query ($id: ID!) { subscription(id: $id) { upcomingInvoices(count: 2) { amountCents amountDueCents } } }",
        id=subscription_id,
    )

    assert found["subscription"]["upcomingInvoices"] == [
        {"amountCents": -5000, "amountDueCents": 0},
        {"amountCents": 0, "amountDueCents": 0},
    ]


@pytest.mark.parametrize("mode", ["IMMEDIATE", "NEXT_INVOICE", "NONE", "CHARGE_NOW_CREDIT_LATER"])
async def test_a_period_that_was_changed_is_not_billed_again(
    api: Api, database: Database, clock: TestClock, monthly: str, mode: str
) -> None:
    free = await api.a_plan(amountCents=0)
    subscription_id = await api.a_subscription(plan_id=monthly)
    invoice_id = await first_invoice(api, subscription_id)
    await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)
    clock.forward(days=15)
    await change(api, subscription_id, planId=free, mode=mode)
    clock.forward(days=15)
    await run(database, clock)
    await change(api, subscription_id, quantity=2, mode="NONE")

    reissued = await api.mutate("reissueInvoice", "invoice { id }", id=invoice_id)

    assert refusal(reissued) == ("INVOICE_NOT_REISSUABLE", ["input", "id"])


async def test_a_period_before_a_change_is_billed_again(
    api: Api, database: Database, clock: TestClock, monthly: str, cheap: str
) -> None:
    subscription_id = await api.a_subscription(plan_id=monthly)
    invoice_id = await first_invoice(api, subscription_id)
    await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)
    clock.forward(days=30)
    await run(database, clock)
    clock.forward(days=1)
    await change(api, subscription_id, planId=cheap, mode="IMMEDIATE")

    reissued = await api.mutate("reissueInvoice", "invoice { amountCents }", id=invoice_id)

    assert reissued["invoice"] == {"amountCents": 10_000}


async def test_the_credit_of_a_change_goes_with_its_void_charge(
    api: Api, clock: TestClock, monthly: str, cheap: str
) -> None:
    subscription_id = await api.a_subscription(plan_id=monthly)
    clock.forward(days=15)
    made = await change(api, subscription_id, planId=cheap, mode="CHARGE_NOW_CREDIT_LATER")

    await api.mutate("voidInvoice", "invoice { id }", id=made["invoice"]["id"])

    found = await api(
        "query ($id: ID!) { subscription(id: $id) { pendingLines { id } upcomingInvoices { amountCents } } }",
        id=subscription_id,
    )
    assert found["subscription"] == {"pendingLines": [], "upcomingInvoices": [{"amountCents": 1000}]}


async def test_a_charge_whose_credit_was_billed_is_not_voided(
    api: Api, database: Database, clock: TestClock, monthly: str, cheap: str
) -> None:
    subscription_id = await api.a_subscription(plan_id=monthly)
    clock.forward(days=15)
    made = await change(api, subscription_id, planId=cheap, mode="CHARGE_NOW_CREDIT_LATER")
    clock.forward(days=15)
    await run(database, clock)

    refused = await api.mutate("voidInvoice", "invoice { id }", id=made["invoice"]["id"])

    assert refusal(refused) == ("INVOICE_REVERSED", ["input", "id"])


async def test_a_customer_has_one_trial_of_each_plan_that_a_trial_was_changed_to(api: Api) -> None:
    first, second = [await api.a_plan(code=code, trialDays=14) for code in ("first", "second")]
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, first)
    await change(api, subscription_id, planId=second, mode="IMMEDIATE")
    await change(api, subscription_id, planId=first, mode="IMMEDIATE")
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
    wanted = {"customerId": customer_id, "planId": second}

    refused = await api.mutate("createSubscription", "subscription { id }", **wanted, trialDays=3)
    made = await api.mutate("createSubscription", "subscription { status }", **wanted)

    assert refusal(refused) == ("TRIAL_ALREADY_USED", ["input", "trialDays"])
    assert made["subscription"] == {"status": "ACTIVE"}


async def test_a_trial_is_not_changed_to_a_plan_that_was_tried_before(api: Api) -> None:
    first, second = [await api.a_plan(code=code, trialDays=14) for code in ("first", "second")]
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, first)
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
    subscription_id = await api.a_subscription(customer_id, second)

    refused = await change(api, subscription_id, planId=first, mode="IMMEDIATE")
    later = await change(api, subscription_id, "subscription { status }", planId=first, mode="PERIOD_END")

    assert refusal(refused)[0] == "TRIAL_ALREADY_USED"
    assert later["subscription"] == {"status": "TRIALING"}


async def test_the_database_keeps_a_second_trial_out(api: Api, sessions: Sessions) -> None:
    plan_id, customer_id = await api.a_plan(trialDays=14), await api.a_customer()
    ids = []
    for _ in range(2):
        ids.append(await api.a_subscription(customer_id, plan_id))
        await api.mutate("cancelSubscription", "subscription { id }", id=ids[-1], atPeriodEnd=False)

    with pytest.raises(IntegrityError, match="pk_trials"):
        async with sessions.begin() as session:
            session.add(Trial(customer_id=customer_id, plan_id=plan_id, subscription_id=ids[1], started_at=NOW))


async def test_a_start_of_the_last_minute_means_now(api: Api, clock: TestClock, monthly: str) -> None:
    made = await api.mutate(
        "createSubscription",
        "subscription { status startedAt }",
        customerId=await api.a_customer(),
        planId=monthly,
        startAt=f"{clock.now - timedelta(seconds=60):%FT%TZ}",
    )

    assert made["subscription"] == {"status": "ACTIVE", "startedAt": day(0)}


async def test_what_a_void_gives_back_pays_open_invoices(api: Api, monthly: str) -> None:
    customer_id = await api.a_customer()
    await pay(api, customer_id, 700, allowOverpayment=True)
    drafts = [
        (
            await api.mutate(
                "createInvoice",
                "invoice { id }",
                customerId=customer_id,
                currency="EUR",
                lines=[{"description": "Set-up", "unitAmountCents": 1000}],
            )
        )["invoice"]["id"]
        for _ in range(2)
    ]
    for invoice_id in drafts:
        await api.mutate("finalizeInvoice", "invoice { id }", id=invoice_id)

    await api.mutate("voidInvoice", "invoice { id }", id=drafts[0])

    found = await api("query ($id: ID!) { customer(id: $id) { balanceCents } }", id=customer_id)
    other = await api("query ($id: ID!) { invoice(id: $id) { amountDueCents } }", id=drafts[1])
    assert (found["customer"]["balanceCents"], other["invoice"]["amountDueCents"]) == (0, 300)


async def test_money_for_named_invoices_pays_the_others_with_its_rest(api: Api, monthly: str) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, monthly)

    await pay(api, customer_id, 2500, allocations=[], allowOverpayment=True)

    found = await api(
        "query ($id: ID!) { subscription(id: $id) {"
        " customer { balanceCents } invoices { nodes { amountDueCents } } } }",
        id=subscription_id,
    )
    assert found["subscription"] == {
        "customer": {"balanceCents": 0},
        "invoices": {"nodes": [{"amountDueCents": 7500}]},
    }
