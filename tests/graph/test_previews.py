"""Previews match the later invoices to the cent and store nothing."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.limits import MAX_CENTS
from db.access.transactions import Sessions
from db.database import Database
from services.verify import snapshot, verify
from tests.graph.test_bad_input import NOBODY, a_subscription_that_cannot_renew, everything
from tests.graph.test_invoices import an_open_invoice, pay
from tests.support import Api, TestClock, day, read_subscription, run

BILLED = """
    kind currency subtotalCents taxCents amountCents amountDueCents periodStart periodEnd dueAt
    lines { kind description quantity unitAmountCents amountCents periodStart periodEnd plan { id } }
"""


def written(instant: datetime) -> str:
    """Returns the instant in the API's format."""
    return f"{instant:%FT%TZ}"


async def preview(api: Api, name: str, selection: str, **fields: Any) -> Any:
    """Runs the preview query `name`. Returns its payload with `selection` and `userErrors`."""
    query = (
        f"query ($input: {name[0].upper()}{name[1:]}Input!) "
        f"{{ {name}(input: $input) {{ {selection} userErrors {{ code message field }} }} }}"
    )
    return (await api(query, input=fields))[name]


async def latest_invoice(api: Api, subscription_id: str) -> Any:
    return (await read_subscription(api, subscription_id, f"latestInvoice {{ {BILLED} }}"))["latestInvoice"]


def some_plan(draw: random.Random) -> dict[str, Any]:
    interval, most = draw.choice([("DAY", 45), ("WEEK", 6), ("MONTH", 4), ("YEAR", 1)])
    return {
        "name": f"Plan {draw.randrange(1000)}",
        "amountCents": draw.choice([0, 1, draw.randrange(1, 100), draw.randrange(1, 100_000)]),
        "interval": interval,
        "intervalCount": draw.randint(1, most),
        "trialDays": draw.choice([0, 0, 0, draw.randint(1, 40)]),
        "netDays": draw.choice([None, 0, 7]),
    }


def some_start(draw: random.Random, now: datetime) -> dict[str, Any]:
    """Draws start and trial of a subscription."""
    starts_at = now + timedelta(seconds=draw.randrange(1, 10**6)) if draw.random() < 0.3 else now
    start = {} if starts_at == now else {"startAt": written(starts_at)}
    return start | draw.choice(
        [
            {},
            {},
            {"trialDays": draw.randint(0, 40)},
            {"trialEnd": written(starts_at + timedelta(seconds=draw.randrange(1, 10**6)))},
        ]
    )


async def some_money(api: Api, draw: random.Random, customer_id: str) -> None:
    """Gives the customer a balance, an unpaid invoice, or neither."""
    match draw.randrange(4):
        case 0:
            await pay(api, customer_id, draw.randrange(1, 50_000), allowOverpayment=True)
        case 1:
            await an_open_invoice(api, customer_id, draw.randrange(1, 50_000), netDays=draw.randint(0, 30))


@pytest.mark.parametrize("seed", range(2))
async def test_a_subscription_is_billed_first_as_its_preview_said(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, seed: int
) -> None:
    draw = random.Random(seed)
    for _ in range(12):
        customer_id = await api.a_customer(netDays=draw.choice([None, 0, 30]))
        await some_money(api, draw, customer_id)
        wanted = {
            "customerId": customer_id,
            "planId": await api.a_plan(**some_plan(draw)),
            "quantity": draw.randint(1, 9),
            **some_start(draw, clock.now),
        }
        before = await everything(sessions)

        said = await preview(api, "previewSubscription", f"invoice {{ asOf {BILLED} }}", **wanted)
        after_preview = await everything(sessions)
        created = await api.mutate(
            "createSubscription", f"subscription {{ id nextBillingAt }} invoice {{ {BILLED} }}", **wanted
        )
        made_at = clock.now
        if "startAt" in wanted:
            clock.now = made_at = datetime.fromisoformat(wanted["startAt"])
            await run(database, clock)

        assert after_preview == before
        assert said["invoice"].pop("asOf") == written(made_at)
        assert said == {"invoice": await latest_invoice(api, created["subscription"]["id"]), "userErrors": []}, wanted


MODES = (None, "IMMEDIATE", "NEXT_INVOICE", "PERIOD_END", "NONE", "CHARGE_NOW_CREDIT_LATER")
CHANGE = f"mode effectiveAt invoice {{ {BILLED} }} nextInvoice {{ asOf {BILLED} }}"


@pytest.mark.parametrize("seed", range(4))
async def test_a_change_bills_what_its_preview_said_now_and_with_the_next_period(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, seed: int
) -> None:
    draw = random.Random(seed)
    for _ in range(2):
        plan, other = some_plan(draw), some_plan(draw)
        plans = [await api.a_plan(**fields) for fields in (plan, plan | {"amountCents": draw.randrange(50_000)}, other)]
        customer_id = await api.a_customer(netDays=draw.choice([None, 0, 30]))
        subscription_id = await api.a_subscription(customer_id, plans[0], quantity=draw.randint(1, 9))
        await some_money(api, draw, customer_id)
        changed_at = clock.now

        for _ in range(6):
            clock.forward(seconds=draw.randrange(300_000))
            wanted = {
                "id": subscription_id,
                "planId": draw.choice([None, *plans]),
                "quantity": draw.randint(1, 9),
                "mode": draw.choice(MODES),
            }
            if draw.random() < 0.4:
                wanted["asOf"] = written(changed_at + (clock.now - changed_at) * draw.random())
            before = await everything(sessions)

            said = await preview(api, "previewSubscriptionChange", CHANGE, **wanted)
            after_preview = await everything(sessions)
            changed = await api.mutate(
                "changeSubscription", f"subscription {{ nextBillingAt }} invoice {{ {BILLED} }}", **wanted
            )

            assert after_preview == before
            assert (changed["invoice"], changed["userErrors"]) == (said["invoice"], said["userErrors"]), wanted
            if said["userErrors"]:
                assert await everything(sessions) == before
                continue
            changed_at = clock.now
            if draw.random() < 0.5:
                clock.now = changed_at = datetime.fromisoformat(changed["subscription"]["nextBillingAt"])
                await run(database, clock)
                assert said["nextInvoice"].pop("asOf") == written(clock.now)
                assert said["nextInvoice"] == await latest_invoice(api, subscription_id), wanted
    async with snapshot(database) as session:
        assert [check.line() for check in await verify(session) if not check.holds] == []


async def test_a_preview_names_the_mode_that_would_be_taken_and_since_when(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription(quantity=2)
    clock.forward(days=10)

    said = {
        quantity: await preview(
            api,
            "previewSubscriptionChange",
            "mode effectiveAt invoice { amountCents } nextInvoice { amountCents }",
            id=subscription_id,
            quantity=quantity,
            asOf=day(5),
        )
        for quantity in (1, 3)
    }

    assert said == {
        1: {
            "mode": "PERIOD_END",
            "effectiveAt": day(30),
            "invoice": None,
            "nextInvoice": {"amountCents": 2900},
            "userErrors": [],
        },
        3: {
            "mode": "IMMEDIATE",
            "effectiveAt": day(5),
            "invoice": {"amountCents": 2417},
            "nextInvoice": {"amountCents": 8700},
            "userErrors": [],
        },
    }


async def test_after_a_change_of_what_ends_with_its_period_no_invoice_follows(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id)
    clock.forward(days=15)

    said = await preview(
        api,
        "previewSubscriptionChange",
        "invoice { amountCents } nextInvoice { amountCents }",
        id=subscription_id,
        quantity=2,
    )

    assert said == {"invoice": {"amountCents": 1450}, "nextInvoice": None, "userErrors": []}


async def test_a_preview_is_refused_with_the_words_of_the_act(api: Api, sessions: Sessions, clock: TestClock) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    archived_plan, dollars, largest = (
        await api.a_plan(),
        await api.a_plan(currency="USD"),
        await api.a_plan(amountCents=MAX_CENTS),
    )
    yearly = await api.a_plan(interval="YEAR")
    await api.mutate("archivePlan", "plan { id }", id=archived_plan)
    archived_customer, in_euros, tried = await api.a_customer(), await api.a_customer(), await api.a_customer()
    await api.mutate("archiveCustomer", "customer { id }", id=archived_customer)
    await pay(api, in_euros, 1, allowOverpayment=True)
    trial = await api.a_subscription(tried, plan_id, trialDays=1)
    await api.mutate("cancelSubscription", "subscription { id }", id=trial, atPeriodEnd=False)
    subscribed = await api.a_customer()
    active, pending = await api.a_subscription(subscribed, plan_id), await api.a_subscription(startAt=day(100))
    clock.forward(days=1)
    before = await everything(sessions)

    new = {"customerId": customer_id, "planId": plan_id}
    for fields in (
        new | {"customerId": NOBODY},
        new | {"customerId": archived_customer},
        new | {"customerId": subscribed},
        new | {"planId": NOBODY},
        new | {"planId": archived_plan},
        new | {"customerId": in_euros, "planId": dollars},
        new | {"quantity": 0},
        new | {"planId": largest, "quantity": 2},
        new | {"startAt": day(0)},
        new | {"startAt": day(5000)},
        new | {"trialDays": -1},
        new | {"trialDays": 1, "trialEnd": day(3)},
        new | {"trialEnd": day(1)},
        new | {"customerId": tried, "trialDays": 1},
    ):
        said = await preview(api, "previewSubscription", "invoice { kind }", **fields)
        done = await api.mutate("createSubscription", "invoice { kind }", **fields)
        assert said["userErrors"] != [], fields
        assert said == done, fields

    change: dict[str, Any] = {"id": active}
    for fields in (
        change,
        change | {"id": NOBODY, "quantity": 2},
        change | {"id": trial, "quantity": 2},
        change | {"id": pending, "quantity": 2},
        change | {"planId": NOBODY},
        change | {"planId": archived_plan},
        change | {"planId": dollars},
        change | {"quantity": 0},
        change | {"planId": largest, "quantity": 2},
        change | {"planId": yearly, "mode": "NEXT_INVOICE"},
        change | {"quantity": 2, "asOf": day(-1)},
        change | {"quantity": 2, "asOf": day(2)},
    ):
        said = await preview(api, "previewSubscriptionChange", "invoice { kind }", **fields)
        done = await api.mutate("changeSubscription", "invoice { kind }", **fields)
        assert said["userErrors"] != [], fields
        assert said == done, fields
    assert await everything(sessions) == before


async def test_a_change_that_could_never_be_billed_is_refused_by_preview_and_act_alike(
    api: Api, clock: TestClock
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    clock.forward(days=15)
    await api.mutate("changeSubscription", "invoice { id }", id=subscription_id, quantity=2, mode="NEXT_INVOICE")
    largest = await api.a_plan(amountCents=MAX_CENTS)
    change = {"id": subscription_id, "planId": largest, "quantity": 1, "mode": "PERIOD_END"}

    said = await preview(api, "previewSubscriptionChange", "invoice { kind }", **change)
    done = await api.mutate("changeSubscription", "invoice { kind }", **change)

    assert [error["code"] for error in said["userErrors"]] == ["AMOUNT_TOO_LARGE"]
    assert [error["code"] for error in done["userErrors"]] == ["AMOUNT_TOO_LARGE"]


UPCOMING = f"upcomingInvoices(count: 24) {{ asOf {BILLED} }}"


@pytest.mark.parametrize(
    ("plan", "subscription"),
    [
        ({"interval": "MONTH"}, {"quantity": 3}),
        ({"interval": "WEEK", "trialDays": 10}, {}),
        ({"interval": "DAY", "intervalCount": 1}, {"startAt": day(7)}),
    ],
)
async def test_the_upcoming_invoices_are_those_that_the_runs_then_make(
    api: Api,
    database: Database,
    sessions: Sessions,
    clock: TestClock,
    plan: dict[str, Any],
    subscription: dict[str, Any],
) -> None:
    customer_id = await api.a_customer()
    await pay(api, customer_id, 10_000, allowOverpayment=True)
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(**plan), **subscription)
    before = await everything(sessions)

    upcoming = (await read_subscription(api, subscription_id, UPCOMING))["upcomingInvoices"]
    after_reading = await everything(sessions)
    made = []
    for _ in range(24):
        clock.now = datetime.fromisoformat(
            (await read_subscription(api, subscription_id, "nextBillingAt"))["nextBillingAt"]
        )
        assert (await run(database, clock)).invoices == 1
        made.append({"asOf": written(clock.now)} | await latest_invoice(api, subscription_id))

    assert after_reading == before
    assert upcoming == made


async def test_the_upcoming_invoices_hold_what_waits_and_what_changes(
    api: Api, database: Database, clock: TestClock
) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000), quantity=2)
    clock.forward(days=10)
    await api.mutate("changeSubscription", "invoice { id }", id=subscription_id, quantity=3, mode="NEXT_INVOICE")
    await api.mutate("changeSubscription", "invoice { id }", id=subscription_id, quantity=1)

    selection = "upcomingInvoices(count: 2) { amountCents lines { amountCents } }"
    upcoming = (await read_subscription(api, subscription_id, selection))["upcomingInvoices"]

    assert upcoming == [
        {"amountCents": 5000, "lines": [{"amountCents": -4000}, {"amountCents": 6000}, {"amountCents": 3000}]},
        {"amountCents": 3000, "lines": [{"amountCents": 3000}]},
    ]


async def test_nothing_is_upcoming_after_the_end(api: Api, clock: TestClock) -> None:
    ending, canceled = await api.a_subscription(), await api.a_subscription()
    await api.mutate("cancelSubscription", "subscription { id }", id=ending)
    await api.mutate("cancelSubscription", "subscription { id }", id=canceled, atPeriodEnd=False)

    for subscription_id in (ending, canceled):
        assert await read_subscription(api, subscription_id, "upcomingInvoices(count: 24) { asOf }") == {
            "upcomingInvoices": []
        }


async def test_the_upcoming_invoices_end_before_one_that_would_be_too_large(api: Api) -> None:
    subscription_id = await a_subscription_that_cannot_renew(api)

    assert await read_subscription(api, subscription_id, "upcomingInvoices(count: 2) { amountCents }") == {
        "upcomingInvoices": []
    }


@pytest.mark.parametrize("count", [-1, 0, 25])
async def test_from_one_to_twenty_four_invoices_are_upcoming(api: Api, count: int) -> None:
    subscription_id = await api.a_subscription()

    answer = await api.post(
        "query ($id: ID!, $count: Int!) { subscription(id: $id) { upcomingInvoices(count: $count) { asOf } } }",
        id=subscription_id,
        count=count,
    )

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (200, "BAD_USER_INPUT")
