"""Changes of plan and quantity: what each mode bills, when, and how the amounts are settled."""

from datetime import timedelta
from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from services.runs import Report
from tests.graph.test_bad_input import everything
from tests.graph.test_invoices import an_open_invoice, events_of
from tests.support import NOW, Api, TestClock, day, read_subscription, refusal, run

pytestmark = pytest.mark.usefixtures("events_name_changes")

LINES = "lines { kind description amountCents periodStart periodEnd reverses { amountCents invoice { number } } }"
INVOICE = f"kind status amountCents amountDueCents periodStart periodEnd issuedAt {LINES}"
PENDING_LINES = "pendingLines { kind description amountCents periodStart periodEnd reverses { amountCents } }"
PENDING_CHANGE = "pendingChange { quantity requestedAt effectiveAt plan { code } }"


async def latest_invoice(api: Api, subscription_id: str, selection: str) -> Any:
    return (await read_subscription(api, subscription_id, f"latestInvoice {{ {selection} }}"))["latestInvoice"]


async def balance(api: Api, customer_id: str) -> int:
    data = await api("query ($id: ID!) { customer(id: $id) { balanceCents } }", id=customer_id)
    return int(data["customer"]["balanceCents"])


@pytest.fixture
async def basic(api: Api) -> str:
    """Plan for 1.00 EUR per day, billed every 30 days."""
    return await api.a_plan(code="basic", name="Basic", amountCents=3000)


@pytest.fixture
async def pro(api: Api) -> str:
    """Plan for 2.00 EUR per day, billed every 30 days."""
    return await api.a_plan(code="pro", name="Pro", amountCents=6000)


@pytest.fixture
async def customer(api: Api) -> str:
    return await api.a_customer()


@pytest.fixture
async def on_basic(api: Api, clock: TestClock, customer: str, basic: str) -> str:
    """Subscription to `basic` that started 10 days ago."""
    subscription_id = await api.a_subscription(customer, basic)
    clock.forward(days=10)
    return subscription_id


UNUSED = {
    "kind": "PRORATION_CREDIT",
    "description": "Unused time on Basic",
    "amountCents": -2000,
    "periodStart": day(10),
    "periodEnd": day(30),
}
REMAINING = {
    "kind": "PRORATION_CHARGE",
    "description": "Remaining time on Pro",
    "amountCents": 4000,
    "periodStart": day(10),
    "periodEnd": day(30),
    "reverses": None,
}
NEXT_PERIOD = {
    "kind": "RECURRING",
    "description": "Pro",
    "amountCents": 6000,
    "periodStart": day(30),
    "periodEnd": day(60),
    "reverses": None,
}


async def test_immediate_gives_the_rest_back_and_charges_the_new_on_one_invoice(
    api: Api, on_basic: str, pro: str
) -> None:
    first = await latest_invoice(api, on_basic, "number")

    changed = await api.mutate(
        "changeSubscription",
        f"subscription {{ plan {{ code }} currentPeriodStart currentPeriodEnd nextBillingAt {PENDING_LINES} }} "
        f"invoice {{ {INVOICE} }}",
        id=on_basic,
        planId=pro,
        mode="IMMEDIATE",
    )

    assert changed["subscription"] == {
        "plan": {"code": "pro"},
        "currentPeriodStart": day(0),
        "currentPeriodEnd": day(30),
        "nextBillingAt": day(30),
        "pendingLines": [],
    }
    assert changed["invoice"] == {
        "kind": "PRORATION",
        "status": "OPEN",
        "amountCents": 2000,
        "amountDueCents": 2000,
        "periodStart": day(10),
        "periodEnd": day(30),
        "issuedAt": day(10),
        "lines": [UNUSED | {"reverses": {"amountCents": 3000, "invoice": first}}, REMAINING],
    }


async def test_next_invoice_lets_both_lines_wait_for_it(
    api: Api, database: Database, clock: TestClock, on_basic: str, pro: str
) -> None:
    first = await latest_invoice(api, on_basic, "number")

    changed = await api.mutate(
        "changeSubscription",
        f"subscription {{ plan {{ code }} {PENDING_LINES} }} invoice {{ id }}",
        id=on_basic,
        planId=pro,
        mode="NEXT_INVOICE",
    )
    waiting = (await read_subscription(api, on_basic, "pendingLines { id }"))["pendingLines"]
    clock.forward(days=20)
    await run(database, clock)

    assert changed["invoice"] is None
    assert changed["subscription"] == {
        "plan": {"code": "pro"},
        "pendingLines": [UNUSED | {"reverses": {"amountCents": 3000}}, REMAINING],
    }
    assert await latest_invoice(api, on_basic, INVOICE) == {
        "kind": "RECURRING",
        "status": "OPEN",
        "amountCents": 8000,
        "amountDueCents": 8000,
        "periodStart": day(30),
        "periodEnd": day(60),
        "issuedAt": day(30),
        "lines": [UNUSED | {"reverses": {"amountCents": 3000, "invoice": first}}, REMAINING, NEXT_PERIOD],
    }
    moved = await read_subscription(api, on_basic, "latestInvoice { lines { id } } pendingLines { id }")
    assert (moved["latestInvoice"]["lines"][:2], moved["pendingLines"]) == (waiting, [])


async def test_lines_that_wait_go_on_a_last_invoice_when_the_subscription_is_canceled_at_once(
    api: Api, clock: TestClock, on_basic: str, pro: str
) -> None:
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=pro, mode="NEXT_INVOICE")
    clock.forward(days=10)

    canceled = await api.mutate(
        "cancelSubscription",
        "subscription { status pendingLines { id } } "
        "invoice { kind status amountCents periodStart periodEnd lines { amountCents } }",
        id=on_basic,
        atPeriodEnd=False,
    )

    assert canceled["subscription"] == {"status": "CANCELED", "pendingLines": []}
    assert canceled["invoice"] == {
        "kind": "PRORATION",
        "status": "OPEN",
        "amountCents": 2000,
        "periodStart": day(10),
        "periodEnd": day(30),
        "lines": [{"amountCents": -2000}, {"amountCents": 4000}],
    }


async def test_lines_that_wait_go_on_a_last_invoice_at_the_periods_end(
    api: Api, database: Database, clock: TestClock, on_basic: str, pro: str
) -> None:
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=pro, mode="NEXT_INVOICE")
    await api.mutate("cancelSubscription", "subscription { id }", id=on_basic)
    clock.forward(days=20)
    await run(database, clock)

    assert await latest_invoice(api, on_basic, "kind amountCents lines { amountCents }") == {
        "kind": "PRORATION",
        "amountCents": 2000,
        "lines": [{"amountCents": -2000}, {"amountCents": 4000}],
    }
    assert await read_subscription(api, on_basic, "status pendingLines { id }") == {
        "status": "CANCELED",
        "pendingLines": [],
    }


async def test_a_charge_that_waits_is_given_back_as_well(api: Api, clock: TestClock, on_basic: str, pro: str) -> None:
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=pro, mode="NEXT_INVOICE")
    clock.forward(days=10)

    canceled = await api.mutate(
        "cancelSubscription",
        "invoice { status amountCents lines { amountCents reverses { amountCents } } }",
        id=on_basic,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    assert canceled["invoice"] == {
        "status": "PAID",
        "amountCents": 0,
        "lines": [
            {"amountCents": -2000, "reverses": {"amountCents": 3000}},
            {"amountCents": 4000, "reverses": None},
            {"amountCents": -2000, "reverses": {"amountCents": 4000}},
        ],
    }


async def test_a_change_at_the_periods_end_is_seen_replaced_and_withdrawn_until_then(
    api: Api, clock: TestClock, on_basic: str, basic: str, pro: str
) -> None:
    selection = f"subscription {{ plan {{ code }} quantity {PENDING_CHANGE} }}"
    change = {"id": on_basic, "mode": "PERIOD_END"}

    scheduled = await api.mutate("changeSubscription", f"{selection} invoice {{ id }}", **change, planId=pro)
    clock.forward(days=1)
    more = await api.mutate("changeSubscription", selection, **change, quantity=3)
    replaced = await api.mutate("changeSubscription", selection, **change, planId=basic, quantity=2)
    withdrawn = await api.mutate("withdrawSubscriptionChange", selection, id=on_basic)
    nothing_left = await api.mutate("withdrawSubscriptionChange", selection, id=on_basic)

    unchanged = {"plan": {"code": "basic"}, "quantity": 1}
    assert scheduled["invoice"] is None
    assert scheduled["subscription"] == unchanged | {
        "pendingChange": {"quantity": 1, "requestedAt": day(10), "effectiveAt": day(30), "plan": {"code": "pro"}}
    }
    assert more["subscription"] == unchanged | {
        "pendingChange": {"quantity": 3, "requestedAt": day(11), "effectiveAt": day(30), "plan": {"code": "pro"}}
    }
    assert replaced["subscription"] == unchanged | {
        "pendingChange": {"quantity": 2, "requestedAt": day(11), "effectiveAt": day(30), "plan": {"code": "basic"}}
    }
    assert withdrawn["subscription"] == unchanged | {"pendingChange": None}
    assert refusal(nothing_left) == ("CHANGE_NOT_SCHEDULED", ["input", "id"])


async def test_a_change_at_the_periods_end_takes_effect_with_the_next_period(
    api: Api, database: Database, clock: TestClock, on_basic: str, pro: str
) -> None:
    await api.mutate(
        "changeSubscription", "subscription { id }", id=on_basic, planId=pro, quantity=2, mode="PERIOD_END"
    )
    clock.forward(days=20)
    await run(database, clock)

    assert await read_subscription(api, on_basic, f"plan {{ code }} quantity {PENDING_CHANGE}") == {
        "plan": {"code": "pro"},
        "quantity": 2,
        "pendingChange": None,
    }
    assert await latest_invoice(api, on_basic, "kind amountCents lines { description quantity amountCents }") == {
        "kind": "RECURRING",
        "amountCents": 12_000,
        "lines": [{"description": "2 × Pro", "quantity": 2, "amountCents": 12_000}],
    }


@pytest.mark.parametrize("mode", ["IMMEDIATE", "NEXT_INVOICE", "NONE", "CHARGE_NOW_CREDIT_LATER"])
async def test_a_change_now_takes_the_place_of_one_that_waits(api: Api, on_basic: str, pro: str, mode: str) -> None:
    other = await api.a_plan(code="other", amountCents=100)
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=other, mode="PERIOD_END")
    change = {"id": on_basic, "planId": pro, "mode": mode}
    withdrawn = "withdrawnChange { quantity requestedAt effectiveAt plan { code } }"

    previewed = await api(
        "query ($input: PreviewSubscriptionChangeInput!) {"
        f" previewSubscriptionChange(input: $input) {{ {withdrawn} }} }}",
        input=change,
    )
    changed, retried = [
        await api.mutate(
            "changeSubscription",
            f"subscription {{ plan {{ code }} quantity pendingChange {{ quantity }} }} {withdrawn}",
            **change,
            idempotencyKey="key",
        )
        for _ in range(2)
    ]

    assert changed["subscription"] == {"plan": {"code": "pro"}, "quantity": 1, "pendingChange": None}
    assert changed["withdrawnChange"] == {
        "quantity": 1,
        "requestedAt": day(10),
        "effectiveAt": day(30),
        "plan": {"code": "other"},
    }
    assert retried == changed
    assert previewed["previewSubscriptionChange"] == {"withdrawnChange": changed["withdrawnChange"]}


async def test_the_very_change_that_waits_is_refused(
    api: Api, clock: TestClock, sessions: Sessions, on_basic: str, pro: str
) -> None:
    change = {"id": on_basic, "planId": pro, "mode": "PERIOD_END"}
    await api.mutate("changeSubscription", "subscription { id }", **change)
    clock.forward(days=1)
    before = await everything(sessions)

    previewed = await api(
        "query ($input: PreviewSubscriptionChangeInput!) {"
        " previewSubscriptionChange(input: $input) { mode userErrors { code message field } } }",
        input=change,
    )
    again = await api.mutate("changeSubscription", "subscription { id }", **change)

    assert refusal(again) == ("SUBSCRIPTION_UNCHANGED", None)
    assert previewed["previewSubscriptionChange"] == {"mode": None, "userErrors": again["userErrors"]}
    assert await everything(sessions) == before


async def test_a_quantity_that_changes_now_is_that_of_the_pending_plan_too(api: Api, on_basic: str, pro: str) -> None:
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=pro, mode="PERIOD_END")

    changed = await api.mutate(
        "changeSubscription",
        "subscription { plan { code } quantity pendingChange { quantity plan { code } } } withdrawnChange { quantity }",
        id=on_basic,
        quantity=2,
        mode="IMMEDIATE",
    )

    assert changed == {
        "subscription": {
            "plan": {"code": "basic"},
            "quantity": 2,
            "pendingChange": {"quantity": 2, "plan": {"code": "pro"}},
        },
        "withdrawnChange": None,
        "userErrors": [],
    }


async def test_what_is_canceled_at_the_periods_end_gets_no_new_period(api: Api, on_basic: str) -> None:
    yearly = await api.a_plan(amountCents=24_000, interval="YEAR")
    await api.mutate("cancelSubscription", "subscription { id }", id=on_basic)

    refused = await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=yearly)
    previewed = await api(
        "query ($input: PreviewSubscriptionChangeInput!) {"
        " previewSubscriptionChange(input: $input) { mode userErrors { code field message } } }",
        input={"id": on_basic, "planId": yearly},
    )

    assert refusal(refused) == ("CANCELLATION_ALREADY_SCHEDULED", ["input", "id"])
    assert previewed["previewSubscriptionChange"]["mode"] is None
    [error] = previewed["previewSubscriptionChange"]["userErrors"]
    assert (error["code"], error["field"]) == ("CANCELLATION_ALREADY_SCHEDULED", ["input", "id"])
    assert "undoSubscriptionCancellation" in error["message"]


async def test_none_changes_the_terms_and_bills_nothing_before_the_next_period(
    api: Api, database: Database, clock: TestClock, on_basic: str, pro: str
) -> None:
    changed = await api.mutate(
        "changeSubscription",
        f"subscription {{ plan {{ code }} {PENDING_LINES} }} invoice {{ id }}",
        id=on_basic,
        planId=pro,
        mode="NONE",
    )
    clock.forward(days=20)
    await run(database, clock)

    assert changed["subscription"] == {"plan": {"code": "pro"}, "pendingLines": []}
    assert changed["invoice"] is None
    assert await latest_invoice(api, on_basic, f"amountCents {LINES}") == {"amountCents": 6000, "lines": [NEXT_PERIOD]}


async def test_none_leaves_lines_waiting_that_wait(api: Api, on_basic: str, pro: str) -> None:
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=pro, mode="NEXT_INVOICE")

    changed = await api.mutate(
        "changeSubscription",
        "subscription { pendingLines { amountCents } } invoice { lines { amountCents } }",
        id=on_basic,
        quantity=2,
        mode="NONE",
    )

    assert changed["invoice"] is None
    assert changed["subscription"]["pendingLines"] == [{"amountCents": -2000}, {"amountCents": 4000}]


async def test_charge_now_credit_later_does_as_it_says(
    api: Api, database: Database, clock: TestClock, on_basic: str, pro: str
) -> None:
    changed = await api.mutate(
        "changeSubscription",
        f"subscription {{ {PENDING_LINES} }} invoice {{ kind status amountCents {LINES} }}",
        id=on_basic,
        planId=pro,
        mode="CHARGE_NOW_CREDIT_LATER",
    )
    clock.forward(days=20)
    await run(database, clock)

    credit = UNUSED | {"reverses": {"amountCents": 3000}}
    assert changed["subscription"] == {"pendingLines": [credit]}
    assert changed["invoice"] == {"kind": "PRORATION", "status": "OPEN", "amountCents": 4000, "lines": [REMAINING]}
    assert await latest_invoice(api, on_basic, "amountCents lines { amountCents }") == {
        "amountCents": 4000,
        "lines": [{"amountCents": -2000}, {"amountCents": 6000}],
    }


async def test_immediate_bills_what_waits_as_well(api: Api, on_basic: str, pro: str) -> None:
    await api.mutate("changeSubscription", "subscription { id }", id=on_basic, planId=pro, mode="NEXT_INVOICE")

    changed = await api.mutate(
        "changeSubscription",
        "subscription { pendingLines { id } } invoice { amountCents lines { amountCents reverses { amountCents } } }",
        id=on_basic,
        quantity=2,
        mode="IMMEDIATE",
    )

    assert changed["subscription"] == {"pendingLines": []}
    assert changed["invoice"] == {
        "amountCents": 6000,
        "lines": [
            {"amountCents": -2000, "reverses": {"amountCents": 3000}},
            {"amountCents": 4000, "reverses": None},
            {"amountCents": -4000, "reverses": {"amountCents": 4000}},
            {"amountCents": 8000, "reverses": None},
        ],
    }


async def test_a_second_change_gives_back_what_the_first_one_charged(
    api: Api, clock: TestClock, on_basic: str, pro: str
) -> None:
    first = await api.mutate("changeSubscription", "invoice { number }", id=on_basic, planId=pro)
    clock.forward(days=10)

    second = await api.mutate("changeSubscription", f"invoice {{ amountCents {LINES} }}", id=on_basic, quantity=2)

    span = {"periodStart": day(20), "periodEnd": day(30)}
    assert second["invoice"] == {
        "amountCents": 2000,
        "lines": [
            {
                "kind": "PRORATION_CREDIT",
                "description": "Unused time on Pro",
                "amountCents": -2000,
                "reverses": {"amountCents": 4000, "invoice": first["invoice"]},
            }
            | span,
            {
                "kind": "PRORATION_CHARGE",
                "description": "Remaining time on 2 × Pro",
                "amountCents": 4000,
                "reverses": None,
            }
            | span,
        ],
    }


async def test_by_default_what_is_shorter_or_costs_less_changes_with_the_next_period(
    api: Api, customer: str, basic: str, pro: str
) -> None:
    subscription_id = await api.a_subscription(customer, basic, quantity=2)
    plans: dict[str, dict[str, Any]] = {
        "the same for the same": {"amountCents": 3000},
        "a cent more": {"amountCents": 3001},
        "a cent less": {"amountCents": 2999},
        "a year for less than a month": {"amountCents": 100, "interval": "YEAR"},
        "a week for more than a month": {"amountCents": 100_000, "interval": "WEEK"},
    }
    changes: dict[str, dict[str, Any]] = {
        "more of it": {"quantity": 3},
        "less of it": {"quantity": 1},
        "twice as good, half as many": {"planId": pro, "quantity": 1},
        **{name: {"planId": await api.a_plan(**fields)} for name, fields in plans.items()},
    }

    modes = {}
    for name, change in changes.items():
        preview = await api(
            "query ($input: PreviewSubscriptionChangeInput!) { previewSubscriptionChange(input: $input) { mode } }",
            input={"id": subscription_id, **change},
        )
        modes[name] = preview["previewSubscriptionChange"]["mode"]

    assert modes == {
        "more of it": "IMMEDIATE",
        "less of it": "PERIOD_END",
        "twice as good, half as many": "IMMEDIATE",
        "the same for the same": "IMMEDIATE",
        "a cent more": "IMMEDIATE",
        "a cent less": "PERIOD_END",
        "a year for less than a month": "IMMEDIATE",
        "a week for more than a month": "PERIOD_END",
    }


async def test_another_plan_at_the_same_price_makes_an_invoice_over_nothing(api: Api, on_basic: str) -> None:
    twin = await api.a_plan(name="Twin", amountCents=3000)

    changed = await api.mutate(
        "changeSubscription",
        "subscription { plan { name } } invoice { status amountCents lines { amountCents } }",
        id=on_basic,
        planId=twin,
    )

    assert changed["subscription"] == {"plan": {"name": "Twin"}}
    assert changed["invoice"] == {
        "status": "PAID",
        "amountCents": 0,
        "lines": [{"amountCents": -2000}, {"amountCents": 2000}],
    }


async def test_a_change_counts_from_the_instant_that_is_given(api: Api, on_basic: str, pro: str) -> None:
    changed = await api.mutate(
        "changeSubscription",
        "invoice { periodStart periodEnd issuedAt dueAt lines { amountCents periodStart periodEnd } }",
        id=on_basic,
        planId=pro,
        asOf=day(6),
    )

    span = {"periodStart": day(6), "periodEnd": day(30)}
    assert changed["invoice"] == span | {
        "issuedAt": day(10),
        "dueAt": day(24),
        "lines": [{"amountCents": -2400} | span, {"amountCents": 4800} | span],
    }


async def test_another_interval_begins_a_new_period_at_once(
    api: Api, database: Database, clock: TestClock, on_basic: str
) -> None:
    yearly = await api.a_plan(code="yearly", name="Yearly", amountCents=40_000, interval="YEAR")

    changed = await api.mutate(
        "changeSubscription",
        "subscription { anchorAt currentPeriodStart currentPeriodEnd nextBillingAt } "
        "invoice { kind amountCents periodStart periodEnd lines { amountCents periodStart periodEnd } }",
        id=on_basic,
        planId=yearly,
    )
    clock.now = NOW.replace(year=2027, month=2, day=10)
    report = await run(database, clock)

    year = {"periodStart": day(10), "periodEnd": "2027-02-10T12:00:00Z"}
    assert changed["subscription"] == {
        "anchorAt": day(10),
        "currentPeriodStart": day(10),
        "currentPeriodEnd": "2027-02-10T12:00:00Z",
        "nextBillingAt": "2027-02-10T12:00:00Z",
    }
    assert changed["invoice"] == year | {
        "kind": "RECURRING",
        "amountCents": 38_000,
        "lines": [
            {"amountCents": -2000, "periodStart": day(10), "periodEnd": day(30)},
            {"amountCents": 40_000} | year,
        ],
    }
    assert report == Report(renewed=1, invoices=1, past_due=1)
    assert await latest_invoice(api, on_basic, "amountCents periodStart periodEnd") == {
        "amountCents": 40_000,
        "periodStart": "2027-02-10T12:00:00Z",
        "periodEnd": "2028-02-10T12:00:00Z",
    }


async def test_another_interval_can_wait_for_the_periods_end_and_nothing_between(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, on_basic: str
) -> None:
    monthly = await api.a_plan(amountCents=3100, interval="MONTH")
    before = await everything(sessions)

    refused = [
        refusal(await api.mutate("changeSubscription", "invoice { id }", id=on_basic, planId=monthly, mode=mode))
        for mode in ("NEXT_INVOICE", "NONE", "CHARGE_NOW_CREDIT_LATER")
    ]
    after_refusals = await everything(sessions)
    await api.mutate("changeSubscription", "invoice { id }", id=on_basic, planId=monthly, mode="PERIOD_END")
    clock.forward(days=20)
    await run(database, clock)

    assert refused == [("CHANGE_MODE_NOT_ALLOWED", ["input", "mode"])] * 3
    assert after_refusals == before
    assert await read_subscription(api, on_basic, "anchorAt currentPeriodStart currentPeriodEnd") == {
        "anchorAt": "2026-03-02T12:00:00Z",
        "currentPeriodStart": "2026-03-02T12:00:00Z",
        "currentPeriodEnd": "2026-04-02T12:00:00Z",
    }
    assert await latest_invoice(api, on_basic, "amountCents") == {"amountCents": 3100}


async def test_a_change_in_the_trial_costs_nothing_and_leaves_its_end(
    api: Api, database: Database, clock: TestClock, customer: str, basic: str
) -> None:
    yearly = await api.a_plan(code="yearly", amountCents=40_000, interval="YEAR")
    subscription_id = await api.a_subscription(customer, basic, trialDays=14)
    clock.forward(days=10)

    changed = await api.mutate(
        "changeSubscription",
        "subscription { status plan { code } trialEnd nextBillingAt } invoice { id }",
        id=subscription_id,
        planId=yearly,
        mode="IMMEDIATE",
    )
    clock.forward(days=4)
    await run(database, clock)

    assert changed["subscription"] == {
        "status": "TRIALING",
        "plan": {"code": "yearly"},
        "trialEnd": day(14),
        "nextBillingAt": day(14),
    }
    assert changed["invoice"] is None
    assert await latest_invoice(api, subscription_id, "amountCents periodStart periodEnd") == {
        "amountCents": 40_000,
        "periodStart": day(14),
        "periodEnd": "2027-02-14T12:00:00Z",
    }


async def test_what_was_voided_is_not_given_back(api: Api, on_basic: str, pro: str) -> None:
    first = await latest_invoice(api, on_basic, "id")
    await api.mutate("voidInvoice", "invoice { id }", id=first["id"])

    changed = await api.mutate("changeSubscription", f"invoice {{ amountCents {LINES} }}", id=on_basic, planId=pro)

    assert changed["invoice"] == {"amountCents": 4000, "lines": [REMAINING]}


async def test_nobody_changes_to_an_archived_plan_but_those_on_it_may_have_more_or_less_of_it(
    api: Api, sessions: Sessions, on_basic: str, basic: str, pro: str
) -> None:
    for plan_id in (basic, pro):
        await api.mutate("archivePlan", "plan { id }", id=plan_id)
    before = await everything(sessions)

    to_another = await api.mutate("changeSubscription", "invoice { id }", id=on_basic, planId=pro)
    after_refusal = await everything(sessions)
    more = await api.mutate("changeSubscription", "subscription { quantity }", id=on_basic, quantity=2)
    named = await api.mutate("changeSubscription", "subscription { quantity }", id=on_basic, planId=basic, quantity=3)

    assert refusal(to_another) == ("PLAN_ARCHIVED", ["input", "planId"])
    assert after_refusal == before
    assert more == {"subscription": {"quantity": 2}, "userErrors": []}
    assert named == {"subscription": {"quantity": 3}, "userErrors": []}


async def test_a_change_that_waits_takes_effect_though_its_plan_is_archived_meanwhile(
    api: Api, database: Database, clock: TestClock, on_basic: str, pro: str
) -> None:
    await api.mutate("changeSubscription", "invoice { id }", id=on_basic, planId=pro, mode="PERIOD_END")
    await api.mutate("archivePlan", "plan { id }", id=pro)
    clock.forward(days=20)

    assert await run(database, clock) == Report(renewed=1, invoices=1, past_due=1)
    assert await latest_invoice(api, on_basic, "amountCents") == {"amountCents": 6000}


async def test_the_money_of_a_downgrade_flows_to_what_it_reverses_then_to_what_is_due_first_then_to_the_balance(
    api: Api, database: Database, clock: TestClock, customer: str, pro: str
) -> None:
    lite = await api.a_plan(name="Lite", amountCents=600)
    subscription_id = await api.a_subscription(customer, pro)
    due_first = await an_open_invoice(api, customer, 500, netDays=16)
    due_last = await an_open_invoice(api, customer, 300, netDays=60)
    reversed_invoice = await latest_invoice(api, subscription_id, "id")
    await api.mutate(
        "recordPayment",
        "payment { id }",
        customerId=customer,
        amountCents=5000,
        currency="EUR",
        allocations=[{"invoiceId": reversed_invoice["id"]}],
    )
    clock.forward(days=15)

    downgrade = await api.mutate(
        "changeSubscription",
        "invoice { id status amountCents amountDueCents lines { amountCents } }",
        id=subscription_id,
        planId=lite,
        mode="IMMEDIATE",
    )

    source = {"sourceInvoice": {"id": downgrade["invoice"].pop("id")}}
    assert downgrade["invoice"] == {
        "status": "PAID",
        "amountCents": -2700,
        "amountDueCents": 0,
        "lines": [{"amountCents": -3000}, {"amountCents": 300}],
    }
    allocations = "allocations { kind amountCents sourceInvoice { id } } status"
    paid = {
        invoice_id: (await api(f"query ($id: ID!) {{ invoice(id: $id) {{ {allocations} }} }}", id=invoice_id))[
            "invoice"
        ]
        for invoice_id in (reversed_invoice["id"], due_first, due_last)
    }
    assert paid == {
        reversed_invoice["id"]: {
            "status": "PAID",
            "allocations": [
                {"kind": "PAYMENT", "amountCents": 5000, "sourceInvoice": None},
                {"kind": "CREDIT", "amountCents": 1000} | source,
            ],
        },
        due_first: {"status": "PAID", "allocations": [{"kind": "CREDIT", "amountCents": 500} | source]},
        due_last: {"status": "PAID", "allocations": [{"kind": "CREDIT", "amountCents": 300} | source]},
    }
    assert await balance(api, customer) == 900

    clock.forward(days=15)
    await run(database, clock)
    next_invoice = await latest_invoice(api, subscription_id, "status amountCents amountDueCents")
    clock.forward(days=30)
    await run(database, clock)
    after_next = await latest_invoice(api, subscription_id, "status amountCents amountDueCents")

    assert next_invoice == {"status": "PAID", "amountCents": 600, "amountDueCents": 0}
    assert after_next == {"status": "OPEN", "amountCents": 600, "amountDueCents": 300}
    assert await balance(api, customer) == 0


async def test_a_credit_stops_at_the_first_invoice_that_takes_all_of_it(
    api: Api, clock: TestClock, customer: str, pro: str
) -> None:
    subscription_id = await api.a_subscription(customer, pro)
    await an_open_invoice(api, customer, 500, netDays=0)
    clock.forward(days=10)

    await api.mutate(
        "changeSubscription",
        "invoice { id }",
        id=subscription_id,
        planId=await api.a_plan(amountCents=3000),
        mode="IMMEDIATE",
    )

    due = await api(
        "query ($id: ID!) { customer(id: $id) { balanceCents invoices { nodes { kind amountDueCents } } } }",
        id=customer,
    )
    assert due["customer"] == {
        "balanceCents": 0,
        "invoices": {
            "nodes": [
                {"kind": "RECURRING", "amountDueCents": 4000},
                {"kind": "ONE_OFF", "amountDueCents": 500},
                {"kind": "PRORATION", "amountDueCents": 0},
            ]
        },
    }


async def test_fifty_lines_wait_for_the_next_invoice_and_no_more(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, on_basic: str
) -> None:
    for n in range(25):
        await api.mutate("changeSubscription", "invoice { id }", id=on_basic, quantity=2 + n, mode="NEXT_INVOICE")
        clock.forward(hours=1)
    before = await everything(sessions)

    refused = [
        refusal(await api.mutate("changeSubscription", "invoice { id }", id=on_basic, quantity=99, mode=mode))
        for mode in ("NEXT_INVOICE", "CHARGE_NOW_CREDIT_LATER")
    ]
    after_refusals = await everything(sessions)
    clock.now = NOW + timedelta(days=30)
    report = await run(database, clock)

    assert refused == [("TOO_MANY_LINES", None)] * 2
    assert after_refusals == before
    assert report == Report(renewed=1, invoices=1, past_due=1)
    assert len((await latest_invoice(api, on_basic, "lines { id }"))["lines"]) == 51


async def test_each_change_is_an_event_of_the_subscription(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, on_basic: str, pro: str
) -> None:
    await api.mutate("changeSubscription", "invoice { id }", id=on_basic, quantity=2, mode="PERIOD_END")
    await api.mutate("withdrawSubscriptionChange", "subscription { id }", id=on_basic)
    await api.mutate("changeSubscription", "invoice { id }", id=on_basic, planId=pro)
    await api.mutate("changeSubscription", "invoice { id }", id=on_basic, quantity=2, mode="PERIOD_END")
    clock.forward(days=20)
    await run(database, clock)

    period = ["currentPeriodStart", "currentPeriodEnd", "nextBillingAt"]
    assert await events_of(api, sessions, on_basic) == [
        ("SUBSCRIPTION_CREATED", 1, []),
        ("SUBSCRIPTION_CHANGE_SCHEDULED", 2, ["pendingChange"]),
        ("SUBSCRIPTION_CHANGE_WITHDRAWN", 3, ["pendingChange"]),
        ("SUBSCRIPTION_CHANGED", 4, ["plan"]),
        ("SUBSCRIPTION_CHANGE_SCHEDULED", 5, ["pendingChange"]),
        ("SUBSCRIPTION_CHANGED", 6, ["quantity", "pendingChange"]),
        ("SUBSCRIPTION_RENEWED", 7, period),
        ("SUBSCRIPTION_PAST_DUE", 8, ["status"]),
    ]
