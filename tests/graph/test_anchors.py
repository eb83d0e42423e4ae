"""Billing anchors through the API."""

from typing import Any

import pytest

from db.access.transactions import Sessions
from db.database import Database
from services.verify import snapshot, verify
from tests.graph.test_bad_input import everything
from tests.graph.test_previews import BILLED, preview
from tests.support import Api, TestClock, refusal, run

pytestmark = pytest.mark.usefixtures("events_name_changes")

LINES = "invoice { kind amountCents periodStart periodEnd lines { kind amountCents periodStart periodEnd } }"
DATES = "subscription { status anchorAt currentPeriodStart currentPeriodEnd nextBillingAt }"


async def violations(database: Database) -> list[str]:
    async with snapshot(database) as session:
        return [check.line() for check in await verify(session) if not check.holds]


async def on_a_clock(api: Api, at: str, **plan: Any) -> dict[str, str]:
    """Creates a test clock at an instant, a customer on it, and a plan of 30.00 EUR a month unless `plan` differs."""
    made = await api.mutate("createTestClock", "testClock { id }", frozenAt=at)
    clock_id = made["testClock"]["id"]
    customer_id = await api.a_customer(testClockId=clock_id)
    plan_id = await api.a_plan(**{"amountCents": 3000, "interval": "MONTH"} | plan)
    return {"clock": clock_id, "customerId": customer_id, "planId": plan_id}


async def test_the_first_period_ends_at_the_anchor(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2027-04-21T00:00:00Z")
    clock = made.pop("clock")

    shown = await preview(api, "previewSubscription", LINES, **made, billingAnchor={"dayOfMonth": 1})
    subscribed = await api.mutate(
        "createSubscription", f"subscription {{ id }} {LINES} {DATES}", **made, billingAnchor={"dayOfMonth": 1}
    )

    assert subscribed["invoice"] == {
        "kind": "RECURRING",
        "amountCents": 1000,
        "periodStart": "2027-04-21T00:00:00Z",
        "periodEnd": "2027-05-01T00:00:00Z",
        "lines": [
            {
                "kind": "PRORATION_CHARGE",
                "amountCents": 1000,
                "periodStart": "2027-04-21T00:00:00Z",
                "periodEnd": "2027-05-01T00:00:00Z",
            }
        ],
    }
    assert shown["invoice"] == subscribed["invoice"]
    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2027-06-15T00:00:00Z")
    query = "query ($id: ID!) { subscription(id: $id) { invoices { nodes { amountCents periodEnd } } } }"
    found = await api(query, id=subscribed["subscription"]["id"])
    assert found["subscription"]["invoices"]["nodes"] == [
        {"amountCents": 1000, "periodEnd": "2027-05-01T00:00:00Z"},
        {"amountCents": 3000, "periodEnd": "2027-06-01T00:00:00Z"},
        {"amountCents": 3000, "periodEnd": "2027-07-01T00:00:00Z"},
    ]
    assert await violations(database) == []


@pytest.mark.parametrize(
    ("plan", "anchor", "end"),
    [
        ({"interval": "WEEK"}, {"dayOfWeek": "MONDAY", "time": "06:30"}, "2027-04-26T06:30:00Z"),
        ({"interval": "WEEK"}, {"dayOfWeek": "SUNDAY"}, "2027-04-25T00:00:00Z"),
        ({"interval": "YEAR"}, {"dayOfMonth": 31, "month": 1, "time": "23:59:59"}, "2028-01-31T23:59:59Z"),
        ({"interval": "DAY", "intervalCount": 14}, {"dayOfWeek": "THURSDAY"}, "2027-04-22T00:00:00Z"),
    ],
)
async def test_anchors_of_other_intervals(
    api: Api, plan: dict[str, Any], anchor: dict[str, Any], end: str, database: Database
) -> None:
    made = await on_a_clock(api, "2027-04-21T00:00:00Z", **plan)
    del made["clock"]

    subscribed = await api.mutate("createSubscription", DATES, **made, billingAnchor=anchor, firstPeriod="FREE")

    assert subscribed["subscription"]["nextBillingAt"] == end
    assert await violations(database) == []


async def test_an_anchor_is_reset_as_its_preview_shows(api: Api, sessions: Sessions, database: Database) -> None:
    made = await on_a_clock(api, "2027-04-01T00:00:00Z")
    clock = made.pop("clock")
    subscription_id = await api.a_subscription(made["customerId"], made["planId"])
    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2027-04-11T00:00:00Z")
    before = await everything(sessions)
    fields = {"id": subscription_id, "billingAnchor": {"dayOfMonth": 16}, "atPeriodEnd": False}

    shown = await preview(
        api, "previewBillingAnchorReset", f"invoice {{ {BILLED} }} nextInvoice {{ {BILLED} }}", **fields
    )
    assert await everything(sessions) == before
    reset = await api.mutate("resetBillingAnchor", f"{DATES} invoice {{ {BILLED} }}", **fields)

    assert shown["invoice"] == reset["invoice"]
    assert reset["invoice"]["amountCents"] == -2000 + 484
    assert reset["subscription"] == {
        "status": "ACTIVE",
        "anchorAt": "2027-04-16T00:00:00Z",
        "currentPeriodStart": "2027-04-11T00:00:00Z",
        "currentPeriodEnd": "2027-04-16T00:00:00Z",
        "nextBillingAt": "2027-04-16T00:00:00Z",
    }
    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2027-04-16T00:00:00Z")
    query = f"query ($id: ID!) {{ subscription(id: $id) {{ latestInvoice {{ {BILLED} }} }} }}"
    latest = (await api(query, id=subscription_id))["subscription"]["latestInvoice"]
    assert {**latest, "amountDueCents": 0} == {**shown["nextInvoice"], "amountDueCents": 0}
    assert await violations(database) == []


async def test_an_anchor_is_reset_with_the_next_period(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2027-04-01T00:00:00Z")
    subscription_id = await api.a_subscription(made["customerId"], made["planId"])

    shown = await preview(
        api,
        "previewBillingAnchorReset",
        "invoice { asOf } nextInvoice { amountCents }",
        id=subscription_id,
        billingAnchor={"dayOfMonth": 16},
        firstPeriod="FULL",
    )
    reset = await api.mutate(
        "resetBillingAnchor",
        f"{DATES} invoice {{ id }}",
        id=subscription_id,
        billingAnchor={"dayOfMonth": 16},
        firstPeriod="FULL",
    )

    assert (shown["invoice"], shown["nextInvoice"]) == (None, {"amountCents": 3000})
    assert reset["invoice"] is None
    assert reset["subscription"]["nextBillingAt"] == "2027-05-01T00:00:00Z"
    await api.mutate("advanceTestClock", "testClock { id }", id=made["clock"], to="2027-05-20T00:00:00Z")
    query = "query ($id: ID!) { subscription(id: $id) { invoices { nodes { amountCents periodEnd } } } }"
    found = await api(query, id=subscription_id)
    assert found["subscription"]["invoices"]["nodes"] == [
        {"amountCents": 3000, "periodEnd": "2027-05-01T00:00:00Z"},
        {"amountCents": 3000, "periodEnd": "2027-05-16T00:00:00Z"},
        {"amountCents": 3000, "periodEnd": "2027-06-16T00:00:00Z"},
    ]
    assert await violations(database) == []


@pytest.mark.parametrize(
    ("plan", "anchor", "field"),
    [
        ({}, {}, []),
        ({}, {"dayOfMonth": 0}, ["dayOfMonth"]),
        ({}, {"dayOfMonth": 32}, ["dayOfMonth"]),
        ({}, {"dayOfMonth": 1, "month": 13}, ["month"]),
        ({}, {"dayOfWeek": "MONDAY"}, []),
        ({"interval": "YEAR"}, {"dayOfMonth": 30, "month": 2}, []),
        ({"interval": "WEEK"}, {"dayOfMonth": 1}, []),
        ({"interval": "DAY", "intervalCount": 30}, {"dayOfMonth": 1}, []),
    ],
)
async def test_an_anchor_that_does_not_suit_is_refused(
    api: Api, sessions: Sessions, plan: dict[str, Any], anchor: dict[str, Any], field: list[str]
) -> None:
    made = await on_a_clock(api, "2027-04-21T00:00:00Z", **plan)
    del made["clock"]
    subscription_id = await api.a_subscription(await api.a_customer(), await api.a_plan(**{"interval": "MONTH"} | plan))
    before = await everything(sessions)

    refused = [
        await api.mutate("createSubscription", "subscription { id }", **made, billingAnchor=anchor),
        await api.mutate("resetBillingAnchor", "subscription { id }", id=subscription_id, billingAnchor=anchor),
    ]

    assert [refusal(each) for each in refused] == [("INVALID_INPUT", ["input", "billingAnchor", *field])] * 2
    assert await everything(sessions) == before


@pytest.mark.parametrize("time", ["24:00", "6:30", "06:30:00Z", "06:30:00.5", "noon", ""])
async def test_a_time_that_is_none_is_bad_input(api: Api, time: str) -> None:
    made = await on_a_clock(api, "2027-04-21T00:00:00Z")
    del made["clock"]

    answer = await api.post(
        "mutation ($input: CreateSubscriptionInput!) { createSubscription(input: $input) { userErrors { code } } }",
        input={**made, "billingAnchor": {"dayOfMonth": 1, "time": time}},
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_anchor_is_not_reset_while_a_cancellation_is_scheduled(
    api: Api, clock: TestClock, database: Database, sessions: Sessions
) -> None:
    plan_id = await api.a_plan(amountCents=3000, interval="MONTH")
    subscription_id = await api.a_subscription(await api.a_customer(), plan_id, billingAnchor={"dayOfMonth": 1})
    await run(database, clock)
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id)
    before = await everything(sessions)

    refused = await api.mutate(
        "resetBillingAnchor", "subscription { id }", id=subscription_id, billingAnchor={"dayOfMonth": 2}
    )

    assert refusal(refused) == ("CANCELLATION_ALREADY_SCHEDULED", ["input", "id"])
    assert await everything(sessions) == before


async def nodes_of(api: Api, subscription_id: str) -> list[tuple[int, str, str]]:
    """Returns amount, start and end of each invoice of a subscription, with days for midnights."""
    query = "query ($id: ID!) { subscription(id: $id) { invoices { nodes { amountCents periodStart periodEnd } } } }"
    found = (await api(query, id=subscription_id))["subscription"]["invoices"]["nodes"]
    return [
        (each["amountCents"], *(each[name].removesuffix("T00:00:00Z") for name in ("periodStart", "periodEnd")))
        for each in found
    ]


async def test_a_trial_that_is_moved_far_beyond_its_anchor_is_billed(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2026-01-01T00:00:00Z")
    clock = made.pop("clock")
    subscribed = await api.mutate(
        "createSubscription", "subscription { id }", **made, trialDays=5, billingAnchor={"dayOfMonth": 31}
    )
    subscription_id = subscribed["subscription"]["id"]
    await api.mutate("updateTrial", "subscription { id }", id=subscription_id, trialEnd="2026-06-10T00:00:00Z")

    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-08-01T00:00:00Z")

    assert await nodes_of(api, subscription_id) == [
        (0, "2026-01-01", "2026-01-06"),
        (2000, "2026-06-10", "2026-06-30"),
        (3000, "2026-06-30", "2026-07-31"),
        (3000, "2026-07-31", "2026-08-31"),
    ]
    assert await violations(database) == []


async def test_a_trial_that_ends_now_far_beyond_its_anchor_is_billed(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2026-01-01T00:00:00Z")
    clock = made.pop("clock")
    subscribed = await api.mutate(
        "createSubscription", "subscription { id }", **made, trialDays=5, billingAnchor={"dayOfMonth": 15}
    )
    subscription_id = subscribed["subscription"]["id"]
    await api.mutate("updateTrial", "subscription { id }", id=subscription_id, trialEnd="2026-06-10T00:00:00Z")
    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-04-15T00:00:00Z")

    ended = await api.mutate("updateTrial", "invoice { amountCents periodEnd }", id=subscription_id, endNow=True)

    assert ended["invoice"] == {"amountCents": 3000, "periodEnd": "2026-05-15T00:00:00Z"}
    assert await violations(database) == []


async def test_a_period_that_is_extended_far_beyond_a_new_anchor_is_billed(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2026-01-10T00:00:00Z")
    clock = made.pop("clock")
    subscription_id = await api.a_subscription(made["customerId"], made["planId"])
    await api.mutate("resetBillingAnchor", "subscription { id }", id=subscription_id, billingAnchor={"dayOfMonth": 15})
    await api.mutate("extendPeriod", "subscription { id }", id=subscription_id, until="2026-04-15T00:00:00Z")

    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-05-20T00:00:00Z")

    assert (await nodes_of(api, subscription_id))[1:] == [
        (3000, "2026-04-15", "2026-05-15"),
        (3000, "2026-05-15", "2026-06-15"),
    ]
    assert await violations(database) == []


async def test_a_start_that_is_moved_far_beyond_its_anchor_is_billed(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2026-01-01T00:00:00Z", interval="WEEK", amountCents=700)
    clock = made.pop("clock")
    subscribed = await api.mutate(
        "createSubscription",
        "subscription { id }",
        **made,
        startAt="2026-01-03T00:00:00Z",
        billingAnchor={"dayOfWeek": "MONDAY"},
    )
    subscription_id = subscribed["subscription"]["id"]
    await api.mutate("updateSubscription", "subscription { id }", id=subscription_id, startAt="2026-02-03T00:00:00Z")

    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-02-09T00:00:00Z")

    assert await nodes_of(api, subscription_id) == [
        (600, "2026-02-03", "2026-02-09"),
        (700, "2026-02-09", "2026-02-16"),
    ]
    assert await violations(database) == []


@pytest.mark.parametrize("first_period", ["PRORATED", "FREE", "FULL"])
async def test_a_change_that_starts_a_period_drops_an_anchor_that_waits(
    api: Api, database: Database, first_period: str
) -> None:
    made = await on_a_clock(api, "2026-01-10T00:00:00Z")
    clock = made.pop("clock")
    yearly = await api.a_plan(amountCents=36500, interval="YEAR", intervalCount=1)
    subscription_id = await api.a_subscription(made["customerId"], made["planId"])
    anchor = {"billingAnchor": {"dayOfMonth": 20}, "firstPeriod": first_period}
    await api.mutate("resetBillingAnchor", "subscription { id }", id=subscription_id, **anchor)
    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-01-12T00:00:00Z")

    changed = await api.mutate("changeSubscription", LINES, id=subscription_id, planId=yearly)

    line = changed["invoice"]["lines"][-1]
    assert (line["amountCents"], line["periodEnd"]) == (36500, "2027-01-12T00:00:00Z")
    assert await violations(database) == []


async def test_an_anchor_that_does_not_suit_a_new_interval_no_longer_counts(api: Api, database: Database) -> None:
    made = await on_a_clock(api, "2026-01-10T00:00:00Z")
    clock = made.pop("clock")
    weekly = await api.a_plan(amountCents=700, interval="WEEK", intervalCount=1)
    subscription_id = await api.a_subscription(made["customerId"], made["planId"])
    await api.mutate("resetBillingAnchor", "subscription { id }", id=subscription_id, billingAnchor={"dayOfMonth": 20})
    await api.mutate("changeSubscription", LINES, id=subscription_id, planId=weekly, mode="PERIOD_END")

    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-02-10T00:00:00Z")

    assert (await nodes_of(api, subscription_id))[1:] == [(700, "2026-02-10", "2026-02-17")]
    assert await violations(database) == []


async def test_an_invoice_that_credits_later_time_is_not_voided(api: Api, sessions: Sessions) -> None:
    """Without its credit, the time from January 15 would be billed by the first invoice and by renewals."""
    made = await on_a_clock(api, "2026-01-10T00:00:00Z")
    clock = made.pop("clock")
    subscription_id = await api.a_subscription(made["customerId"], made["planId"])
    await api.mutate("advanceTestClock", "testClock { id }", id=clock, to="2026-01-12T00:00:00Z")
    anchor = {"billingAnchor": {"dayOfMonth": 15}, "firstPeriod": "FULL", "atPeriodEnd": False}
    reset = await api.mutate("resetBillingAnchor", "invoice { id amountCents }", id=subscription_id, **anchor)
    before = await everything(sessions)

    refused = await api.mutate("voidInvoice", "invoice { id }", id=reset["invoice"]["id"])

    assert reset["invoice"]["amountCents"] == 194
    assert refusal(refused) == ("INVOICE_NOT_VOIDABLE", ["input", "id"])
    assert await everything(sessions) == before
