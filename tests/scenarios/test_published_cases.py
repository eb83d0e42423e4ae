"""Cases from the documentation and tests of other billing systems, with the result that they have here.

LAGO is getlago/lago-api, `spec/scenarios`; KILL BILL is killbill/killbill; POLAR is polarsource/polar,
`server/tests/subscription/test_service_prorations.py`; STRIPE is docs.stripe.com.
"""
# ruff: noqa: N802 - names of tests contain the id of their case

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from db.access.transactions import Sessions
from db.models import (
    Allocation,
    CreditNote,
    CreditNoteLine,
    Event,
    IdempotencyKey,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    Payment,
    Subscription,
)
from tests.scenarios.story import LINE, Story, amounts, at, instant, parsed
from tests.support import Api, count, refusal

EVERYTHING = (
    *(Allocation, CreditNote, CreditNoteLine, Event, IdempotencyKey, Invoice, InvoiceLine, LedgerEntry, Payment),
    Subscription,
)


async def starts_of_periods(api: Api, start: str, until: str, **plan: Any) -> list[str]:
    """Returns the start days of a subscription's periods after a single jump of the test clock from `start` to
    `until`.
    """
    story = await Story.begin(api, start)
    await story.subscribe(await api.a_plan(**plan))
    await story.advance(until)
    periods = await story.periods()
    assert all(before[1] == after[0] for before, after in pairwise(periods))
    return [start for start, _ in periods]


# A. Periods


async def test_case_A01_thirty_days_are_thirty_days(api: Api) -> None:
    """KILL BILL: invoice, generator/TestInvoiceDateUtils."""
    starts = await starts_of_periods(api, "2016-04-08", "2016-11-04", interval="DAY", intervalCount=30)

    assert starts == [f"2016-{day}" for day in ("04-08", "05-08", "06-07", "07-07", "08-06", "09-05", "10-05", "11-04")]


@pytest.mark.parametrize(
    ("interval", "start", "following"),
    [
        ("MONTH", "2023-01-31", ["2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31"]),
        ("MONTH", "2024-01-31", ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]),
        ("MONTH", "2022-09-02", ["2022-10-02", "2022-11-02", "2022-12-02", "2023-01-02", "2023-02-02", "2023-03-02"]),
        ("WEEK", "2022-06-03", ["2022-06-10", "2022-06-17", "2022-06-24", "2022-07-01", "2022-07-08"]),
    ],
    ids=["the 31st of a common year", "the 31st of a leap year", "the 2nd", "Fridays"],
)
async def test_case_A04_periods_keep_to_the_day_of_the_anchor(
    api: Api, interval: str, start: str, following: list[str]
) -> None:
    """STRIPE: billing/subscriptions/billing-cycle."""
    assert await starts_of_periods(api, start, following[-1], interval=interval) == [start, *following]


async def test_case_A05_each_run_on_the_last_of_the_month_makes_one_invoice(api: Api) -> None:
    """LAGO: subscriptions/billing_spec."""
    story = await Story.begin(api, "2022-12-31")
    await story.subscribe(await api.a_plan(interval="MONTH"))
    days = [
        *("2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30", "2023-07-31"),
        *("2023-08-31", "2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31"),
        *("2024-01-31", "2024-02-29", "2024-03-31"),
    ]

    made = []
    for day in days:
        before = len(await story.invoices())
        await story.advance(day)
        made.append([invoice["periodStart"] for invoice in (await story.invoices())[before:]])

    assert made == [[day] for day in days]
    assert len(made) == 15


async def test_case_A06_the_30th_comes_back_after_february(api: Api) -> None:
    """LAGO: subscriptions/billing_spec."""
    starts = await starts_of_periods(api, "2022-04-30", "2024-03-30", interval="MONTH")

    assert starts[9:] == [
        *("2023-01-30", "2023-02-28", "2023-03-30", "2023-04-30", "2023-05-30", "2023-06-30", "2023-07-30"),
        *("2023-08-30", "2023-09-30", "2023-10-30", "2023-11-30", "2023-12-30"),
        *("2024-01-30", "2024-02-29", "2024-03-30"),
    ]


async def test_case_A07_periods_tile(api: Api) -> None:
    """LAGO: subscriptions/billing_boundaries_spec, and PR 1567."""
    story = await Story.begin(api, "2024-01-31")
    await story.subscribe(await api.a_plan(interval="MONTH"))

    await story.advance("2024-03-31")

    assert await story.periods() == [
        ("2024-01-31", "2024-02-29"),
        ("2024-02-29", "2024-03-31"),
        ("2024-03-31", "2024-04-30"),
    ]


async def test_case_A17_a_change_to_summer_time_does_not_change_a_period(api: Api) -> None:
    """Similar to KILL BILL, TestCatalogDailyBilling. In Berlin it is 9:00 in winter and 10:00 in summer."""
    story = await Story.begin(api, "2026-02-10T08:00:00Z")
    await story.subscribe(await api.a_plan(interval="DAY", intervalCount=30))

    await story.advance("2026-12-07T08:00:00Z")

    periods = await story.periods()
    assert [start[-10:] for start, _ in periods] == ["T08:00:00Z"] * 11
    assert {parsed(end) - parsed(start) for start, end in periods} == {timedelta(seconds=30 * 86_400)}


# B. Proration


async def changing(api: Api, before: int, after: int, start: str, change: str, interval: str = "MONTH") -> Any:
    """Changes the price within a period with mode IMMEDIATE. Returns the invoice of the change."""
    story = await Story.begin(api, start)
    await story.subscribe(await api.a_plan(amountCents=before, interval=interval))
    await story.advance(change)
    return await story.change(planId=await api.a_plan(amountCents=after, interval=interval), mode="IMMEDIATE")


async def test_case_B01_to_the_second_and_invoiced_at_renewal(api: Api) -> None:
    """STRIPE: billing/subscriptions/prorations, the JSON of the preview."""
    start, change, end = at(1596749288), at(1598982148), at(1599427688)
    story = await Story.begin(api, start)
    await story.subscribe(await api.a_plan(amountCents=1000, interval="DAY", intervalCount=31))
    larger = await api.a_plan(amountCents=3252, interval="DAY", intervalCount=31)

    await story.advance(change)
    now = await story.change(planId=larger, mode="NEXT_INVOICE")
    waiting = await story.subscription("pendingLines { amountCents }")
    await story.advance(end)

    first, renewal = await story.invoices()
    assert now is None
    assert waiting["pendingLines"] == [{"amountCents": -166}, {"amountCents": 541}]
    assert (first["periodStart"], first["periodEnd"]) == (start, end)
    assert (renewal["kind"], amounts(renewal), renewal["amountCents"]) == ("RECURRING", [-166, 541, 3252], 3627)
    assert await story.subscription("pendingLines { id }") == {"pendingLines": []}


async def test_case_B01_a_preview_says_the_same(api: Api) -> None:
    story = await Story.begin(api, at(1596749288))
    await story.subscribe(await api.a_plan(amountCents=1000, interval="DAY", intervalCount=31))
    larger = await api.a_plan(amountCents=3252, interval="DAY", intervalCount=31)
    await story.advance(at(1598982148))

    data = await api(
        """query ($input: PreviewSubscriptionChangeInput!) { previewSubscriptionChange(input: $input) {
             invoice { amountCents } nextInvoice { amountCents asOf lines { amountCents } } userErrors { code } } }""",
        input={"id": story.subscription_id, "planId": larger, "mode": "NEXT_INVOICE"},
    )

    assert data["previewSubscriptionChange"] == {
        "invoice": None,
        "nextInvoice": {
            "amountCents": 3627,
            "asOf": at(1599427688),
            "lines": [{"amountCents": -166}, {"amountCents": 541}, {"amountCents": 3252}],
        },
        "userErrors": [],
    }


async def test_case_B04_exactly_half_way(api: Api) -> None:
    """STRIPE: billing/subscriptions/prorations."""
    invoice = await changing(api, 1000, 2000, "2025-06-01", "2025-06-16")

    assert (amounts(invoice), invoice["amountCents"]) == ([-500, 1000], 500)


async def test_case_B05_a_credit_is_of_what_was_billed_not_of_the_price(api: Api) -> None:
    """STRIPE: billing/subscriptions/prorations, `billing_mode` flexible."""
    story = await Story.begin(api, "2025-04-01")
    cheap, dear = (
        await api.a_plan(amountCents=1000, interval="MONTH"),
        await api.a_plan(amountCents=2000, interval="MONTH"),
    )
    await story.subscribe(cheap)

    await story.advance("2025-04-11")
    unbilled = await story.change(planId=dear, mode="NONE")
    await story.advance("2025-04-21")
    back = await story.change(planId=cheap, mode="IMMEDIATE")

    assert unbilled is None
    assert (amounts(back), back["amountCents"]) == ([-333, 333], 0)


@pytest.mark.parametrize(
    ("interval", "before", "after", "start", "change", "lines"),
    [
        pytest.param("MONTH", 10000, 30000, "2025-06-01", "2025-06-16", [-5000, 15000], id="a"),
        pytest.param("MONTH", 10000, 30000, "2025-06-01", "2025-06-11", [-6667, 20000], id="b"),
        pytest.param("MONTH", 10000, 30000, "2024-02-18", "2024-02-25", [-7586, 22759], id="c"),
        pytest.param("YEAR", 100000, 300000, "2024-08-01", "2024-10-01", [-83288, 249863], id="d"),
    ],
)
async def test_case_B07_an_upgrade_gives_back_and_charges_what_is_left(
    api: Api, interval: str, before: int, after: int, start: str, change: str, lines: list[int]
) -> None:
    """POLAR."""
    invoice = await changing(api, before, after, start, change, interval)

    assert amounts(invoice) == lines


async def test_case_B08_each_change_gives_back_what_the_last_one_charged(api: Api) -> None:
    """POLAR."""
    story = await Story.begin(api, "2025-06-01")
    await story.subscribe(await api.a_plan(amountCents=10000, interval="MONTH"))

    lines = []
    for day, price in (("2025-06-07", 20000), ("2025-06-13", 30000), ("2025-06-19", 40000)):
        await story.advance(day)
        lines.append(amounts(await story.change(planId=await api.a_plan(amountCents=price, interval="MONTH"))))

    assert lines == [[-8000, 16000], [-12000, 18000], [-12000, 16000]]
    subscription = await story.subscription("anchorAt currentPeriodStart currentPeriodEnd nextBillingAt")
    assert subscription == {
        "anchorAt": "2025-06-01",
        "currentPeriodStart": "2025-06-01",
        "currentPeriodEnd": "2025-07-01",
        "nextBillingAt": "2025-07-01",
    }


async def test_case_B09_what_is_free_makes_no_line(api: Api) -> None:
    """POLAR."""
    to_free = await changing(api, 10000, 0, "2025-06-01", "2025-06-16")
    from_free = await changing(api, 0, 10000, "2025-06-01", "2025-06-16")

    assert (amounts(to_free), amounts(from_free)) == ([-5000], [5000])


@pytest.mark.parametrize("mode", ["IMMEDIATE", "NEXT_INVOICE", "CHARGE_NOW_CREDIT_LATER", "NONE", "PERIOD_END"])
@pytest.mark.parametrize("quantity", [1, 7])
async def test_case_B13_what_a_preview_says_is_what_is_billed(api: Api, mode: str, quantity: int) -> None:
    """STRIPE: `proration_date` of a preview and of the change."""
    story = await Story.begin(api, "2025-06-01")
    await story.subscribe(await api.a_plan(amountCents=9999, interval="MONTH"), quantity=3)
    await story.advance("2025-06-19T17:31:07Z")
    change = {
        "id": story.subscription_id,
        "planId": await api.a_plan(amountCents=12345, interval="MONTH"),
        "quantity": quantity,
        "mode": mode,
        "asOf": "2025-06-17T03:14:15Z",
    }
    invoice = f"amountCents subtotalCents amountDueCents periodStart periodEnd lines {{ {LINE} }}"

    previewed = await api(
        f"""query ($input: PreviewSubscriptionChangeInput!) {{ previewSubscriptionChange(input: $input) {{
              invoice {{ {invoice} }} nextInvoice {{ {invoice} }} userErrors {{ code }} }} }}""",
        input=change,
    )
    applied = await api.mutate("changeSubscription", f"invoice {{ {invoice} }}", **change)
    await story.advance("2025-07-01")
    renewed = await api(
        f"query ($id: ID!) {{ subscription(id: $id) {{ latestInvoice {{ {invoice} }} }} }}", id=story.subscription_id
    )

    said = previewed["previewSubscriptionChange"]
    assert said["userErrors"] == applied["userErrors"] == []
    assert said["invoice"] == applied["invoice"]
    assert said["nextInvoice"] == renewed["subscription"]["latestInvoice"]
    assert (said["invoice"] is None) == (mode in ("NEXT_INVOICE", "NONE", "PERIOD_END"))


async def test_case_B13_a_preview_of_a_new_subscription_is_its_first_invoice(api: Api) -> None:
    story = await Story.begin(api, "2025-06-01")
    plan_id = await api.a_plan(amountCents=9999, interval="MONTH")
    wanted = {"customerId": story.customer_id, "planId": plan_id, "quantity": 3}
    invoice = f"amountCents amountDueCents periodStart periodEnd dueAt lines {{ {LINE} }}"

    previewed = await api(
        f"""query ($input: PreviewSubscriptionInput!) {{ previewSubscription(input: $input) {{
              invoice {{ {invoice} }} userErrors {{ code }} }} }}""",
        input=wanted,
    )
    assert await story.invoices() == []
    created = await api.mutate("createSubscription", f"invoice {{ {invoice} }}", **wanted)

    assert previewed["previewSubscription"]["invoice"]["amountCents"] == 29997
    assert previewed["previewSubscription"] == created


# E. Invoices and trials

PRICE = 1000
DRAFT, OPEN, PAID, VOID, UNCOLLECTIBLE = "DRAFT", "OPEN", "PAID", "VOID", "UNCOLLECTIBLE"
GONE = None
WAYS_INTO: dict[str, list[str]] = {
    DRAFT: [],
    OPEN: ["finalize"],
    PAID: ["finalize", "pay"],
    VOID: ["finalize", "void"],
    UNCOLLECTIBLE: ["finalize", "give up"],
}
TRANSITIONS: dict[str, dict[str, str | None]] = {
    DRAFT: {"finalize": OPEN, "delete": GONE},
    OPEN: {"pay": PAID, "void": VOID, "give up": UNCOLLECTIBLE},
    PAID: {},
    VOID: {},
    UNCOLLECTIBLE: {"pay": PAID, "void": VOID},
}
ACTIONS = ["pay", "void", "give up", "finalize", "delete"]


async def act(api: Api, action: str, invoice_id: str, customer_id: str) -> Any:
    match action:
        case "pay":
            return await api.mutate(
                "recordPayment",
                "payment { id }",
                customerId=customer_id,
                amountCents=PRICE,
                currency="EUR",
                allocations=[{"invoiceId": invoice_id}],
            )
        case "delete":
            return await api.mutate("deleteDraftInvoice", "deletedInvoiceId", id=invoice_id)
        case _:
            names = {"void": "voidInvoice", "give up": "markInvoiceUncollectible", "finalize": "finalizeInvoice"}
            return await api.mutate(names[action], "invoice { id }", id=invoice_id)


async def an_invoice(api: Api, status: str) -> tuple[str, str]:
    """Creates a one-off invoice with this status. Returns the ids of the invoice and its customer."""
    customer_id = await api.a_customer()
    payload = await api.mutate(
        "createInvoice",
        "invoice { id }",
        customerId=customer_id,
        currency="EUR",
        lines=[{"description": "Set-up", "unitAmountCents": PRICE}],
    )
    invoice_id = payload["invoice"]["id"]
    for action in WAYS_INTO[status]:
        assert (await act(api, action, invoice_id, customer_id))["userErrors"] == []
    return invoice_id, customer_id


async def read(api: Api, invoice_id: str) -> Any:
    query = "query ($id: ID!) { invoice(id: $id) { status number amountDueCents paidAt version customer { version } } }"
    return (await api(query, id=invoice_id))["invoice"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("status", list(WAYS_INTO))
async def test_case_E05_an_invoice_goes_the_ways_that_are_allowed_and_no_other(
    api: Api, sessions: Sessions, status: str, action: str
) -> None:
    """STRIPE: invoicing/integration/workflow-transitions. Failed payments are not recorded here."""
    invoice_id, customer_id = await an_invoice(api, status)
    before, rows = await read(api, invoice_id), await count(sessions, *EVERYTHING)
    assert before["status"] == status

    payload = await act(api, action, invoice_id, customer_id)

    after = await read(api, invoice_id)
    if action not in TRANSITIONS[status]:
        code, _ = refusal(payload)
        assert code == f"INVOICE_{status}"
        assert after == before
        assert await count(sessions, *EVERYTHING) == rows
    else:
        assert payload["userErrors"] == []
        assert (after and after["status"]) == TRANSITIONS[status][action]


@pytest.mark.parametrize("correction", ["reversed payment", "void credit note"])
async def test_case_E05_a_correction_opens_a_paid_invoice_again(api: Api, correction: str) -> None:
    """STRIPE: invoicing/integration/workflow-transitions, with the exceptions that corrections need."""
    invoice_id, customer_id = await an_invoice(api, OPEN)
    if correction == "reversed payment":
        await act(api, "pay", invoice_id, customer_id)
        query = "query ($id: ID!) { customer(id: $id) { payments { nodes { id } } } }"
        [payment] = (await api(query, id=customer_id))["customer"]["payments"]["nodes"]
        correct = ("reversePayment", {"id": payment["id"], "reason": "Returned"})
    else:
        note = await credit(api, invoice_id, whole=True)
        correct = ("voidCreditNote", {"id": note["id"]})
    before = await read(api, invoice_id)

    payload = await api.mutate(correct[0], "customer { id }", **correct[1])

    again = await read(api, invoice_id)
    assert payload["userErrors"] == []
    assert (before["status"], again["status"]) == (PAID, OPEN)
    assert (again["amountDueCents"], again["paidAt"], again["number"]) == (PRICE, None, before["number"])
    # It is paid or voided like any other.
    assert (await act(api, "pay", invoice_id, customer_id))["userErrors"] == []
    assert (await read(api, invoice_id))["status"] == PAID


async def test_case_E07_a_void_invoice_is_not_voided_again(api: Api, sessions: Sessions) -> None:
    """LAGO: services/invoices/void_service."""
    story = await Story.begin(api, "2025-06-01")
    invoice = await story.subscribe(await api.a_plan(interval="MONTH"))

    await story.do("voidInvoice", "invoice { id }", id=invoice["id"])
    once, rows = await story.invoices(), await count(sessions, *EVERYTHING)
    twice = await api.mutate("voidInvoice", "invoice { id }", id=invoice["id"])

    assert [(void["status"], void["amountDueCents"]) for void in once] == [("VOID", 0)]
    assert refusal(twice) == ("INVOICE_VOID", ["input", "id"])
    assert await story.invoices() == once
    assert await count(sessions, *EVERYTHING) == rows


async def test_case_E08_a_trial_costs_nothing_and_a_full_period_follows(api: Api) -> None:
    """STRIPE: billing/subscriptions/trials/free-trials."""
    story = await Story.begin(api, "2025-01-17")
    plan_id = await api.a_plan(amountCents=2900, interval="MONTH", trialDays=14)

    trial = await story.subscribe(plan_id)
    in_trial = await story.subscription("status trialStart trialEnd anchorAt nextBillingAt")
    await story.advance("2025-01-30T23:59:59Z")
    last_second = (await story.status(), len(await story.invoices()))
    await story.advance("2025-01-31")
    after = await story.subscription("status anchorAt currentPeriodStart currentPeriodEnd")
    await story.advance("2025-03-31")

    assert (trial["status"], trial["amountCents"], trial["paidAt"]) == ("PAID", 0, "2025-01-17")
    assert [line["kind"] for line in trial["lines"]] == ["TRIAL"]
    assert in_trial == {
        "status": "TRIALING",
        "trialStart": "2025-01-17",
        "trialEnd": "2025-01-31",
        "anchorAt": "2025-01-31",
        "nextBillingAt": "2025-01-31",
    }
    assert last_second == ("TRIALING", 1)
    assert after == {
        "status": "ACTIVE",
        "anchorAt": "2025-01-31",
        "currentPeriodStart": "2025-01-31",
        "currentPeriodEnd": "2025-02-28",
    }
    assert [
        (invoice["amountCents"], invoice["periodStart"], invoice["periodEnd"]) for invoice in await story.invoices()
    ] == [
        (0, "2025-01-17", "2025-01-31"),
        (2900, "2025-01-31", "2025-02-28"),
        (2900, "2025-02-28", "2025-03-31"),
        (2900, "2025-03-31", "2025-04-30"),
    ]


# F. Idempotency, concurrency, clocks


async def test_case_F07_a_key_with_another_input_does_nothing(api: Api, sessions: Sessions) -> None:
    """STRIPE: api/idempotent_requests."""
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    wanted = {"customerId": customer_id, "currency": "EUR", "idempotencyKey": "one"}
    line = {"description": "Set-up", "unitAmountCents": PRICE}
    await api.mutate("createInvoice", "invoice { id }", **wanted, lines=[line])
    rows = await count(sessions, *EVERYTHING)

    otherwise = await api.mutate("createInvoice", "invoice { id }", **wanted, lines=[line, line])
    elsewhere = await api.mutate(
        "createSubscription",
        "subscription { id }",
        customerId=customer_id,
        planId=plan_id,
        idempotencyKey="one",
    )

    assert refusal(otherwise)[0] == refusal(elsewhere)[0] == "IDEMPOTENCY_KEY_REUSED"
    assert otherwise["invoice"] is elsewhere["subscription"] is None
    assert await count(sessions, *EVERYTHING) == rows


async def test_case_F08_a_refusal_does_not_use_the_key_up(api: Api, sessions: Sessions) -> None:
    """STRIPE: api/idempotent_requests."""
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    await api.mutate("archivePlan", "plan { id }", id=plan_id)
    wanted = {"customerId": customer_id, "planId": plan_id, "idempotencyKey": "one"}

    refused = await api.mutate("createSubscription", "subscription { id }", **wanted)
    keys = await count(sessions, IdempotencyKey)
    await api.mutate("unarchivePlan", "plan { id }", id=plan_id)
    done = await api.mutate("createSubscription", "subscription { id }", **wanted)
    again = await api.mutate("createSubscription", "subscription { id }", **wanted)

    assert refusal(refused)[0] == "PLAN_ARCHIVED"
    assert keys == 0
    assert done["userErrors"] == []
    assert again == done
    assert await count(sessions, Subscription, Invoice) == 2


async def test_case_F08_the_same_request_many_times_at_once_is_done_once(api: Api, sessions: Sessions) -> None:
    """STRIPE: api/idempotent_requests. Here, concurrent requests wait for the first and return its result."""
    wanted = {"customerId": await api.a_customer(), "planId": await api.a_plan(), "idempotencyKey": "one"}

    answers = await asyncio.gather(
        *(api.mutate("createSubscription", "subscription { id } invoice { number }", **wanted) for _ in range(20))
    )

    assert answers[0]["userErrors"] == []
    assert answers == [answers[0]] * 20
    assert await count(sessions, Subscription, Invoice) == 2


async def test_case_F11_of_fifty_subscriptions_at_once_one_is_made(api: Api, sessions: Sessions) -> None:
    """Same race as in killbill/killbill issue 27 and getlago/lago-api PR 1086."""
    customer_id, plan_id = await api.a_customer(), await api.a_plan()

    answers = await asyncio.gather(
        *(
            api.mutate("createSubscription", "subscription { status }", customerId=customer_id, planId=plan_id)
            for _ in range(50)
        )
    )

    codes = Counter(error["code"] for answer in answers for error in answer["userErrors"])
    assert codes == {"CUSTOMER_ALREADY_SUBSCRIBED": 49}
    assert [answer["subscription"] for answer in answers if answer["subscription"]] == [{"status": "ACTIVE"}]
    assert (await count(sessions, Subscription), await count(sessions, Invoice)) == (1, 1)


async def test_case_F14_a_test_clock_takes_any_jump_forward_and_none_back(api: Api, sessions: Sessions) -> None:
    """STRIPE: billing/testing/test-clocks. Unlike here, Stripe rejects long jumps."""
    story = await Story.begin(api, "2025-01-01")
    await story.subscribe(await api.a_plan(interval="WEEK"))

    await story.advance("2026-01-01")
    invoices, rows = await story.invoices(), await count(sessions, *EVERYTHING)
    refused = [
        await api.mutate("advanceTestClock", "testClock { id }", id=story.test_clock_id, to=instant(day))
        for day in ("2026-01-01", "2025-12-31", "2024-01-01")
    ]

    assert len(invoices) == 53
    assert [refusal(payload) for payload in refused] == [("TEST_CLOCK_BACKWARDS", ["input", "to"])] * 3
    assert await story.invoices() == invoices
    assert await count(sessions, *EVERYTHING) == rows


# N. Credit notes and refunds


CREDIT_NOTE = """
    id amountCents appliedCents restoredCents balanceCents refundCents outsideCents lines { amountCents }
"""


async def invoiced(api: Api, *cents: int, customer_id: str | None = None) -> tuple[str, str, list[str]]:
    """Creates and finalizes an invoice. Returns the ids of its customer, of the invoice, and of its lines."""
    customer_id = customer_id or await api.a_customer()
    lines = [{"description": "Item", "unitAmountCents": amount} for amount in cents]
    draft = await api.mutate("createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", lines=lines)
    payload = await api.mutate("finalizeInvoice", "invoice { id lines { id } }", id=draft["invoice"]["id"])
    return customer_id, payload["invoice"]["id"], [line["id"] for line in payload["invoice"]["lines"]]


async def receive(api: Api, customer_id: str, cents: int) -> str:
    """Records a payment and returns its id."""
    payment = {"customerId": customer_id, "amountCents": cents, "currency": "EUR", "allowOverpayment": True}
    payload = await api.mutate("recordPayment", "payment { id }", **payment)
    assert payload["userErrors"] == []
    return str(payload["payment"]["id"])


async def credit(api: Api, invoice_id: str, **fields: Any) -> Any:
    """Issues a credit note and returns it."""
    payload = await api.mutate(
        "createCreditNote", f"creditNote {{ {CREDIT_NOTE} }}", invoiceId=invoice_id, reason="Case", **fields
    )
    assert payload["userErrors"] == [], payload
    return payload["creditNote"]


async def refused_credit(api: Api, invoice_id: str, **fields: Any) -> str:
    """Requests a credit note that must be rejected. Returns the code."""
    payload = await api.mutate("createCreditNote", "creditNote { id }", invoiceId=invoice_id, reason="Case", **fields)
    return refusal(payload)[0]


async def balance_of(api: Api, customer_id: str) -> int:
    data = await api("query ($id: ID!) { customer(id: $id) { balanceCents } }", id=customer_id)
    return int(data["customer"]["balanceCents"])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "the other way"])
async def test_case_N01_line_after_line_until_the_invoice_is_credited(api: Api, order: tuple[int, int]) -> None:
    """LAGO: credit_notes/credit_note_spec, without tax."""
    customer_id, invoice_id, lines = await invoiced(api, 6833, 6833)
    await receive(api, customer_id, 13_666)

    notes = [
        await credit(
            api,
            invoice_id,
            lines=[{"lineId": lines[n], "amountCents": 6833}],
            distribution={"refundCents": 6833},
        )
        for n in order
    ]

    assert [(note["amountCents"], amounts(note)) for note in notes] == [(6833, [6833])] * 2
    assert await refused_credit(api, invoice_id, whole=True) == "CREDIT_EXCEEDS_INVOICE"
    assert (await read(api, invoice_id))["status"] == PAID
    assert await balance_of(api, customer_id) == 0


async def test_case_N05_what_cannot_be_credited_is_refused(api: Api, sessions: Sessions) -> None:
    """FLEXPRICE: ee/service/creditnote_test.go."""
    _, invoice_id, [line, _] = await invoiced(api, 1000, 2000)
    await credit(api, invoice_id, lines=[{"lineId": line, "amountCents": 600}])
    draft, _ = await an_invoice(api, DRAFT)
    void, _ = await an_invoice(api, VOID)
    before, rows = await read(api, invoice_id), await count(sessions, *EVERYTHING)

    codes = [
        await refused_credit(api, invoice_id, lines=[{"lineId": line, "amountCents": 401}]),
        await refused_credit(api, invoice_id, amountCents=2401),
        await refused_credit(api, draft, whole=True),
        await refused_credit(api, void, whole=True),
    ]

    assert codes == ["CREDIT_EXCEEDS_LINE", "CREDIT_EXCEEDS_INVOICE", "INVOICE_DRAFT", "INVOICE_VOID"]
    assert await read(api, invoice_id) == before
    assert await count(sessions, *EVERYTHING) == rows


async def test_case_N08_what_the_balance_paid_returns_to_it_and_the_rest_is_refunded(api: Api) -> None:
    """METEROID: tests/integration/test_credit_note.rs."""
    customer_id = await api.a_customer()
    await receive(api, customer_id, 2000)
    _, invoice_id, _ = await invoiced(api, 10_000, customer_id=customer_id)
    payment_id = await receive(api, customer_id, 8000)
    assert await balance_of(api, customer_id) == 0

    note = await credit(api, invoice_id, whole=True, distribution={"refundCents": 8000})
    refund = await api.mutate(
        "recordRefund",
        "creditNote { refundedCents }",
        paymentId=payment_id,
        amountCents=8000,
        creditNoteId=note["id"],
    )

    assert (note["amountCents"], note["restoredCents"], note["refundCents"]) == (10_000, 2000, 8000)
    assert (note["appliedCents"], note["balanceCents"], note["outsideCents"]) == (0, 0, 0)
    assert refund["creditNote"] == {"refundedCents": 8000}
    assert await balance_of(api, customer_id) == 2000
    assert (await read(api, invoice_id))["status"] == PAID


async def test_case_N10_a_credit_note_first_lowers_what_is_due(api: Api) -> None:
    """STRIPE: api/credit_notes."""
    customer_id, invoice_id, _ = await invoiced(api, 10_000)

    unpaid = await credit(api, invoice_id, amountCents=3000)
    due = (await read(api, invoice_id))["amountDueCents"]
    await receive(api, customer_id, 6000)
    codes = [
        await refused_credit(
            api,
            invoice_id,
            amountCents=5000,
            distribution={"refundCents": refund, "balanceCents": balance, "outsideCents": outside},
        )
        for refund, balance, outside in ((1000, 1000, 1999), (2000, 1000, 1001), (5000, 0, 0))
    ]
    in_part = await credit(
        api,
        invoice_id,
        amountCents=5000,
        distribution={"refundCents": 2000, "balanceCents": 1500, "outsideCents": 500},
    )

    assert (unpaid["amountCents"], unpaid["appliedCents"], due) == (3000, 3000, 7000)
    assert codes == ["DISTRIBUTION_INVALID"] * 3
    assert [in_part[f"{part}Cents"] for part in ("applied", "refund", "balance", "outside")] == [1000, 2000, 1500, 500]
    assert (await read(api, invoice_id))["status"] == PAID
    assert await balance_of(api, customer_id) == 1500
