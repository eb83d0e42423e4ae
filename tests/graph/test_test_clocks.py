"""Test clocks: their time stands still until they are advanced, and customers on them are billed accordingly."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.enums import RunTrigger
from billing.ids import TestClockId
from db.access.transactions import Sessions
from db.database import Database
from services.clock_runs import advance
from services.runs import Report, run_renewals
from services.test_clocks import start_advancing
from services.ticks import tick
from tests.graph.test_bad_input import everything
from tests.graph.test_invoices import an_open_invoice, events_of
from tests.support import NOW, PATIENCE_SECONDS, Api, TestClock, day, read_subscription, refusal

pytestmark = pytest.mark.usefixtures("events_name_changes")

CLOCK = "testClock { name status frozenAt targetAt version }"


async def a_clock(api: Api, **fields: Any) -> str:
    """Creates a test clock. Returns its id."""
    return str((await api.mutate("createTestClock", "testClock { id }", **fields))["testClock"]["id"])


async def send(sessions: Sessions, clock_id: str, days: float) -> None:
    """Starts to advance a test clock, like a server that is killed before it bills anything."""
    async with sessions.begin() as session:
        await start_advancing(
            session, test_clock_id=TestClockId(UUID(clock_id)), to=NOW + timedelta(days=days), now=NOW
        )


async def test_a_test_clock_stands_where_it_was_put_until_it_is_advanced(
    api: Api, sessions: Sessions, clock: TestClock
) -> None:
    created = await api.mutate(
        "createTestClock", f"testClock {{ id }} {CLOCK}", name=" A year ", frozenAt="2030-01-01T00:00:00+01:00"
    )
    clock_id = created["testClock"].pop("id")
    clock.forward(days=1)
    advanced = await api.mutate("advanceTestClock", CLOCK, id=clock_id, to="2031-01-01T00:00:00Z")

    assert created["testClock"] == {
        "name": "A year",
        "status": "READY",
        "frozenAt": "2029-12-31T23:00:00Z",
        "targetAt": None,
        "version": 1,
    }
    assert advanced["testClock"] == {
        "name": "A year",
        "status": "READY",
        "frozenAt": "2031-01-01T00:00:00Z",
        "targetAt": None,
        "version": 3,
    }
    assert await events_of(api, sessions, clock_id) == [
        ("TEST_CLOCK_CREATED", 1, []),
        ("TEST_CLOCK_ADVANCING", 2, ["status", "targetAt"]),
        ("TEST_CLOCK_ADVANCED", 3, ["frozenAt", "status", "targetAt"]),
    ]


async def test_a_test_clock_stands_at_the_present_by_default(api: Api, clock: TestClock) -> None:
    clock.forward(days=3)

    created = await api.mutate("createTestClock", "testClock { name frozenAt createdAt }")

    assert created["testClock"] == {"name": None, "frozenAt": day(3), "createdAt": day(3)}


async def test_a_test_clock_goes_forward_only(api: Api, sessions: Sessions) -> None:
    clock_id = await a_clock(api, frozenAt=day(10))
    before = await everything(sessions)

    for to in (day(10), day(9), day(0)):
        refused = await api.mutate("advanceTestClock", CLOCK, id=clock_id, to=to)
        assert refusal(refused) == ("TEST_CLOCK_BACKWARDS", ["input", "to"])
    assert await everything(sessions) == before


async def test_what_is_due_on_the_way_happens_at_its_own_time(api: Api, sessions: Sessions, clock: TestClock) -> None:
    clock_id = await a_clock(api, frozenAt=day(1000))
    customer_id = await api.a_customer(testClockId=clock_id)
    subscription_id = await api.a_subscription(
        customer_id, await api.a_plan(amountCents=3000), startAt=day(1005), trialDays=7
    )

    pending = await read_subscription(api, subscription_id, "status createdAt nextBillingAt")
    await api.mutate("advanceTestClock", CLOCK, id=clock_id, to=day(1060))

    assert pending == {"status": "PENDING", "createdAt": day(1000), "nextBillingAt": day(1005)}
    assert await read_subscription(
        api,
        subscription_id,
        "status startedAt trialEnd nextBillingAt invoices { nodes { amountCents issuedAt dueAt periodEnd } }",
    ) == {
        "status": "PAST_DUE",
        "startedAt": day(1005),
        "trialEnd": day(1012),
        "nextBillingAt": day(1072),
        "invoices": {
            "nodes": [
                {"amountCents": 0, "issuedAt": day(1005), "dueAt": day(1019), "periodEnd": day(1012)},
                {"amountCents": 3000, "issuedAt": day(1012), "dueAt": day(1026), "periodEnd": day(1042)},
                {"amountCents": 3000, "issuedAt": day(1042), "dueAt": day(1056), "periodEnd": day(1072)},
            ]
        },
    }
    assert len(await events_of(api, sessions, subscription_id)) == 5
    events = await api(
        "query ($id: ID!) { events(filter: {objectId: $id}) { nodes { type actor occurredAt recordedAt } } }",
        id=subscription_id,
    )
    midnight_after_it_was_due = f"{NOW + timedelta(days=1026, hours=12):%FT%TZ}"
    assert [tuple(event.values()) for event in events["events"]["nodes"]] == [
        ("SUBSCRIPTION_CREATED", "api", day(1000), day(0)),
        ("SUBSCRIPTION_STARTED", "test clock", day(1005), day(0)),
        ("SUBSCRIPTION_TRIAL_ENDED", "test clock", day(1012), day(0)),
        ("SUBSCRIPTION_PAST_DUE", "test clock", midnight_after_it_was_due, day(0)),
        ("SUBSCRIPTION_RENEWED", "test clock", day(1042), day(0)),
    ]


async def test_a_change_and_a_cancellation_on_the_way_take_effect_in_their_turn(api: Api) -> None:
    clock_id = await a_clock(api)
    plan_id = await api.a_plan(amountCents=3000)
    changed, canceled = [
        await api.a_subscription(await api.a_customer(testClockId=clock_id), plan_id, quantity=2) for _ in range(2)
    ]
    await api.mutate("changeSubscription", "invoice { id }", id=changed, quantity=1)
    await api.mutate("cancelSubscription", "invoice { id }", id=canceled)

    await api.mutate("advanceTestClock", CLOCK, id=clock_id, to=day(60))

    invoices = "status endedAt invoices { nodes { amountCents issuedAt } }"
    first = {"amountCents": 6000, "issuedAt": day(0)}
    assert await read_subscription(api, changed, invoices) == {
        "status": "PAST_DUE",
        "endedAt": None,
        "invoices": {
            "nodes": [
                first,
                {"amountCents": 3000, "issuedAt": day(30)},
                {"amountCents": 3000, "issuedAt": day(60)},
            ]
        },
    }
    assert await read_subscription(api, canceled, invoices) == {
        "status": "CANCELED",
        "endedAt": day(30),
        "invoices": {"nodes": [first]},
    }


async def test_operations_on_its_customers_happen_in_its_time(api: Api, clock: TestClock) -> None:
    clock_id = await a_clock(api, frozenAt=day(1000))
    customer_id = await api.a_customer(testClockId=clock_id)
    invoice_id = await an_open_invoice(api, customer_id, 1000)
    await api.mutate("advanceTestClock", CLOCK, id=clock_id, to=day(1005))
    payment = {"customerId": customer_id, "amountCents": 1000, "currency": "EUR"}

    early = await api.mutate("recordPayment", "payment { id }", **payment, receivedAt=day(1005.5))
    paid = await api.mutate(
        "recordPayment",
        "payment { receivedAt createdAt } customer { createdAt testClock { id } }",
        **payment,
        receivedAt=day(1004),
    )

    assert refusal(early) == ("INVALID_INPUT", ["input", "receivedAt"])
    assert paid == {
        "payment": {"receivedAt": day(1004), "createdAt": day(1005)},
        "customer": {"createdAt": day(1000), "testClock": {"id": clock_id}},
        "userErrors": [],
    }
    data = await api("query ($id: ID!) { invoice(id: $id) { issuedAt dueAt paidAt } }", id=invoice_id)
    assert data["invoice"] == {"issuedAt": day(1000), "dueAt": day(1014), "paidAt": day(1005)}


async def test_while_it_is_on_its_way_nothing_of_its_customers_can_be_changed(api: Api, sessions: Sessions) -> None:
    clock_id = await a_clock(api)
    customer_id, other = await api.a_customer(testClockId=clock_id), await api.a_customer(testClockId=clock_id)
    plan_id = await api.a_plan()
    subscription_id = await api.a_subscription(customer_id, plan_id)
    invoice_id = await an_open_invoice(api, customer_id)
    draft = (await api.mutate("createInvoice", "invoice { id }", customerId=other, currency="EUR"))["invoice"]["id"]

    await send(sessions, clock_id, 45)
    data = await api(f"query ($id: ID!) {{ {CLOCK.replace('testClock', 'testClock(id: $id)')} }}", id=clock_id)
    before = await everything(sessions)
    acts: dict[str, dict[str, Any]] = {
        "advanceTestClock": {"id": clock_id, "to": day(90)},
        "createCustomer": {"name": "Ada", "email": "ada@example.com", "testClockId": clock_id},
        "updateCustomer": {"id": customer_id, "name": "Countess"},
        "archiveCustomer": {"id": other},
        "unarchiveCustomer": {"id": other},
        "createSubscription": {"customerId": other, "planId": plan_id},
        "changeSubscription": {"id": subscription_id, "quantity": 2},
        "withdrawSubscriptionChange": {"id": subscription_id},
        "cancelSubscription": {"id": subscription_id},
        "undoSubscriptionCancellation": {"id": subscription_id},
        "createInvoice": {"customerId": other, "currency": "EUR"},
        "addInvoiceLine": {"invoiceId": draft, "description": "More", "unitAmountCents": 1},
        "deleteDraftInvoice": {"id": draft},
        "finalizeInvoice": {"id": draft},
        "voidInvoice": {"id": invoice_id},
        "markInvoiceUncollectible": {"id": invoice_id},
        "reissueInvoice": {"id": invoice_id},
        "recordPayment": {"customerId": customer_id, "amountCents": 1, "currency": "EUR"},
    }
    refused = {name: refusal(await api.mutate(name, "__typename", **fields)) for name, fields in acts.items()}
    previewed = await api(
        """query ($new: PreviewSubscriptionInput!, $change: PreviewSubscriptionChangeInput!) {
          new: previewSubscription(input: $new) { userErrors { code field } }
          change: previewSubscriptionChange(input: $change) { userErrors { code field } }
        }""",
        new={"customerId": other, "planId": plan_id},
        change={"id": subscription_id, "quantity": 2},
    )

    assert data["testClock"] == {
        "name": None,
        "status": "ADVANCING",
        "frozenAt": day(0),
        "targetAt": day(45),
        "version": 2,
    }
    assert refused.pop("advanceTestClock") == ("TEST_CLOCK_ADVANCING", ["input", "id"])
    assert refused == dict.fromkeys(refused, ("TEST_CLOCK_ADVANCING", None))
    advancing = {"userErrors": [{"code": "TEST_CLOCK_ADVANCING", "field": None}]}
    assert previewed == {"new": advancing, "change": advancing}
    assert await everything(sessions) == before


async def test_the_server_finishes_what_was_cut_off(api: Api, database: Database, sessions: Sessions) -> None:
    clock_id = await a_clock(api)
    subscription_id = await api.a_subscription(await api.a_customer(testClockId=clock_id))
    await send(sessions, clock_id, 45)

    report = await tick(database, now=NOW)

    assert report == Report()
    data = await api(f"query ($id: ID!) {{ {CLOCK.replace('testClock', 'testClock(id: $id)')} }}", id=clock_id)
    assert data["testClock"] == {
        "name": None,
        "status": "READY",
        "frozenAt": day(45),
        "targetAt": None,
        "version": 3,
    }
    assert await read_subscription(api, subscription_id, "status currentPeriodEnd") == {
        "status": "PAST_DUE",
        "currentPeriodEnd": day(60),
    }
    runs = await api("{ billingRuns { nodes { trigger asOf renewed failed invoices pastDue } } }")
    assert runs["billingRuns"]["nodes"] == [
        {"trigger": "TEST_CLOCK", "asOf": day(45), "renewed": 1, "failed": 0, "invoices": 1, "pastDue": 1}
    ]


async def test_a_run_counts_a_subscription_once_that_is_renewed_in_several_chunks(
    api: Api, database: Database, sessions: Sessions
) -> None:
    clock_id = await a_clock(api)
    plan_id = await api.a_plan(interval="MONTH")
    for _ in range(2):
        await api.a_subscription(await api.a_customer(testClockId=clock_id), plan_id)
    await send(sessions, clock_id, 2 * 365)

    arrived = await advance(database, TestClockId(UUID(clock_id)), now=NOW, seconds=PATIENCE_SECONDS)

    assert arrived
    data = await api("{ billingRuns { nodes { renewed failed invoices pastDue } } }")
    assert data["billingRuns"]["nodes"] == [{"renewed": 2, "failed": 0, "invoices": 48, "pastDue": 2}]


async def test_ten_years_pass_at_once(api: Api) -> None:
    clock_id = await a_clock(api)
    plan_id = await api.a_plan(amountCents=3000, interval="MONTH")
    subscription_id = await api.a_subscription(await api.a_customer(testClockId=clock_id), plan_id)

    advanced = await api.mutate("advanceTestClock", "testClock { status }", id=clock_id, to="2036-01-31T12:00:00Z")

    assert advanced["testClock"] == {"status": "READY"}
    lists = "invoices(first: 100) { totalCount nodes { issuedAt periodStart periodEnd } } currentPeriodEnd"
    subscription = await read_subscription(api, subscription_id, lists)
    assert subscription["invoices"]["totalCount"] == 121
    nodes = subscription["invoices"]["nodes"]
    assert [node["issuedAt"] for node in nodes] == [node["periodStart"] for node in nodes]
    assert [node["periodEnd"] for node in nodes[:-1]] == [node["periodStart"] for node in nodes[1:]]
    days = Counter(datetime.fromisoformat(node["periodStart"]).day for node in nodes)
    # The query returns the first 100 of 121 invoices, which include February of the leap years 2028 and 2032.
    assert days == {31: 58, 30: 33, 28: 7, 29: 2}
    assert subscription["currentPeriodEnd"] == "2036-02-29T12:00:00Z"


async def test_steps_and_one_jump_come_to_the_same(api: Api) -> None:
    billed = []
    for steps in ([day(200)], [day(days) for days in (13, 14, 30, 31, 90, 200)]):
        clock_id = await a_clock(api)
        customer_id = await api.a_customer(testClockId=clock_id)
        subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000), trialDays=20)
        for to in steps:
            await api.mutate("advanceTestClock", CLOCK, id=clock_id, to=to)
        billed.append(
            await read_subscription(
                api,
                subscription_id,
                "status version nextBillingAt invoices { nodes { amountCents issuedAt dueAt periodStart periodEnd } }",
            )
        )

    assert billed[0] == billed[1]
    assert len(billed[0]["invoices"]["nodes"]) == 8


async def test_the_world_and_other_clocks_are_left_alone(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    plan_id = await api.a_plan()
    moved, still = await a_clock(api), await a_clock(api)
    on_moved, on_still, in_real_time = [
        await api.a_subscription(await api.a_customer(testClockId=clock_id), plan_id)
        for clock_id in (moved, still, None)
    ]

    await api.mutate("advanceTestClock", CLOCK, id=moved, to=day(45))
    after_moving = {
        subscription_id: (await read_subscription(api, subscription_id, "status version currentPeriodEnd")).values()
        for subscription_id in (on_moved, on_still, in_real_time)
    }
    clock.forward(days=45)
    report = await run_renewals(database, as_of=clock.now, now=clock.now, trigger=RunTrigger.SERVER)

    assert {subscription_id: tuple(values) for subscription_id, values in after_moving.items()} == {
        on_moved: ("PAST_DUE", 3, day(60)),
        on_still: ("ACTIVE", 1, day(30)),
        in_real_time: ("ACTIVE", 1, day(30)),
    }
    assert report == Report(renewed=1, invoices=1, past_due=1)
    assert await read_subscription(api, in_real_time, "currentPeriodEnd") == {"currentPeriodEnd": day(60)}
    assert await read_subscription(api, on_still, "status currentPeriodEnd") == {
        "status": "ACTIVE",
        "currentPeriodEnd": day(30),
    }


async def test_an_advance_that_is_sent_again_with_its_key_advances_once(api: Api) -> None:
    clock_id = await a_clock(api)
    advance = {"id": clock_id, "to": day(45), "idempotencyKey": "jump-1"}

    first = await api.mutate("advanceTestClock", CLOCK, **advance)
    again = await api.mutate("advanceTestClock", CLOCK, **advance)

    assert first["testClock"]["frozenAt"] == day(45)
    assert again == first


@pytest.mark.parametrize("name", ["createTestClock", "advanceTestClock"])
async def test_a_test_clock_stays_within_a_hundred_years(api: Api, sessions: Sessions, name: str) -> None:
    clock_id = await a_clock(api)
    too_far = f"{datetime(2127, 1, 1, tzinfo=UTC):%FT%TZ}"
    before = await everything(sessions)

    fields = {"frozenAt": too_far} if name == "createTestClock" else {"id": clock_id, "to": too_far}
    refused = await api.mutate(name, CLOCK, **fields)

    assert refusal(refused) == ("INVALID_INPUT", ["input", "frozenAt" if name == "createTestClock" else "to"])
    assert await everything(sessions) == before
