"""Moving dates of subscriptions: trials, extensions, cancellations at a given time, and starts."""

import asyncio
from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from services.verify import snapshot, verify
from tests.graph.test_bad_input import NOBODY, a_subscription_that_cannot_renew, everything
from tests.graph.test_previews import BILLED, latest_invoice, preview
from tests.support import Api, TestClock, day, events_settle, read_subscription, refusal, run

pytestmark = pytest.mark.usefixtures("events_name_changes")

DATES = "status trialEnd anchorAt currentPeriodStart currentPeriodEnd nextBillingAt"


async def violations(database: Database) -> list[str]:
    async with snapshot(database) as session:
        return [check.line() for check in await verify(session) if not check.holds]


async def a_trial(api: Api, **fields: Any) -> str:
    """Creates a subscription in a trial of 14 days, to a plan of 30.00 EUR for 30 days."""
    return await api.a_subscription(plan_id=await api.a_plan(amountCents=3000), trialDays=14, **fields)


async def a_period(api: Api) -> str:
    """Creates a subscription to a plan of 30.00 EUR for 30 days."""
    return await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))


async def test_the_end_of_a_trial_moves(api: Api, clock: TestClock, database: Database) -> None:
    subscription_id = await a_trial(api)
    clock.forward(days=1)

    moved = await api.mutate(
        "updateTrial", f"subscription {{ {DATES} }} invoice {{ id }}", id=subscription_id, trialEnd=day(20)
    )

    assert moved == {
        "userErrors": [],
        "invoice": None,
        "subscription": {
            "status": "TRIALING",
            "trialEnd": day(20),
            "anchorAt": day(20),
            "currentPeriodStart": day(0),
            "currentPeriodEnd": day(20),
            "nextBillingAt": day(20),
        },
    }
    clock.forward(days=19)
    assert (await run(database, clock)).invoices == 1
    invoice = await latest_invoice(api, subscription_id)
    assert (invoice["amountCents"], invoice["periodStart"], invoice["periodEnd"]) == (3000, day(20), day(50))
    assert await violations(database) == []


async def test_a_trial_ends_now_with_the_invoice_that_its_preview_shows(
    api: Api, clock: TestClock, sessions: Sessions, database: Database
) -> None:
    subscription_id = await a_trial(api)
    clock.forward(days=2)
    before = await everything(sessions)
    fields = {"id": subscription_id, "endNow": True}

    shown = await preview(api, "previewTrialUpdate", f"invoice {{ {BILLED} }} nextInvoice {{ asOf }}", **fields)
    assert await everything(sessions) == before
    ended = await api.mutate("updateTrial", f"subscription {{ {DATES} }} invoice {{ {BILLED} }}", **fields)

    assert ended["subscription"]["status"] == "ACTIVE"
    assert ended["invoice"]["amountCents"] == 3000
    assert shown == {"invoice": ended["invoice"], "nextInvoice": {"asOf": day(32)}, "userErrors": []}
    assert await violations(database) == []


async def test_a_preview_of_a_moved_trial_shows_its_first_invoice(
    api: Api, database: Database, clock: TestClock
) -> None:
    subscription_id = await a_trial(api)
    fields = {"id": subscription_id, "trialEnd": day(3)}

    shown = await preview(api, "previewTrialUpdate", f"invoice {{ asOf }} nextInvoice {{ asOf {BILLED} }}", **fields)
    await api.mutate("updateTrial", "subscription { id }", **fields)
    clock.forward(days=3)
    await run(database, clock)

    assert shown["invoice"] is None
    assert shown["nextInvoice"] == {"asOf": day(3)} | await latest_invoice(api, subscription_id)


async def test_a_period_is_extended_as_its_preview_shows(
    api: Api, clock: TestClock, sessions: Sessions, database: Database
) -> None:
    subscription_id = await a_period(api)
    clock.forward(days=10)
    before = await everything(sessions)
    fields = {"id": subscription_id, "until": day(37)}

    shown = await preview(api, "previewPeriodExtension", f"nextInvoice {{ asOf {BILLED} }}", **fields)
    assert await everything(sessions) == before
    extended = await api.mutate("extendPeriod", f"subscription {{ {DATES} }}", **fields)

    assert extended["subscription"] == {
        "status": "ACTIVE",
        "trialEnd": None,
        "anchorAt": day(37),
        "currentPeriodStart": day(0),
        "currentPeriodEnd": day(37),
        "nextBillingAt": day(37),
    }
    clock.forward(days=26)
    assert (await run(database, clock)).invoices == 0
    clock.forward(days=1)
    assert (await run(database, clock)).invoices == 1
    invoice = await latest_invoice(api, subscription_id)
    assert (invoice["amountCents"], invoice["periodStart"], invoice["periodEnd"]) == (3000, day(37), day(67))
    assert shown["nextInvoice"] == {"asOf": day(37)} | invoice
    assert await violations(database) == []


async def test_the_invoice_of_an_extended_period_can_be_voided_and_reissued(
    api: Api, clock: TestClock, database: Database
) -> None:
    subscription_id = await a_period(api)
    await api.mutate("extendPeriod", "subscription { id }", id=subscription_id, until=day(37))
    invoice_id = (await read_subscription(api, subscription_id, "latestInvoice { id }"))["latestInvoice"]["id"]

    await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)
    again = await api.mutate("reissueInvoice", f"invoice {{ {BILLED} }}", id=invoice_id)

    assert (again["invoice"]["amountCents"], again["invoice"]["periodEnd"]) == (3000, day(30))
    clock.forward(days=10)
    changed = await api.mutate("changeSubscription", "invoice { amountCents }", id=subscription_id, quantity=2)
    assert changed["invoice"] == {"amountCents": 2000}
    assert await violations(database) == []


async def test_a_new_interval_cuts_an_extended_period(api: Api, clock: TestClock, database: Database) -> None:
    subscription_id = await a_period(api)
    weekly = await api.a_plan(amountCents=700, interval="WEEK")
    await api.mutate("extendPeriod", "subscription { id }", id=subscription_id, until=day(37))
    clock.forward(days=20)

    changed = await api.mutate(
        "changeSubscription",
        f"subscription {{ {DATES} }} invoice {{ lines {{ amountCents }} }}",
        id=subscription_id,
        planId=weekly,
        mode="IMMEDIATE",
    )

    assert changed["invoice"] == {"lines": [{"amountCents": -1000}, {"amountCents": 700}]}
    assert changed["subscription"]["nextBillingAt"] == day(27)
    assert await violations(database) == []


async def test_two_extensions_at_once_are_made_one_after_the_other(api: Api, database: Database) -> None:
    subscription_id = await a_period(api)

    made = await asyncio.gather(
        *(api.mutate("extendPeriod", "subscription { id }", id=subscription_id, until=day(37)) for _ in range(6))
    )

    codes = sorted(refusal(each)[0] for each in made if each["userErrors"])
    assert codes == ["INVALID_INPUT"] * 5
    assert (await read_subscription(api, subscription_id, "version nextBillingAt")) == {
        "version": 2,
        "nextBillingAt": day(37),
    }
    assert await violations(database) == []


async def is_refused(
    api: Api, sessions: Sessions, name: str, fields: dict[str, Any], code: str, field: str | None
) -> None:
    """Asserts that a mutation and its preview are refused alike, and that nothing is stored."""
    shown_by = {
        "updateTrial": "previewTrialUpdate",
        "extendPeriod": "previewPeriodExtension",
        "cancelSubscription": "previewCancellation",
    }
    before = await everything(sessions)
    expected = (code, None if field is None else ["input", field])
    assert refusal(await api.mutate(name, "", **fields)) == expected
    if name in shown_by:
        assert refusal(await preview(api, shown_by[name], "", **fields)) == expected
    assert await everything(sessions) == before


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({}, "INVALID_INPUT", "trialEnd"),
        ({"trialEnd": day(5), "endNow": True}, "INVALID_INPUT", "trialEnd"),
        ({"trialEnd": day(0)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialEnd": day(-1)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialEnd": day(731)}, "TRIAL_INVALID", "trialEnd"),
        ({"endNow": True}, "TRIAL_INVALID", "endNow"),
    ],
    ids=["nothing", "both", "now", "past", "too long", "ends as it starts"],
)
async def test_a_bad_end_of_a_trial_is_refused(
    api: Api, sessions: Sessions, fields: dict[str, Any], code: str, field: str
) -> None:
    await is_refused(api, sessions, "updateTrial", {"id": await a_trial(api), **fields}, code, field)


async def test_only_a_trial_is_updated(api: Api, sessions: Sessions) -> None:
    running, starting = await a_period(api), await a_trial(api, startAt=day(3))
    for subscription_id in (running, starting):
        fields = {"id": subscription_id, "endNow": True}
        await is_refused(api, sessions, "updateTrial", fields, "SUBSCRIPTION_NOT_TRIALING", "id")
    await is_refused(api, sessions, "updateTrial", {"id": NOBODY, "endNow": True}, "SUBSCRIPTION_NOT_FOUND", "id")


@pytest.mark.parametrize("until", [day(30), day(29), day(-1), day(397)], ids=["same", "earlier", "past", "far"])
async def test_a_bad_extension_is_refused(api: Api, sessions: Sessions, until: str) -> None:
    fields = {"id": await a_period(api), "until": until}
    await is_refused(api, sessions, "extendPeriod", fields, "INVALID_INPUT", "until")


async def test_only_a_running_subscription_is_extended(api: Api, sessions: Sessions) -> None:
    canceled = await a_period(api)
    await api.mutate("cancelSubscription", "", id=canceled, atPeriodEnd=False)
    for subscription_id, code in (
        (await a_trial(api), "SUBSCRIPTION_TRIALING"),
        (await a_trial(api, startAt=day(3)), "SUBSCRIPTION_PENDING"),
        (canceled, "SUBSCRIPTION_CANCELED"),
    ):
        await is_refused(api, sessions, "extendPeriod", {"id": subscription_id, "until": day(40)}, code, "id")


async def test_a_period_is_not_extended_while_a_renewal_is_due(
    api: Api, sessions: Sessions, database: Database, clock: TestClock
) -> None:
    subscription_id = await a_subscription_that_cannot_renew(api)
    clock.forward(days=31)
    await run(database, clock)

    fields = {"id": subscription_id, "until": day(40)}
    await is_refused(api, sessions, "extendPeriod", fields, "RENEWAL_DUE", "id")


ENDING = "status cancelAt canceledAt endedAt currentPeriodEnd nextBillingAt"


async def test_a_subscription_is_canceled_at_an_instant(api: Api, clock: TestClock, database: Database) -> None:
    subscription_id = await a_period(api)

    canceled = await api.mutate(
        "cancelSubscription", f"subscription {{ {ENDING} }} invoice {{ id }}", id=subscription_id, at=day(40)
    )

    assert canceled["subscription"] == {
        "status": "ACTIVE",
        "cancelAt": day(40),
        "canceledAt": day(0),
        "endedAt": None,
        "currentPeriodEnd": day(30),
        "nextBillingAt": day(30),
    }
    clock.forward(days=30)
    assert (await run(database, clock)).invoices == 1
    invoice = await latest_invoice(api, subscription_id)
    [line] = invoice["lines"]
    assert (line["kind"], line["amountCents"], line["periodStart"], line["periodEnd"]) == (
        "PRORATION_CHARGE",
        1000,
        day(30),
        day(40),
    )
    assert (invoice["kind"], invoice["periodEnd"]) == ("RECURRING", day(40))
    clock.forward(days=15)
    assert (await run(database, clock)).renewed == 1
    assert await read_subscription(api, subscription_id, ENDING) == canceled["subscription"] | {
        "status": "CANCELED",
        "endedAt": day(40),
        "currentPeriodEnd": day(40),
        "nextBillingAt": None,
    }
    assert await violations(database) == []


@pytest.mark.parametrize("moment", [day(10), day(30), day(40), day(75)], ids=["now", "boundary", "next", "later"])
@pytest.mark.parametrize("settlement", ["NONE", "CREDIT"])
async def test_a_cancellation_bills_what_its_preview_shows(
    api: Api, clock: TestClock, database: Database, sessions: Sessions, moment: str, settlement: str
) -> None:
    subscription_id = await a_period(api)
    await api.mutate("changeSubscription", "", id=subscription_id, quantity=2, mode="NEXT_INVOICE")
    clock.forward(days=5)
    fields = {"id": subscription_id, "at": moment, "settlement": settlement}
    before = await everything(sessions)

    shown = await preview(api, "previewCancellation", f"endsAt invoices {{ asOf {BILLED} }}", **fields)
    assert await everything(sessions) == before
    await api.mutate("cancelSubscription", "", **fields)
    upcoming = await read_subscription(
        api, subscription_id, f"upcomingInvoices(count: 24) {{ asOf {BILLED} }} invoices(first: 1) {{ totalCount }}"
    )
    made = []
    while due := (await read_subscription(api, subscription_id, "nextBillingAt"))["nextBillingAt"]:
        clock.now = clock.now.fromisoformat(due)
        if (await run(database, clock)).invoices:
            made.append({"asOf": due} | await latest_invoice(api, subscription_id))

    assert shown == {"endsAt": moment, "invoices": made, "userErrors": []}
    assert upcoming["upcomingInvoices"] == made
    assert (await read_subscription(api, subscription_id, "endedAt")) == {"endedAt": moment}
    assert await violations(database) == []


async def test_previews_of_other_cancellations(api: Api, clock: TestClock) -> None:
    subscription_id = await a_period(api)
    clock.forward(days=10)

    at_end = await preview(api, "previewCancellation", "endsAt invoices { amountCents }", id=subscription_id)
    now = await preview(
        api,
        "previewCancellation",
        "endsAt invoices { asOf amountCents }",
        id=subscription_id,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    assert at_end == {"endsAt": day(30), "invoices": [], "userErrors": []}
    assert now == {"endsAt": day(10), "invoices": [{"asOf": day(10), "amountCents": -2000}], "userErrors": []}


async def test_a_due_end_at_an_instant_comes_before_a_payment_and_a_new_subscription(
    api: Api, clock: TestClock, database: Database
) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(amountCents=3000)
    first = await api.a_subscription(customer_id, plan_id)
    await api.mutate("cancelSubscription", "", id=first, at=day(40), settlement="CREDIT")
    clock.forward(days=45)

    second = await api.a_subscription(customer_id, plan_id)

    assert await read_subscription(api, first, "status endedAt invoices(first: 9) { totalCount }") == {
        "status": "CANCELED",
        "endedAt": day(40),
        "invoices": {"totalCount": 2},
    }
    assert (await read_subscription(api, second, "status"))["status"] == "ACTIVE"
    assert await violations(database) == []


async def test_an_end_far_behind_lets_an_operation_go_on(api: Api, clock: TestClock, database: Database) -> None:
    customer_id = await api.a_customer()
    plan_id = await api.a_plan(amountCents=100, interval="DAY", intervalCount=1)
    subscription_id = await api.a_subscription(customer_id, plan_id)
    await api.mutate("cancelSubscription", "", id=subscription_id, at=day(500))
    clock.forward(days=600)

    paid = await api.mutate("recordPayment", "payment { id }", customerId=customer_id, amountCents=100, currency="EUR")

    assert paid["userErrors"] == []
    assert await read_subscription(api, subscription_id, "currentPeriodEnd") == {"currentPeriodEnd": day(401)}
    assert await violations(database) == []


async def test_an_instant_is_kept_on_a_test_clock(api: Api, database: Database) -> None:
    made = await api.mutate("createTestClock", "testClock { id }")
    clock_id = made["testClock"]["id"]
    customer_id = await api.a_customer(testClockId=clock_id)
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000))
    await api.mutate("cancelSubscription", "", id=subscription_id, at=day(75), settlement="CREDIT")

    await api.mutate("advanceTestClock", "testClock { id }", id=clock_id, to=day(100))

    found = await read_subscription(
        api, subscription_id, "endedAt invoices(first: 9) { nodes { amountCents issuedAt } }"
    )
    assert found == {
        "endedAt": day(75),
        "invoices": {
            "nodes": [
                {"amountCents": 3000, "issuedAt": day(0)},
                {"amountCents": 3000, "issuedAt": day(30)},
                {"amountCents": 1500, "issuedAt": day(60)},
            ]
        },
    }
    assert await violations(database) == []


async def test_a_cancellation_at_an_instant_is_undone(api: Api, clock: TestClock, database: Database) -> None:
    subscription_id = await a_period(api)
    await api.mutate("cancelSubscription", "", id=subscription_id, at=day(40))
    clock.forward(days=35)

    undone = await api.mutate(
        "undoSubscriptionCancellation", f"subscription {{ anchorAt {ENDING} }}", id=subscription_id
    )

    assert undone["subscription"] == {
        "anchorAt": day(40),
        "status": "PAST_DUE",
        "cancelAt": None,
        "canceledAt": None,
        "endedAt": None,
        "currentPeriodEnd": day(40),
        "nextBillingAt": day(40),
    }
    clock.forward(days=5)
    await run(database, clock)
    invoice = await latest_invoice(api, subscription_id)
    assert (invoice["amountCents"], invoice["periodStart"], invoice["periodEnd"]) == (3000, day(40), day(70))
    assert await violations(database) == []


async def test_the_invoice_of_a_cut_period_can_be_voided_and_reissued(
    api: Api, clock: TestClock, database: Database
) -> None:
    subscription_id = await a_period(api)
    await api.mutate("cancelSubscription", "", id=subscription_id, at=day(40))
    clock.forward(days=31)
    await run(database, clock)
    invoice_id = (await read_subscription(api, subscription_id, "latestInvoice { id }"))["latestInvoice"]["id"]

    await api.mutate("voidInvoice", "", id=invoice_id)
    clock.forward(days=20)
    again = await api.mutate("reissueInvoice", "invoice { amountCents periodEnd }", id=invoice_id)

    assert again["invoice"] == {"amountCents": 1000, "periodEnd": day(40)}
    assert await violations(database) == []


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"at": day(0)}, "INVALID_INPUT", "at"),
        ({"at": day(-1)}, "INVALID_INPUT", "at"),
        ({"at": day(3661)}, "INVALID_INPUT", "at"),
        ({"at": day(3), "atPeriodEnd": False}, "INVALID_INPUT", "at"),
        ({"settlement": "CREDIT"}, "INVALID_INPUT", "settlement"),
    ],
    ids=["now", "past", "far", "immediate", "credit at the end"],
)
async def test_a_bad_cancellation_is_refused(
    api: Api, sessions: Sessions, fields: dict[str, Any], code: str, field: str
) -> None:
    await is_refused(api, sessions, "cancelSubscription", {"id": await a_period(api), **fields}, code, field)


async def test_a_pending_subscription_is_not_canceled_at_an_instant(api: Api, sessions: Sessions) -> None:
    fields = {"id": await a_trial(api, startAt=day(3)), "at": day(9)}
    await is_refused(api, sessions, "cancelSubscription", fields, "SUBSCRIPTION_PENDING", "id")


async def test_nothing_goes_beyond_a_cancellation_at_an_instant(api: Api, sessions: Sessions) -> None:
    subscription_id, in_trial = await a_period(api), await a_trial(api)
    weekly = await api.a_plan(amountCents=700, interval="WEEK")
    for each in (subscription_id, in_trial):
        await api.mutate("cancelSubscription", "", id=each, at=day(33))
    for name, fields, field in (
        ("cancelSubscription", {"id": subscription_id}, "id"),
        ("cancelSubscription", {"id": subscription_id, "at": day(50)}, "id"),
        ("extendPeriod", {"id": subscription_id, "until": day(34)}, "until"),
        ("updateTrial", {"id": in_trial, "trialEnd": day(34)}, "trialEnd"),
        ("updateTrial", {"id": in_trial, "endNow": True}, None),
        ("changeSubscription", {"id": subscription_id, "planId": weekly, "mode": "IMMEDIATE"}, "id"),
        ("changeSubscription", {"id": subscription_id, "quantity": 3, "mode": "PERIOD_END"}, "id"),
    ):
        await is_refused(api, sessions, name, fields, "CANCELLATION_ALREADY_SCHEDULED", field or "id")


async def test_a_cancellation_at_an_instant_waits_for_due_renewals(
    api: Api, sessions: Sessions, database: Database, clock: TestClock
) -> None:
    subscription_id = await a_subscription_that_cannot_renew(api)
    clock.forward(days=31)
    await run(database, clock)

    fields = {"id": subscription_id, "at": day(40)}
    await is_refused(api, sessions, "cancelSubscription", fields, "RENEWAL_DUE", "id")


async def test_renewals_and_cancellations_at_once(api: Api, database: Database, clock: TestClock) -> None:
    plan_id = await api.a_plan(amountCents=3000)
    ids = [await api.a_subscription(plan_id=plan_id) for _ in range(8)]
    for each in ids:
        await api.mutate("cancelSubscription", "", id=each, at=day(40), settlement="CREDIT")
    clock.forward(days=30)

    await asyncio.gather(
        run(database, clock), *(api.mutate("cancelSubscription", "", id=each, atPeriodEnd=False) for each in ids)
    )
    await run(database, clock)

    for each in ids:
        found = await read_subscription(
            api, each, "status endedAt cancelAt invoices(first: 9) { nodes { amountCents } }"
        )
        assert found == {
            "status": "CANCELED",
            "endedAt": day(30),
            "cancelAt": None,
            "invoices": {"nodes": [{"amountCents": 3000}, {"amountCents": 1000}]},
        }
    assert await violations(database) == []


async def test_a_start_moves_with_its_trial(api: Api, clock: TestClock, database: Database) -> None:
    subscription_id = await a_trial(api, startAt=day(5))

    moved = await api.mutate(
        "updateSubscription",
        "subscription { status trialStart trialEnd anchorAt nextBillingAt } invoice { id }",
        id=subscription_id,
        startAt=day(2),
    )

    assert moved["subscription"] == {
        "status": "PENDING",
        "trialStart": day(2),
        "trialEnd": day(16),
        "anchorAt": day(16),
        "nextBillingAt": day(2),
    }
    assert moved["invoice"] is None
    clock.forward(days=16)
    await run(database, clock)
    await run(database, clock)
    invoice = await latest_invoice(api, subscription_id)
    assert (invoice["amountCents"], invoice["periodStart"], invoice["periodEnd"]) == (3000, day(16), day(46))
    assert await violations(database) == []


@pytest.mark.parametrize("start", [0, -60 / 86_400], ids=["now", "a minute ago"])
async def test_a_start_moved_to_now_starts_at_once_as_its_preview_shows(
    api: Api, clock: TestClock, database: Database, sessions: Sessions, start: float
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000), startAt=day(5))
    fields = {"id": subscription_id, "startAt": day(start)}
    before = await everything(sessions)

    shown = await preview(api, "previewSubscriptionUpdate", f"invoice {{ {BILLED} }}", **fields)
    assert await everything(sessions) == before
    started = await api.mutate("updateSubscription", f"subscription {{ {DATES} }} invoice {{ {BILLED} }}", **fields)

    assert started["subscription"] == {
        "status": "ACTIVE",
        "trialEnd": None,
        "anchorAt": day(0),
        "currentPeriodStart": day(0),
        "currentPeriodEnd": day(30),
        "nextBillingAt": day(30),
    }
    assert started["invoice"]["amountCents"] == 3000
    assert shown == {"invoice": started["invoice"], "userErrors": []}
    assert await violations(database) == []


async def test_a_preview_of_a_later_start_shows_its_first_invoice(
    api: Api, clock: TestClock, database: Database
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000), startAt=day(5))
    fields = {"id": subscription_id, "startAt": day(8)}

    shown = await preview(api, "previewSubscriptionUpdate", f"invoice {{ asOf {BILLED} }}", **fields)
    await api.mutate("updateSubscription", "", **fields)
    clock.forward(days=8)
    await run(database, clock)

    assert shown["invoice"] == {"asOf": day(8)} | await latest_invoice(api, subscription_id)


async def test_metadata_is_replaced_in_any_status(api: Api, database: Database) -> None:
    subscription_id = await a_period(api)
    await api.mutate("cancelSubscription", "", id=subscription_id, atPeriodEnd=False)
    fields = {"id": subscription_id, "metadata": [{"key": "tier", "value": "gold"}]}
    selection = "subscription { version metadata { key value } }"

    updated = await api.mutate("updateSubscription", selection, **fields)
    same = await api.mutate("updateSubscription", selection, **fields)
    removed = await api.mutate("updateSubscription", selection, id=subscription_id, metadata=None)

    assert updated["subscription"] == {"version": 3, "metadata": [{"key": "tier", "value": "gold"}]}
    assert same == updated
    assert removed["subscription"] == {"version": 4, "metadata": []}
    await events_settle(database)
    events = await api(
        "query ($id: ID!) { events(filter: {objectId: $id}) { nodes { type changes } } }", id=subscription_id
    )
    assert events["events"]["nodes"][2:] == [{"type": "SUBSCRIPTION_UPDATED", "changes": ["metadata"]}] * 2
    assert await violations(database) == []


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"startAt": day(-1)}, "START_IN_THE_PAST", "startAt"),
        ({"startAt": day(3661)}, "INVALID_INPUT", "startAt"),
        ({"startAt": day(1), "metadata": [{"key": "", "value": ""}]}, "INVALID_INPUT", "metadata"),
    ],
    ids=["past", "far", "metadata"],
)
async def test_a_bad_update_is_refused(
    api: Api, sessions: Sessions, fields: dict[str, Any], code: str, field: str
) -> None:
    subscription_id = await a_trial(api, startAt=day(3))
    await is_refused(api, sessions, "updateSubscription", {"id": subscription_id, **fields}, code, field)


async def test_only_a_pending_subscription_has_a_start_to_move(api: Api, sessions: Sessions) -> None:
    running, canceled = await a_period(api), await a_period(api)
    await api.mutate("cancelSubscription", "", id=canceled, atPeriodEnd=False)
    for subscription_id, code, field in (
        (running, "SUBSCRIPTION_STARTED", "startAt"),
        (canceled, "SUBSCRIPTION_CANCELED", "id"),
        (NOBODY, "SUBSCRIPTION_NOT_FOUND", "id"),
    ):
        fields = {"id": subscription_id, "startAt": day(2)}
        await is_refused(api, sessions, "updateSubscription", fields, code, field)
        assert refusal(await preview(api, "previewSubscriptionUpdate", "", **fields)) == (code, ["input", field])


async def test_metadata_of_an_ended_subscription_changes_beside_a_live_one(api: Api, database: Database) -> None:
    customer_id = await api.a_customer()
    ended = await api.a_subscription(customer_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=ended, atPeriodEnd=False)
    await api.a_subscription(customer_id)

    await api.mutate(
        "updateSubscription", "subscription { id }", id=ended, metadata=[{"key": "reason", "value": "price"}]
    )

    assert await violations(database) == []
    found = await api("{ customers(filter: {subscriptionStatus: [ACTIVE]}) { nodes { id } } }")
    assert found["customers"]["nodes"] == [{"id": customer_id}]
