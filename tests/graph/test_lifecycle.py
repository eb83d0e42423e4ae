"""The life of a subscription: its five statuses and every transition between them."""

from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from services.runs import Report
from tests.graph.test_bad_input import everything
from tests.support import Api, TestClock, day, read_subscription, refusal, run

pytestmark = pytest.mark.usefixtures("events_name_changes")

TERM = "status startedAt currentPeriodStart currentPeriodEnd trialStart trialEnd nextBillingAt endedAt"
ENDING = "status cancelAtPeriodEnd canceledAt endedAt nextBillingAt"
INVOICE = "kind status amountCents amountDueCents periodStart periodEnd issuedAt lines { kind description amountCents }"


async def invoices(api: Api, subscription_id: str, selection: str) -> Any:
    return (await read_subscription(api, subscription_id, f"invoices {{ nodes {{ {selection} }} }}"))["invoices"][
        "nodes"
    ]


@pytest.mark.parametrize(
    ("of_plan", "of_subscription"),
    [
        pytest.param({"trialDays": 14}, {}, id="the plan's days"),
        pytest.param({}, {"trialDays": 14}, id="days of its own"),
        pytest.param({}, {"trialEnd": day(14)}, id="an end of its own"),
        pytest.param({"trialDays": 7}, {"trialDays": 14}, id="its own days before the plan's"),
        pytest.param({"trialDays": 7}, {"trialEnd": day(14)}, id="its own end before the plan's days"),
    ],
)
async def test_a_trial_costs_nothing_and_the_first_period_begins_when_it_ends(
    api: Api, database: Database, clock: TestClock, of_plan: dict[str, Any], of_subscription: dict[str, Any]
) -> None:
    plan_id = await api.a_plan(amountCents=3000, **of_plan)

    created = await api.mutate(
        "createSubscription",
        f"subscription {{ id {TERM} }} invoice {{ {INVOICE} }}",
        customerId=await api.a_customer(),
        planId=plan_id,
        **of_subscription,
    )
    subscription_id = created["subscription"].pop("id")
    clock.forward(days=14)
    await run(database, clock)

    trial = {"startedAt": day(0), "trialStart": day(0), "trialEnd": day(14), "endedAt": None}
    assert created["subscription"] == trial | {
        "status": "TRIALING",
        "currentPeriodStart": day(0),
        "currentPeriodEnd": day(14),
        "nextBillingAt": day(14),
    }
    assert created["invoice"] == {
        "kind": "RECURRING",
        "status": "PAID",
        "amountCents": 0,
        "amountDueCents": 0,
        "periodStart": day(0),
        "periodEnd": day(14),
        "issuedAt": day(0),
        "lines": [{"kind": "TRIAL", "description": "Trial of Pro", "amountCents": 0}],
    }
    assert await read_subscription(api, subscription_id, TERM) == trial | {
        "status": "ACTIVE",
        "currentPeriodStart": day(14),
        "currentPeriodEnd": day(44),
        "nextBillingAt": day(44),
    }
    _, first = await invoices(api, subscription_id, INVOICE)
    assert first == {
        "kind": "RECURRING",
        "status": "OPEN",
        "amountCents": 3000,
        "amountDueCents": 3000,
        "periodStart": day(14),
        "periodEnd": day(44),
        "issuedAt": day(14),
        "lines": [{"kind": "RECURRING", "description": "Pro", "amountCents": 3000}],
    }


async def test_no_days_of_trial_take_the_place_of_the_plans(api: Api) -> None:
    created = await api.mutate(
        "createSubscription",
        "subscription { status trialEnd } invoice { amountCents }",
        customerId=await api.a_customer(),
        planId=await api.a_plan(amountCents=3000, trialDays=14),
        trialDays=0,
    )

    assert created == {
        "subscription": {"status": "ACTIVE", "trialEnd": None},
        "invoice": {"amountCents": 3000},
        "userErrors": [],
    }


async def test_there_is_one_trial_for_each_customer_and_plan(api: Api, sessions: Sessions) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(amountCents=3000, trialDays=14)
    first = await api.a_subscription(customer_id, plan_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=first, atPeriodEnd=False)
    before = await everything(sessions)

    again = {"customerId": customer_id, "planId": plan_id}
    days = await api.mutate("createSubscription", "subscription { id }", **again, trialDays=1)
    end = await api.mutate("createSubscription", "subscription { id }", **again, trialEnd=day(1))
    after_refusals = await everything(sessions)
    by_default = await api.mutate(
        "createSubscription", "subscription { id status trialEnd } invoice { amountCents }", **again
    )
    await api.mutate(
        "cancelSubscription", "subscription { id }", id=by_default["subscription"].pop("id"), atPeriodEnd=False
    )
    elsewhere = await api.mutate(
        "createSubscription",
        "subscription { status }",
        customerId=customer_id,
        planId=await api.a_plan(trialDays=14),
    )

    assert refusal(days) == ("TRIAL_ALREADY_USED", ["input", "trialDays"])
    assert refusal(end) == ("TRIAL_ALREADY_USED", ["input", "trialEnd"])
    assert after_refusals == before
    assert by_default["subscription"] == {"status": "ACTIVE", "trialEnd": None}
    assert by_default["invoice"] == {"amountCents": 3000}
    assert elsewhere["subscription"] == {"status": "TRIALING"}


async def test_a_plan_that_was_had_without_a_trial_may_be_tried(api: Api) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(trialDays=14)
    without = await api.a_subscription(customer_id, plan_id, trialDays=0)
    await api.mutate("cancelSubscription", "subscription { id }", id=without, atPeriodEnd=False)
    # Another customer's trial does not count.
    await api.a_subscription(plan_id=plan_id)

    created = await api.mutate("createSubscription", "subscription { status }", customerId=customer_id, planId=plan_id)

    assert created == {"subscription": {"status": "TRIALING"}, "userErrors": []}


async def test_a_subscription_that_begins_later_is_billed_when_it_begins(
    api: Api, database: Database, clock: TestClock
) -> None:
    created = await api.mutate(
        "createSubscription",
        f"subscription {{ id {TERM} }} invoice {{ id }}",
        customerId=await api.a_customer(),
        planId=await api.a_plan(amountCents=3000),
        startAt=day(10),
    )
    subscription_id = created["subscription"].pop("id")
    clock.forward(days=10, seconds=-1)
    too_early = await run(database, clock)
    clock.forward(days=1, seconds=1)
    a_day_late = await run(database, clock)

    assert created["subscription"] == {
        "status": "PENDING",
        "startedAt": None,
        "currentPeriodStart": None,
        "currentPeriodEnd": None,
        "trialStart": None,
        "trialEnd": None,
        "nextBillingAt": day(10),
        "endedAt": None,
    }
    assert created["invoice"] is None
    assert (too_early, a_day_late) == (Report(), Report(renewed=1, invoices=1))
    assert await read_subscription(api, subscription_id, TERM) == {
        "status": "ACTIVE",
        "startedAt": day(10),
        "currentPeriodStart": day(10),
        "currentPeriodEnd": day(40),
        "trialStart": None,
        "trialEnd": None,
        "nextBillingAt": day(40),
        "endedAt": None,
    }
    assert await invoices(api, subscription_id, "amountCents issuedAt periodStart periodEnd") == [
        {"amountCents": 3000, "issuedAt": day(11), "periodStart": day(10), "periodEnd": day(40)}
    ]


async def test_a_trial_that_begins_later_lasts_its_days_from_there(
    api: Api, database: Database, clock: TestClock
) -> None:
    plan_id = await api.a_plan(trialDays=7)
    subscription_id = await api.a_subscription(plan_id=plan_id, startAt=day(10))

    pending = await read_subscription(api, subscription_id, "status trialStart trialEnd nextBillingAt")
    clock.forward(days=10)
    await run(database, clock)
    trialing = await read_subscription(api, subscription_id, "status trialStart trialEnd nextBillingAt")
    clock.forward(days=7)
    await run(database, clock)
    active = await read_subscription(api, subscription_id, "status trialStart trialEnd nextBillingAt")

    trial = {"trialStart": day(10), "trialEnd": day(17)}
    assert pending == {"status": "PENDING", "nextBillingAt": day(10)} | trial
    assert trialing == {"status": "TRIALING", "nextBillingAt": day(17)} | trial
    assert active == {"status": "ACTIVE", "nextBillingAt": day(47)} | trial


@pytest.mark.parametrize("how", [{}, {"atPeriodEnd": False}, {"atPeriodEnd": False, "settlement": "CREDIT"}])
async def test_what_has_not_begun_is_canceled_at_once_whichever_way_it_is_asked_for(
    api: Api, database: Database, clock: TestClock, how: dict[str, Any]
) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    subscription_id = await api.a_subscription(customer_id, plan_id, startAt=day(10))
    clock.forward(days=1)

    canceled = await api.mutate(
        "cancelSubscription", f"subscription {{ {ENDING} startedAt }} invoice {{ id }}", id=subscription_id, **how
    )
    another = await api.a_subscription(customer_id, plan_id)
    clock.forward(days=9)

    assert canceled["subscription"] == {
        "status": "CANCELED",
        "cancelAtPeriodEnd": False,
        "canceledAt": day(1),
        "endedAt": day(1),
        "nextBillingAt": None,
        "startedAt": None,
    }
    assert canceled["invoice"] is None
    assert await run(database, clock) == Report()
    assert await invoices(api, subscription_id, "id") == []
    assert len(await invoices(api, another, "id")) == 1


async def test_what_is_canceled_at_once_without_settlement_stays_owed(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    clock.forward(days=10)

    canceled = await api.mutate(
        "cancelSubscription", f"subscription {{ {ENDING} }} invoice {{ id }}", id=subscription_id, atPeriodEnd=False
    )

    assert canceled["subscription"] == {
        "status": "CANCELED",
        "cancelAtPeriodEnd": False,
        "canceledAt": day(10),
        "endedAt": day(10),
        "nextBillingAt": None,
    }
    assert canceled["invoice"] is None
    assert await invoices(api, subscription_id, "status amountDueCents") == [{"status": "OPEN", "amountDueCents": 3000}]


async def test_the_unused_rest_is_given_back_on_what_is_owed(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    clock.forward(days=10)

    canceled = await api.mutate(
        "cancelSubscription",
        f"""invoice {{ {INVOICE} lines {{ periodStart periodEnd reverses {{ invoice {{ kind }} }} }} }}""",
        id=subscription_id,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    assert canceled["invoice"] == {
        "kind": "PRORATION",
        "status": "PAID",
        "amountCents": -2000,
        "amountDueCents": 0,
        "periodStart": day(10),
        "periodEnd": day(30),
        "issuedAt": day(10),
        "lines": [
            {
                "kind": "PRORATION_CREDIT",
                "description": "Unused time on Pro",
                "amountCents": -2000,
                "periodStart": day(10),
                "periodEnd": day(30),
                "reverses": {"invoice": {"kind": "RECURRING"}},
            }
        ],
    }
    selection = "status amountDueCents allocations { kind amountCents }"
    first, last = await invoices(api, subscription_id, selection)
    assert first == {
        "status": "OPEN",
        "amountDueCents": 1000,
        "allocations": [{"kind": "CREDIT", "amountCents": 2000}],
    }
    assert last == {"status": "PAID", "amountDueCents": 0, "allocations": []}


async def test_the_unused_rest_of_what_is_paid_becomes_balance(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000))
    await api.mutate("recordPayment", "payment { id }", customerId=customer_id, amountCents=3000, currency="EUR")
    clock.forward(days=10)

    canceled = await api.mutate(
        "cancelSubscription",
        "invoice { customer { balanceCents ledger { nodes { kind amountCents } } } }",
        id=subscription_id,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    assert canceled["invoice"]["customer"] == {
        "balanceCents": 2000,
        "ledger": {"nodes": [{"kind": "INVOICE_CREDIT", "amountCents": 2000}]},
    }


async def test_a_cancellation_at_the_periods_end_takes_effect_there_however_late_it_is_seen(
    api: Api, database: Database, clock: TestClock
) -> None:
    subscription_id = await api.a_subscription()
    clock.forward(days=10)
    scheduled = await api.mutate(
        "cancelSubscription", f"subscription {{ {ENDING} }} invoice {{ id }}", id=subscription_id
    )
    clock.forward(days=21)
    report = await run(database, clock)

    asked = {"canceledAt": day(10)}
    assert scheduled["subscription"] == asked | {
        "status": "ACTIVE",
        "cancelAtPeriodEnd": True,
        "endedAt": None,
        "nextBillingAt": day(30),
    }
    assert scheduled["invoice"] is None
    assert report == Report(renewed=1)
    assert await read_subscription(api, subscription_id, ENDING) == asked | {
        "status": "CANCELED",
        "cancelAtPeriodEnd": True,
        "endedAt": day(30),
        "nextBillingAt": None,
    }
    assert len(await invoices(api, subscription_id, "id")) == 1


async def test_a_subscription_whose_cancellation_was_taken_back_renews(
    api: Api, database: Database, clock: TestClock
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(netDays=30))
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id)
    clock.forward(days=30, seconds=-1)

    undone = await api.mutate("undoSubscriptionCancellation", f"subscription {{ {ENDING} }}", id=subscription_id)
    clock.forward(seconds=1)
    report = await run(database, clock)

    assert undone["subscription"] == {
        "status": "ACTIVE",
        "cancelAtPeriodEnd": False,
        "canceledAt": None,
        "endedAt": None,
        "nextBillingAt": day(30),
    }
    assert report == Report(renewed=1, invoices=1)


async def test_a_cancellation_at_once_overtakes_one_at_the_periods_end(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id)
    clock.forward(days=1)

    canceled = await api.mutate(
        "cancelSubscription", f"subscription {{ {ENDING} }}", id=subscription_id, atPeriodEnd=False
    )

    assert canceled["subscription"] == {
        "status": "CANCELED",
        "cancelAtPeriodEnd": False,
        "canceledAt": day(1),
        "endedAt": day(1),
        "nextBillingAt": None,
    }


async def test_a_trial_that_is_canceled_ends_unbilled_with_its_period_or_at_once(
    api: Api, database: Database, clock: TestClock
) -> None:
    plan_id = await api.a_plan(trialDays=14)
    lasting, stopped = await api.a_subscription(plan_id=plan_id), await api.a_subscription(plan_id=plan_id)
    clock.forward(days=1)

    await api.mutate("cancelSubscription", "subscription { id }", id=lasting)
    at_once = await api.mutate(
        "cancelSubscription",
        "subscription { status endedAt } invoice { id }",
        id=stopped,
        atPeriodEnd=False,
        settlement="CREDIT",
    )
    still = await read_subscription(api, lasting, "status nextBillingAt")
    clock.forward(days=13)
    report = await run(database, clock)

    assert at_once == {"subscription": {"status": "CANCELED", "endedAt": day(1)}, "invoice": None, "userErrors": []}
    assert still == {"status": "TRIALING", "nextBillingAt": day(14)}
    assert report == Report(renewed=1)
    assert await read_subscription(api, lasting, "status endedAt") == {"status": "CANCELED", "endedAt": day(14)}
    for subscription_id in (lasting, stopped):
        assert await invoices(api, subscription_id, "amountCents") == [{"amountCents": 0}]


async def overdue(api: Api, database: Database, clock: TestClock) -> tuple[str, str, str]:
    """Creates a subscription with an overdue invoice. Returns the ids of customer, subscription and invoice."""
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000))
    clock.forward(days=14, hours=12)
    assert await run(database, clock) == Report(past_due=1)
    [invoice] = await invoices(api, subscription_id, "id")
    return customer_id, subscription_id, invoice["id"]


async def test_a_subscription_is_past_due_once_the_day_is_over_on_which_an_invoice_was_due(
    api: Api, database: Database, clock: TestClock
) -> None:
    subscription_id = await api.a_subscription()

    clock.forward(days=14, hours=11, minutes=59, seconds=59)
    in_the_evening = await run(database, clock), (await read_subscription(api, subscription_id, "status"))["status"]
    clock.forward(seconds=1)
    at_midnight = await run(database, clock), (await read_subscription(api, subscription_id, "status"))["status"]

    assert in_the_evening == (Report(), "ACTIVE")
    assert at_midnight == (Report(past_due=1), "PAST_DUE")


@pytest.mark.parametrize("way", ["recordPayment", "voidInvoice", "markInvoiceUncollectible"])
async def test_a_subscription_recovers_when_nothing_is_overdue_any_more(
    api: Api, database: Database, clock: TestClock, way: str
) -> None:
    customer_id, subscription_id, invoice_id = await overdue(api, database, clock)
    paying = {"customerId": customer_id, "amountCents": 3000, "currency": "EUR"}

    payload = await api.mutate(way, "__typename", **(paying if way == "recordPayment" else {"id": invoice_id}))

    assert payload["userErrors"] == []
    assert await read_subscription(api, subscription_id, "status nextBillingAt version") == {
        "status": "ACTIVE",
        "nextBillingAt": day(30),
        "version": 3,
    }


async def test_a_subscription_stays_past_due_until_the_last_overdue_invoice_is_paid(
    api: Api, database: Database, clock: TestClock
) -> None:
    customer_id, subscription_id, _ = await overdue(api, database, clock)
    clock.forward(days=16)
    renewed = await run(database, clock)
    clock.forward(days=15)

    statuses = []
    for amount in (2999, 1, 3000):
        await api.mutate("recordPayment", "payment { id }", customerId=customer_id, amountCents=amount, currency="EUR")
        statuses.append((await read_subscription(api, subscription_id, "status"))["status"])

    assert renewed == Report(renewed=1, invoices=1)
    assert statuses == ["PAST_DUE", "PAST_DUE", "ACTIVE"]


async def test_what_is_owed_after_the_end_or_outside_the_subscription_makes_nothing_past_due(
    api: Api, database: Database, clock: TestClock
) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(amountCents=3000)
    ended = await api.a_subscription(customer_id, plan_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=ended, atPeriodEnd=False)
    trialing = await api.a_subscription(customer_id, plan_id, trialDays=100)
    clock.forward(days=30)

    assert await run(database, clock) == Report()
    assert await read_subscription(api, ended, "status") == {"status": "CANCELED"}
    assert await read_subscription(api, trialing, "status") == {"status": "TRIALING"}


async def test_a_past_due_subscription_is_canceled_at_its_periods_end(
    api: Api, database: Database, clock: TestClock
) -> None:
    _, subscription_id, _ = await overdue(api, database, clock)

    scheduled = await api.mutate("cancelSubscription", "subscription { status }", id=subscription_id)
    clock.forward(days=16)
    await run(database, clock)

    assert scheduled["subscription"] == {"status": "PAST_DUE"}
    assert await read_subscription(api, subscription_id, "status endedAt") == {"status": "CANCELED", "endedAt": day(30)}


async def test_a_period_that_nobody_billed_yet_is_billed_before_a_cancellation(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    clock.forward(days=31)

    canceled = await api.mutate(
        "cancelSubscription",
        "subscription { status endedAt currentPeriodStart }",
        id=subscription_id,
        atPeriodEnd=False,
    )

    assert canceled["subscription"] == {"status": "CANCELED", "endedAt": day(31), "currentPeriodStart": day(30)}
    assert await invoices(api, subscription_id, "periodStart issuedAt") == [
        {"periodStart": day(0), "issuedAt": day(0)},
        {"periodStart": day(30), "issuedAt": day(31)},
    ]


@pytest.mark.parametrize("at_period_end", [True, False])
async def test_before_a_cancellation_all_that_was_missed_is_billed(
    api: Api, sessions: Sessions, clock: TestClock, at_period_end: bool
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(intervalCount=1))
    clock.forward(days=15)

    canceled = await api.mutate(
        "cancelSubscription",
        "subscription { status currentPeriodStart invoices { totalCount } }",
        id=subscription_id,
        atPeriodEnd=at_period_end,
    )

    assert canceled["subscription"] == {
        "status": "PAST_DUE" if at_period_end else "CANCELED",
        "currentPeriodStart": "2026-02-15T12:00:00Z",
        "invoices": {"totalCount": 16},
    }


async def test_at_the_periods_end_a_cancellation_wins_over_a_change(
    api: Api, database: Database, clock: TestClock
) -> None:
    subscription_id = await api.a_subscription(quantity=2)
    await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, quantity=1)
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id)
    clock.forward(days=30)

    assert await run(database, clock) == Report(renewed=1)
    assert await read_subscription(api, subscription_id, "status quantity pendingChange { quantity }") == {
        "status": "CANCELED",
        "quantity": 2,
        "pendingChange": None,
    }


async def test_an_illegal_step_is_refused_and_changes_nothing(api: Api, sessions: Sessions) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    pending = await api.a_subscription(plan_id=plan_id, startAt=day(1))
    active = await api.a_subscription(customer_id, plan_id)
    ending = await api.a_subscription(plan_id=plan_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=ending)
    canceled = await api.a_subscription(plan_id=plan_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=canceled, atPeriodEnd=False)
    before = await everything(sessions)

    id_, settlement = ["input", "id"], ["input", "settlement"]
    for name, fields, refused in (
        ("changeSubscription", {"id": pending, "quantity": 2}, ("SUBSCRIPTION_PENDING", id_)),
        ("withdrawSubscriptionChange", {"id": pending}, ("CHANGE_NOT_SCHEDULED", id_)),
        ("undoSubscriptionCancellation", {"id": pending}, ("CANCELLATION_NOT_SCHEDULED", id_)),
        ("cancelSubscription", {"id": pending, "settlement": "CREDIT"}, ("INVALID_INPUT", settlement)),
        ("changeSubscription", {"id": active}, ("SUBSCRIPTION_UNCHANGED", None)),
        ("changeSubscription", {"id": active, "planId": plan_id, "quantity": 1}, ("SUBSCRIPTION_UNCHANGED", None)),
        ("withdrawSubscriptionChange", {"id": active}, ("CHANGE_NOT_SCHEDULED", id_)),
        ("undoSubscriptionCancellation", {"id": active}, ("CANCELLATION_NOT_SCHEDULED", id_)),
        ("cancelSubscription", {"id": active, "settlement": "CREDIT"}, ("INVALID_INPUT", settlement)),
        (
            "createSubscription",
            {"customerId": customer_id, "planId": plan_id},
            ("CUSTOMER_ALREADY_SUBSCRIBED", ["input", "customerId"]),
        ),
        ("archiveCustomer", {"id": customer_id}, ("CUSTOMER_HAS_LIVE_SUBSCRIPTION", id_)),
        ("cancelSubscription", {"id": ending}, ("CANCELLATION_ALREADY_SCHEDULED", id_)),
        ("changeSubscription", {"id": canceled, "quantity": 2}, ("SUBSCRIPTION_CANCELED", id_)),
        ("withdrawSubscriptionChange", {"id": canceled}, ("SUBSCRIPTION_CANCELED", id_)),
        ("undoSubscriptionCancellation", {"id": canceled}, ("SUBSCRIPTION_CANCELED", id_)),
        ("cancelSubscription", {"id": canceled}, ("SUBSCRIPTION_CANCELED", id_)),
        ("cancelSubscription", {"id": canceled, "atPeriodEnd": False}, ("SUBSCRIPTION_CANCELED", id_)),
    ):
        assert refusal(await api.mutate(name, "__typename", **fields)) == refused, (name, fields)
    assert await everything(sessions) == before
