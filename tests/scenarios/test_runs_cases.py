"""Renewal runs in real time: on schedule, late, concurrent, and with failures.

The test controls the API's clock. A run does the same as the command `billing renew`. F01 is a case of
getlago/lago-api, spec/scenarios/subscriptions/billing_spec; F02 is issue 354 of getlago/lago; F03, F04 and F05 are
the issues 11065, 10830 and 6655 of polarsource/polar.
"""
# ruff: noqa: N802 - names of tests contain the id of their case

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from billing.enums import RunTrigger
from db.access.transactions import Sessions
from db.database import Database
from db.models import BillingPeriod, BillingRun, Event, Invoice, InvoiceLine
from db.queries.accounts import due_on
from db.queries.locks import claim_subscriptions
from services.runs import AsOfInTheFuture, Report, run_renewals
from services.ticks import Tick, tick_forever
from tests.scenarios.story import Story, parsed
from tests.support import PATIENCE_SECONDS, Api, TestClock, count, refusal, undone

EVERYTHING = (BillingPeriod, BillingRun, Event, Invoice, InvoiceLine)
HOLD = "billingHold { reason since retryAt attempts }"


async def run(database: Database, clock: TestClock, as_of: str | None = None, **options: Any) -> Report:
    """Runs the renewals that are due by `as_of`, by default now, as if an operator had started the command."""
    return await run_renewals(
        database,
        as_of=clock.now if as_of is None else parsed(as_of),
        now=clock.now,
        trigger=RunTrigger.COMMAND,
        **options,
    )


async def monthly(api: Api, clock: TestClock, day: str, **fields: Any) -> Story:
    """Creates a customer who subscribes to a monthly plan on this day."""
    clock.now = parsed(day)
    story = await Story.in_real_time(api)
    await story.subscribe(await api.a_plan(interval="MONTH", amountCents=2900), **fields)
    return story


async def many(api: Api, number: int) -> list[Story]:
    """Creates customers who subscribe now to the same plan of 30 days."""
    plan_id = await api.a_plan()
    stories = [await Story.in_real_time(api) for _ in range(number)]
    for story in stories:
        await story.subscribe(plan_id)
    return stories


async def runs(api: Api) -> list[Any]:
    """Returns the recorded runs, newest first."""
    data = await api("{ billingRuns { nodes { trigger renewed failed invoices pastDue } } }")
    nodes: list[Any] = data["billingRuns"]["nodes"]
    return nodes


# Schedule


@pytest.mark.parametrize("times", [2, 3, 4])
async def test_case_F01_however_often_it_runs_a_period_is_billed_once(
    api: Api, database: Database, clock: TestClock, times: int
) -> None:
    story = await monthly(api, clock, "2026-03-10")

    made = []
    for moment in ("2026-04-09T23:59:59Z", "2026-04-10", "2026-04-11"):
        clock.now = parsed(moment)
        made.append(sum([(await run(database, clock)).invoices for _ in range(times)]))

    assert made == [0, 1, 0]
    assert await story.periods() == [("2026-03-10", "2026-04-10"), ("2026-04-10", "2026-05-10")]


async def test_case_F02_a_period_that_began_while_the_server_was_down_is_billed_as_it_began(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await monthly(api, clock, "2026-03-10")
    clock.now = parsed("2026-04-01")
    assert await run(database, clock) == Report(past_due=1)

    clock.now = parsed("2026-04-11")
    report = await run(database, clock)

    assert report == Report(renewed=1, invoices=1)
    missed = await story.invoice(2)
    assert (missed["periodStart"], missed["periodEnd"]) == ("2026-04-10", "2026-05-10")
    assert (missed["issuedAt"], missed["dueAt"]) == ("2026-04-11", "2026-04-25")
    subscription = await story.subscription("anchorAt currentPeriodStart currentPeriodEnd nextBillingAt")
    assert subscription == {
        "anchorAt": "2026-03-10",
        "currentPeriodStart": "2026-04-10",
        "currentPeriodEnd": "2026-05-10",
        "nextBillingAt": "2026-05-10",
    }


@pytest.mark.parametrize("chunk_size", [1, 4, 500])
async def test_case_F03_of_several_schedulers_one_renews(
    api: Api, database: Database, clock: TestClock, chunk_size: int
) -> None:
    stories = await many(api, 12)
    clock.forward(days=30)

    reports = await asyncio.gather(*(run(database, clock, chunk_size=chunk_size) for _ in range(4)))

    assert sum(reports, Report()) == Report(renewed=12, invoices=12, past_due=12)
    assert [len(await story.invoices()) for story in stories] == [2] * 12


async def test_case_F03_one_run_does_chunks_side_by_side(api: Api, database: Database, clock: TestClock) -> None:
    stories = await many(api, 12)
    clock.forward(days=30)

    report = await run(database, clock, chunk_size=2, concurrency=4)

    assert report == Report(renewed=12, invoices=12, past_due=12)
    assert [len(await story.invoices()) for story in stories] == [2] * 12


async def test_case_F04_three_missed_periods_are_billed_in_their_order(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await monthly(api, clock, "2026-01-31")

    clock.now = parsed("2026-05-02")
    report = await run(database, clock)

    assert report == Report(renewed=1, invoices=3, past_due=1)
    assert [
        (invoice["number"], invoice["periodStart"], invoice["periodEnd"], invoice["issuedAt"])
        for invoice in await story.invoices()
    ] == [
        (1, "2026-01-31", "2026-02-28", "2026-01-31"),
        (2, "2026-02-28", "2026-03-31", "2026-05-02"),
        (3, "2026-03-31", "2026-04-30", "2026-05-02"),
        (4, "2026-04-30", "2026-05-31", "2026-05-02"),
    ]


async def test_case_F05_what_was_claimed_by_a_process_that_died_is_due_again(
    api: Api, database: Database, database_url: str, clock: TestClock
) -> None:
    [story] = await many(api, 1)
    clock.forward(days=30)
    dying = Database(database_url)
    async with undone(dying) as session:
        claimed = await claim_subscriptions(session, due_on(None, clock.now), limit=10)
        backend = await session.scalar(select(func.pg_backend_pid()))

        while_it_lives = await run(database, clock)
        async with database.sessions() as killer:
            assert await killer.scalar(select(func.pg_terminate_backend(backend, 5000)))
        once_it_died = await run(database, clock)
        await session.invalidate()
    await dying.close()

    assert [str(subscription_id) for subscription_id in claimed] == [story.subscription_id]
    assert while_it_lives == Report(), "what another process has claimed is left to it"
    assert once_it_died == Report(renewed=1, invoices=1, past_due=1)


async def test_a_run_as_of_an_instant_that_has_not_come_is_refused(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    await many(api, 1)
    rows = await count(sessions, *EVERYTHING)

    with pytest.raises(AsOfInTheFuture):
        await run_renewals(database, as_of=clock.now + timedelta(seconds=1), now=clock.now, trigger=RunTrigger.COMMAND)

    assert await count(sessions, *EVERYTHING) == rows


async def test_a_run_as_of_an_earlier_instant_does_what_was_due_then(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await monthly(api, clock, "2026-01-10")
    clock.now = parsed("2026-04-20")

    reports = [await run(database, clock, as_of=day) for day in ("2026-02-09", "2026-02-10", "2026-03-31")]

    assert [report.invoices for report in reports] == [0, 1, 1]
    issued = [(invoice["periodStart"], invoice["issuedAt"]) for invoice in await story.invoices()]
    assert issued == [("2026-01-10", "2026-01-10"), ("2026-02-10", "2026-02-10"), ("2026-03-10", "2026-03-31")]


async def test_a_run_bills_twelve_periods_of_a_subscription_at_most(
    api: Api, database: Database, clock: TestClock
) -> None:
    behind = await Story.in_real_time(api)
    await behind.subscribe(await api.a_plan(interval="DAY", intervalCount=1))
    [other] = await many(api, 1)
    clock.forward(days=30)

    reports = [await run(database, clock) for _ in range(4)]

    assert reports == [
        Report(renewed=2, invoices=13, past_due=2),
        Report(renewed=1, invoices=12),
        Report(renewed=1, invoices=6),
        Report(),
    ]
    assert [invoice["number"] for invoice in await behind.invoices()] == list(range(1, 32))
    assert len(await other.invoices()) == 2


async def test_a_run_leaves_customers_of_a_test_clock_alone(api: Api, database: Database, clock: TestClock) -> None:
    story = await Story.begin(api, "2025-01-01")
    await story.subscribe(await api.a_plan())
    clock.forward(days=300)

    assert await run(database, clock) == Report()
    assert len(await story.invoices()) == 1


# Recorded runs


async def test_a_run_is_kept_where_it_found_something_to_do_or_was_asked_for(
    api: Api, database: Database, clock: TestClock
) -> None:
    await many(api, 2)

    async def by_itself() -> None:
        await run_renewals(database, as_of=clock.now, now=clock.now, trigger=RunTrigger.SERVER)

    await by_itself()
    assert await runs(api) == []
    clock.forward(hours=1)
    await run(database, clock)
    clock.forward(days=30)
    await by_itself()
    clock.forward(hours=1)
    await by_itself()

    assert await runs(api) == [
        {"trigger": "SERVER", "renewed": 2, "failed": 0, "invoices": 2, "pastDue": 2},
        {"trigger": "COMMAND", "renewed": 0, "failed": 0, "invoices": 0, "pastDue": 0},
    ]


async def test_a_run_says_when_it_was_and_how_long_it_took(api: Api, database: Database, clock: TestClock) -> None:
    clock.now = parsed("2026-04-11")
    await run(database, clock, as_of="2026-04-10")

    data = await api("{ billingRuns { nodes { asOf startedAt finishedAt milliseconds } } }")

    [kept] = data["billingRuns"]["nodes"]
    assert (kept["asOf"], kept["startedAt"]) == ("2026-04-10T00:00:00Z", "2026-04-11T00:00:00Z")
    assert kept["finishedAt"] >= kept["startedAt"]
    assert kept["milliseconds"] >= 0


async def test_a_run_that_breaks_off_has_told_what_is_stored(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    first, second = await monthly(api, clock, "2026-03-01"), await monthly(api, clock, "2026-03-02")
    clock.now = parsed("2026-04-02")
    disk_is_full = f"""
        CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.subscription_id = '{second.subscription_id}' THEN RAISE disk_full; END IF;
            RETURN NEW;
        END $$"""
    async with sessions.begin() as session:
        await session.execute(text(disk_is_full))
        await session.execute(
            text("CREATE TRIGGER fill BEFORE INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION fill()")
        )
    reports: list[Report] = []

    with pytest.raises(DBAPIError):
        await run(database, clock, chunk_size=1, on_report=reports.append)

    assert reports == [Report(renewed=1, invoices=1, past_due=1)]
    assert [len(await story.invoices()) for story in (first, second)] == [2, 1]


async def test_an_error_of_who_is_told_does_not_end_the_renewals(database: Database, clock: TestClock) -> None:
    ticks: list[Tick] = []
    again = asyncio.Event()

    def fail(tick: Tick) -> None:
        ticks.append(tick)
        if len(ticks) == 2:
            again.set()
        raise RuntimeError

    renewing = asyncio.create_task(tick_forever(database, clock, every_seconds=0.01, on_tick=fail))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await again.wait()
    renewing.cancel()

    assert ticks[:2] == [Tick(Report(), failed=False)] * 2


# Failed renewals


@asynccontextmanager
async def a_number_that_is_taken(sessions: Sessions, story: Story) -> AsyncIterator[None]:
    """Resets the customer's invoice counter within the block, so that the next invoice number is already taken."""

    async def count_from(number: int) -> None:
        async with sessions.begin() as session:
            statement = text("UPDATE customers SET last_invoice_number = :number WHERE id = :id")
            await session.execute(statement, {"number": number, "id": story.customer_id})

    await count_from(0)
    yield
    await count_from(1)


async def test_what_cannot_be_renewed_is_put_on_hold_and_keeps_nobody(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    stories = await many(api, 7)
    broken, others = stories[3], [*stories[:3], *stories[4:]]
    clock.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    async with a_number_that_is_taken(sessions, broken):
        report = await run(database, clock)

    assert report == Report(renewed=6, failed=1, invoices=6, past_due=7)
    assert await runs(api) == [{"trigger": "COMMAND", "renewed": 6, "failed": 1, "invoices": 6, "pastDue": 7}]
    assert [len(await story.invoices()) for story in others] == [2] * 6
    assert [await story.subscription(HOLD) for story in others] == [{"billingHold": None}] * 6
    assert len(await broken.invoices()) == 1
    subscription = await broken.subscription(f"{HOLD} nextBillingAt")
    assert subscription == {
        "nextBillingAt": "2026-03-02T12:00:00Z",
        "billingHold": {
            "reason": "The database returned an error: SQLSTATE 23505, constraint uq_invoices_sequence.",
            "since": "2026-03-02T12:00:00Z",
            "retryAt": "2026-03-02T12:01:00Z",
            "attempts": 1,
        },
    }
    listed = "subscriptions(filter: {onHold: %s}, orderBy: {direction: DESC}) { totalCount nodes { id } }"
    held, free = [(await api(f"{{ {listed % word} }}"))["subscriptions"] for word in ("true", "false")]
    assert held == {"totalCount": 1, "nodes": [{"id": broken.subscription_id}]}
    assert [each["id"] for each in free["nodes"]] == [story.subscription_id for story in others[::-1]]
    assert (await api("{ analytics { holds runLagSeconds } }"))["analytics"] == {"holds": 1, "runLagSeconds": 0}


async def test_what_is_on_hold_is_tried_again_later_and_later(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    [broken] = await many(api, 1)
    clock.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    failed = []
    async with a_number_that_is_taken(sessions, broken):
        for minutes in (0, 1, 1, 1, 3, 1):
            clock.forward(minutes=minutes)
            failed.append((f"{clock.now:%H:%M}", (await run(database, clock)).failed))

    assert failed == [("12:00", 1), ("12:01", 1), ("12:02", 0), ("12:03", 1), ("12:06", 0), ("12:07", 1)]
    hold = (await broken.subscription(HOLD))["billingHold"]
    assert (hold["since"], hold["retryAt"], hold["attempts"]) == ("2026-03-02T12:00:00Z", "2026-03-02T12:15:00Z", 4)


async def test_once_it_is_mended_it_is_renewed_and_the_hold_is_gone(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    [broken] = await many(api, 1)
    clock.forward(days=30)
    async with a_number_that_is_taken(sessions, broken):
        await run(database, clock)

    too_early = await run(database, clock)
    clock.forward(minutes=1)
    in_time = await run(database, clock)

    assert (too_early, in_time) == (Report(), Report(renewed=1, invoices=1))
    assert await broken.subscription(HOLD) == {"billingHold": None}
    assert [invoice["number"] for invoice in await broken.invoices()] == [1, 2]


async def test_what_is_on_hold_takes_no_change_and_can_be_canceled(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    [broken] = await many(api, 1)
    clock.forward(days=30)

    async with a_number_that_is_taken(sessions, broken):
        await run(database, clock)
        changed = await api.mutate("changeSubscription", "subscription { id }", id=broken.subscription_id, quantity=2)
        await broken.cancel(atPeriodEnd=False)

    assert refusal(changed)[0] == "RENEWAL_DUE"
    assert await broken.subscription(f"status {HOLD}") == {"status": "CANCELED", "billingHold": None}
    assert len(await broken.invoices()) == 1


async def test_what_is_on_hold_becomes_past_due_all_the_same(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    [broken] = await many(api, 1)
    clock.forward(days=30)

    async with a_number_that_is_taken(sessions, broken):
        for _ in range(3):
            await run(database, clock)
            clock.forward(days=1)

    assert (await broken.invoice(1))["dueAt"] == "2026-02-14T12:00:00Z"
    assert await broken.status() == "PAST_DUE"


@pytest.mark.parametrize("days", [16, 31])
async def test_what_cannot_become_past_due_is_tried_once_in_a_run_and_counts_once(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, days: int
) -> None:
    broken, other = await many(api, 2)
    async with sessions.begin() as session:
        await session.execute(
            text(f"""
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.id = '{broken.subscription_id}' AND NEW.status = 'PAST_DUE' THEN RAISE 'no'; END IF;
                    RETURN NEW;
                END $$""")
        )
        await session.execute(
            text("CREATE TRIGGER refuse BEFORE UPDATE ON subscriptions FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
    clock.forward(days=days)

    async with asyncio.timeout(PATIENCE_SECONDS):
        report = await run(database, clock)

    renewed = 1 if days > 30 else 0
    assert report == Report(renewed=renewed, failed=1, invoices=renewed, past_due=1)
    assert [await story.status() for story in (broken, other)] == ["ACTIVE", "PAST_DUE"]
    hold = (await broken.subscription(HOLD))["billingHold"]
    assert (hold["reason"], hold["attempts"]) == ("The database returned an error: SQLSTATE P0001.", 1)


# Other tasks of a run


async def test_past_due_once_the_due_day_is_over_until_it_is_paid(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await monthly(api, clock, "2026-03-10")

    statuses = []
    for moment in ("2026-03-24T23:59:59Z", "2026-03-25"):
        clock.now = parsed(moment)
        statuses.append(((await run(database, clock)).past_due, await story.status()))
    await story.pay(2899)
    statuses.append((0, await story.status()))
    await story.pay(1)
    statuses.append((0, await story.status()))

    assert statuses == [(0, "ACTIVE"), (1, "PAST_DUE"), (0, "PAST_DUE"), (0, "ACTIVE")]


async def test_what_is_renewed_late_and_past_due_at_once_counts_as_both(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await Story.in_real_time(api)
    await story.subscribe(await api.a_plan(netDays=30))

    clock.forward(days=31)
    report = await run(database, clock)

    assert report == Report(renewed=1, invoices=1, past_due=1)
    assert await runs(api) == [{"trigger": "COMMAND", "renewed": 1, "failed": 0, "invoices": 1, "pastDue": 1}]
    assert await story.status() == "PAST_DUE"


@pytest.mark.parametrize("way", ["voidInvoice", "markInvoiceUncollectible"])
async def test_no_longer_past_due_once_nothing_overdue_is_open(
    api: Api, database: Database, clock: TestClock, way: str
) -> None:
    story = await monthly(api, clock, "2026-03-10")
    clock.now = parsed("2026-03-25")
    await run(database, clock)
    before = await story.status()

    await story.do(way, "invoice { id }", id=(await story.invoice(1))["id"])

    assert (before, await story.status()) == ("PAST_DUE", "ACTIVE")


async def test_what_is_past_due_goes_on_being_renewed(api: Api, database: Database, clock: TestClock) -> None:
    story = await monthly(api, clock, "2026-03-10")
    clock.now = parsed("2026-03-25")
    await run(database, clock)
    clock.now = parsed("2026-04-10")

    report = await run(database, clock)

    assert report == Report(renewed=1, invoices=1)
    assert (await story.status(), len(await story.invoices())) == ("PAST_DUE", 2)


@pytest.mark.parametrize("day", ["2026-03-20", "2026-03-25"], ids=["on the day", "later"])
async def test_a_pending_subscription_starts_on_its_day(
    api: Api, database: Database, clock: TestClock, day: str
) -> None:
    story = await monthly(api, clock, "2026-03-10", startAt="2026-03-20T00:00:00Z")
    clock.now = parsed("2026-03-19T23:59:59Z")
    assert await run(database, clock) == Report()
    assert (await story.status(), await story.invoices()) == ("PENDING", [])

    clock.now = parsed(day)
    report = await run(database, clock)

    assert report == Report(renewed=1, invoices=1)
    subscription = await story.subscription("status startedAt anchorAt nextBillingAt")
    assert subscription == {
        "status": "ACTIVE",
        "startedAt": "2026-03-20",
        "anchorAt": "2026-03-20",
        "nextBillingAt": "2026-04-20",
    }
    [invoice] = await story.invoices()
    assert (invoice["periodStart"], invoice["periodEnd"], invoice["issuedAt"]) == ("2026-03-20", "2026-04-20", day)


@pytest.mark.parametrize("day", ["2026-03-24", "2026-03-29"], ids=["on the day", "later"])
async def test_a_trial_ends_on_its_day(api: Api, database: Database, clock: TestClock, day: str) -> None:
    story = await monthly(api, clock, "2026-03-10", trialDays=14)
    clock.now = parsed("2026-03-23T23:59:59Z")
    assert await run(database, clock) == Report()
    assert await story.status() == "TRIALING"

    clock.now = parsed(day)
    report = await run(database, clock)

    assert report == Report(renewed=1, invoices=1)
    assert await story.status() == "ACTIVE"
    assert await story.periods() == [("2026-03-10", "2026-03-24"), ("2026-03-24", "2026-04-24")]


@pytest.mark.parametrize("day", ["2026-04-10", "2026-04-13", "2026-07-01"], ids=["on the day", "days later", "months"])
async def test_a_cancellation_comes_into_force_at_the_end_of_the_period_however_late_the_run(
    api: Api, database: Database, clock: TestClock, day: str
) -> None:
    story = await monthly(api, clock, "2026-03-10")
    await story.pay(2900)
    clock.now = parsed("2026-03-15")
    await story.cancel(atPeriodEnd=True)
    clock.now = parsed("2026-04-09T23:59:59Z")
    assert await run(database, clock) == Report()

    clock.now = parsed(day)
    report = await run(database, clock)

    assert report == Report(renewed=1)
    subscription = await story.subscription("status canceledAt endedAt nextBillingAt currentPeriodEnd")
    assert subscription == {
        "status": "CANCELED",
        "canceledAt": "2026-03-15",
        "endedAt": "2026-04-10",
        "nextBillingAt": None,
        "currentPeriodEnd": "2026-04-10",
    }
    assert await story.periods() == [("2026-03-10", "2026-04-10")]


async def test_a_change_with_the_next_period_comes_at_the_boundary_however_late_the_run(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await monthly(api, clock, "2026-03-10", quantity=3)
    await story.change(quantity=2)

    clock.now = parsed("2026-04-14")
    await run(database, clock)

    renewal = await story.invoice(2)
    assert (renewal["periodStart"], renewal["amountCents"]) == ("2026-04-10", 5800)
    assert await story.subscription("quantity pendingChange { quantity }") == {"quantity": 2, "pendingChange": None}


async def test_what_is_done_before_the_run_comes_bills_what_is_due_first(
    api: Api, database: Database, clock: TestClock
) -> None:
    story = await monthly(api, clock, "2026-03-10")
    clock.now = parsed("2026-04-25")

    upgrade = await story.change(quantity=2)
    report = await run(database, clock)

    assert report == Report()
    missed = await story.invoice(2)
    assert (missed["periodStart"], missed["amountCents"], missed["issuedAt"]) == ("2026-04-10", 2900, "2026-04-25")
    assert (upgrade["number"], [line["amountCents"] for line in upgrade["lines"]]) == (3, [-1450, 2900])
