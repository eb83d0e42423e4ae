"""Moving dates of subscriptions: trials, extensions, cancellations at an instant, and starts."""

import asyncio
from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from services.verify import snapshot, verify
from tests.graph.test_bad_input import NOBODY, a_subscription_that_cannot_renew, everything
from tests.graph.test_previews import BILLED, latest_invoice, preview
from tests.support import Api, TestClock, day, read_subscription, refusal, run

pytestmark = pytest.mark.usefixtures("events_tell_changes")

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
