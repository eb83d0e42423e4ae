"""Two concurrent operations on one customer have the same result as one of the two sequential orders.

Each pair runs on several twins: one for each order, and others on which both operations start at the same time.
Everything that is stored about the customer is compared, and the error codes of the responses.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import pytest

from billing.account import Account
from billing.changes import ChangeMode
from billing.enums import RunTrigger
from billing.subscribing import CancellationRequest, decide_cancellation
from db.database import Database
from db.models import Plan
from services.demo.accounts import DemoCustomer
from services.runs import Report, run_renewals
from tests.races.fingerprints import Fingerprint, assert_sound, differences, fingerprints
from tests.races.lives import a_newcomer, a_subscriber, store_customers, store_plans, stored_plans
from tests.support import NOW, Api, a_plan

LIVES = 20
RACES = 5
"""Number of concurrent runs of each pair. With `LIVES` pairs, a test has a hundred races."""

PAIRS_AT_ONCE = 5

Codes: TypeAlias = tuple[str | None, ...]
"""Error code of each step, or None if it was accepted."""

Outcome: TypeAlias = tuple[Codes, Fingerprint]

Made = TypeVar("Made")


@dataclass(frozen=True)
class Step:
    """Mutation and a function that builds its input from an account."""

    mutation: str
    fields: Callable[[Account], dict[str, Any]]


ARCHIVING = Step("archiveCustomer", lambda account: {"id": str(account.customer.id)})


@dataclass(frozen=True)
class Pair:
    """Two steps, and a function that creates any number of twins to run them on."""

    twin: Callable[[], DemoCustomer]
    first: Step
    second: Step


async def test_a_change_and_a_cancellation(api: Api, database: Database) -> None:
    plans = await stored_plans(database)

    def pair(seed: int) -> Pair:
        draw = random.Random(seed)
        return Pair(lambda: a_subscriber(seed, plans, behind=(0, 40)), a_change(draw, plans), a_cancellation(draw))

    await race(api, database, [pair(seed) for seed in range(LIVES)])


async def test_a_payment_and_a_void(api: Api, database: Database) -> None:
    plans = await stored_plans(database)

    def pair(seed: int) -> Pair:
        draw = random.Random(seed)
        return Pair(lambda: a_debtor(seed, plans), a_payment(draw), a_void(draw))

    await race(api, database, [pair(seed) for seed in range(1000, 1000 + LIVES)])


async def test_two_payments(api: Api, database: Database) -> None:
    plans = await stored_plans(database)

    def pair(seed: int) -> Pair:
        draw = random.Random(seed)
        return Pair(lambda: a_debtor(seed, plans), a_payment(draw), a_payment(draw))

    await race(api, database, [pair(seed) for seed in range(2000, 2000 + LIVES)])


async def test_two_payments_of_two_overdue_invoices_leave_nothing_past_due(api: Api, database: Database) -> None:
    plan = a_plan(net_days=2, created_at=NOW - timedelta(days=200), updated_at=NOW - timedelta(days=200))
    await store_plans(database, [plan])

    def debtor(seed: int) -> DemoCustomer:
        """Returns a customer with two overdue invoices."""
        return a_subscriber(seed, [plan], days=(34, 55), pays=0, eventful=False)

    def pair(seed: int) -> Pair:
        return Pair(lambda: debtor(seed), payment_of(0), payment_of(1))

    came_of_it = await race(api, database, [pair(seed) for seed in range(3000, 3005)])

    for codes, account in came_of_it:
        assert codes == (None, None)
        assert [subscription["status"] for subscription in account["subscriptions"]] == ["ACTIVE"]
        assert [invoice["status"] for invoice in account["invoices"]] == ["PAID", "PAID"]


async def test_two_subscriptions(api: Api, database: Database) -> None:
    plans = await more_plans(database)

    def pair(seed: int) -> Pair:
        draw = random.Random(seed)
        return Pair(lambda: a_comer(seed, plans), a_subscription(draw, plans), a_subscription(draw, plans))

    await race(api, database, [pair(seed) for seed in range(4000, 4000 + LIVES)])


async def test_a_subscription_and_the_archiving_of_its_customer(api: Api, database: Database) -> None:
    plans = await more_plans(database)

    def pair(seed: int) -> Pair:
        return Pair(lambda: a_comer(seed, plans), a_subscription(random.Random(seed), plans), ARCHIVING)

    await race(api, database, [pair(seed) for seed in range(5000, 5000 + LIVES)])


async def test_a_customer_session_and_the_archiving_of_its_customer(api: Api, database: Database) -> None:
    opening = Step("createCustomerSession", lambda account: {"customerId": str(account.customer.id)})

    came_of_it = await race(api, database, [Pair(a_newcomer, opening, ARCHIVING) for _ in range(LIVES)])

    for _, account in came_of_it:
        assert [key["expires_at"] for key in account["api_keys"] if key["revoked_at"] is None] == []


async def test_a_renewal_and_a_cancellation(api: Api, database: Database) -> None:
    plans = await stored_plans(database)
    steps = [a_cancellation(random.Random(seed)) for seed in range(LIVES)]
    renewed_first, canceled_first, *raced = (
        [a_due_subscriber(6000 + seed, plans) for seed in range(LIVES)] for _ in range(2 + RACES)
    )

    async def cancel(customers: Sequence[DemoCustomer]) -> list[Codes]:
        """Cancels in the order in which a run renews the customers."""
        numbers = sorted(range(len(customers)), key=lambda n: due_since(customers[n]))
        codes = await for_each(numbers, lambda n: done(api, customers[n], steps[n % LIVES]))
        return [codes[numbers.index(n)] for n in range(len(customers))]

    await store_customers(database, canceled_first)
    codes_of_canceled_first = await cancel(canceled_first)
    await store_customers(database, renewed_first)
    await renew(database)
    codes_of_renewed_first = await cancel(renewed_first)
    await renew(database)

    at_once = [made for customers in raced for made in customers]
    await store_customers(database, at_once)
    codes_at_once, _ = await asyncio.gather(cancel(at_once), renew(database, chunk_size=1))
    # A run skips customers whose row is locked by a cancellation. The next run renews those whose cancellation was
    # rejected.
    await renew(database)

    found = await fingerprints(database)
    compare(
        outcomes(found, renewed_first, codes_of_renewed_first),
        outcomes(found, canceled_first, codes_of_canceled_first),
        outcomes(found, at_once, codes_at_once),
    )
    await assert_sound(database)


async def test_two_renewals(database: Database) -> None:
    plans = await stored_plans(database)
    in_turn, raced = ([a_due_subscriber(7000 + seed, plans) for seed in range(300)] for _ in range(2))

    await store_customers(database, in_turn)
    at_first = await renew(database)
    assert await renew(database) == Report()

    await store_customers(database, raced)
    reports = await asyncio.gather(*(renew(database, chunk_size=size, concurrency=2) for size in (3, 7, 20)))

    assert at_first.renewed == 300
    assert sum(reports, Report()) == at_first
    assert all(report.renewed for report in reports), "none of them was alone"
    assert await renew(database) == Report()
    found = await fingerprints(database)
    for one, other in zip(in_turn, raced, strict=True):
        assert list(differences(found[one.customer.id], found[other.customer.id])) == []
    await assert_sound(database)


async def race(api: Api, database: Database, pairs: Sequence[Pair]) -> list[Outcome]:
    """Runs all pairs in both orders and `RACES` times concurrently, and compares the results.

    Returns the outcomes of the concurrent runs.
    """
    in_order, other_way, *raced = ([pair.twin() for pair in pairs] for _ in range(2 + RACES))
    racing = [made for customers in raced for made in customers]
    await store_customers(database, [*in_order, *other_way, *racing])

    async def one_by_one(n: int) -> Codes:
        pair = pairs[n]
        return (*await done(api, in_order[n], pair.first), *await done(api, in_order[n], pair.second))

    async def backwards(n: int) -> Codes:
        second = await done(api, other_way[n], pairs[n].second)
        return (*await done(api, other_way[n], pairs[n].first), *second)

    async def at_once(n: int) -> Codes:
        pair = pairs[n % len(pairs)]
        # Either step may arrive first.
        delays = random.Random(n).sample((0, 0.001), 2)
        first, second = await asyncio.gather(
            done(api, racing[n], pair.first, delays[0]), done(api, racing[n], pair.second, delays[1])
        )
        return (*first, *second)

    codes_in_order = await for_each(range(len(pairs)), one_by_one)
    codes_other_way = await for_each(range(len(pairs)), backwards)
    codes_at_once = await for_each(range(len(racing)), at_once)
    found = await fingerprints(database)
    came_of_it = outcomes(found, racing, codes_at_once)
    compare(outcomes(found, in_order, codes_in_order), outcomes(found, other_way, codes_other_way), came_of_it)
    await assert_sound(database)
    return came_of_it


def compare(in_order: Sequence[Outcome], other_way: Sequence[Outcome], raced: Sequence[Outcome]) -> None:
    """Asserts that each concurrent outcome equals that of one order, and that both orders occur."""
    wins = Counter[str]()
    for n, at_once in enumerate(raced):
        this, that = in_order[n % len(in_order)], other_way[n % len(in_order)]
        if at_once not in (this, that):
            pytest.fail("\n".join([f"Race {n}", *against(at_once, this), "or else", *against(at_once, that)]))
        if this != that:
            wins["in order" if at_once == this else "the other way"] += 1
    assert len(wins) == 2, wins


def against(outcome: Outcome, other: Outcome) -> list[str]:
    """Returns the differences between two outcomes."""
    return [f"{outcome[0]} and {other[0]}", *differences(outcome[1], other[1])]


def outcomes(found: dict[Any, Fingerprint], customers: Sequence[DemoCustomer], codes: Sequence[Codes]) -> list[Outcome]:
    return [(each, found[made.customer.id]) for made, each in zip(customers, codes, strict=True)]


async def for_each(numbers: Iterable[int], work: Callable[[int], Awaitable[Made]]) -> list[Made]:
    """Runs `work` for each number, started in this order, with limited concurrency."""
    places = asyncio.Semaphore(PAIRS_AT_ONCE)

    async def in_its_place(n: int) -> Made:
        async with places:
            return await work(n)

    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(in_its_place(n)) for n in numbers]
    return [task.result() for task in started]


async def done(api: Api, made: DemoCustomer, step: Step, delay: float = 0) -> Codes:
    """Sends a mutation and returns its error codes."""
    await asyncio.sleep(delay)
    payload = await api.mutate(step.mutation, "", **step.fields(made.account))
    return tuple(error["code"] for error in payload["userErrors"]) or (None,)


async def renew(database: Database, *, chunk_size: int = 500, concurrency: int = 1) -> Report:
    return await run_renewals(
        database, as_of=NOW, now=NOW, trigger=RunTrigger.SERVER, chunk_size=chunk_size, concurrency=concurrency
    )


async def more_plans(database: Database) -> list[Plan]:
    """Stores plans in two currencies, one of them with a trial."""
    long_ago = NOW - timedelta(days=200)
    dollars, trial = (
        a_plan(created_at=long_ago, updated_at=long_ago, **fields)
        for fields in ({"currency": "USD", "amount_cents": 3100}, {"trial_days": 14, "amount_cents": 1900})
    )
    await store_plans(database, [dollars, trial])
    return [*await stored_plans(database), dollars, trial]


def a_due_subscriber(seed: int, plans: Sequence[Plan]) -> DemoCustomer:
    """Returns a customer with at least one period to bill."""
    return a_subscriber(seed, plans, days=(45, 75), behind=(44, 44))


def due_since(made: DemoCustomer) -> datetime:
    boundary = made.account.known_subscription.next_billing_at
    assert boundary is not None, "what is live has a next boundary"
    return boundary


def a_debtor(seed: int, plans: Sequence[Plan]) -> DemoCustomer:
    """Returns a customer who has not paid any invoice."""
    return a_subscriber(seed, plans, days=(20, 75), pays=0)


def a_comer(seed: int, plans: Sequence[Plan]) -> DemoCustomer:
    """Returns a customer without a live subscription: a new one, or one whose subscription has ended."""
    draw = random.Random(seed)
    return a_newcomer() if draw.random() < 0.6 else a_former_subscriber(seed, plans[:5])


def a_former_subscriber(seed: int, plans: Sequence[Plan]) -> DemoCustomer:
    """Returns a customer whose subscription was canceled on the day before."""
    made = a_subscriber(seed, plans, behind=(1, 1))
    decide_cancellation(made.account, CancellationRequest(at_period_end=False), NOW - timedelta(hours=20))
    return made


def a_change(draw: random.Random, plans: Sequence[Plan]) -> Step:
    fields = {
        "planId": str(draw.choice(plans).id),
        "quantity": draw.randint(1, 4),
        "mode": draw.choice([None, *ChangeMode]),
    }
    return Step("changeSubscription", lambda account: {"id": str(account.known_subscription.id), **fields})


def a_cancellation(draw: random.Random) -> Step:
    at_period_end = draw.random() < 0.4
    settlement = "NONE" if at_period_end else draw.choice(("NONE", "CREDIT"))
    fields = {"atPeriodEnd": at_period_end, "settlement": settlement}
    return Step("cancelSubscription", lambda account: {"id": str(account.known_subscription.id), **fields})


def a_payment(draw: random.Random) -> Step:
    """Returns a payment of a part of the amount due, or more. It names one invoice, or goes to the oldest first."""
    share, more = draw.choice((0.3, 0.5, 1, 1)), draw.choice((0, 0, 0, 500))
    named, overpaid = draw.choice((None, None, 0, -1)), draw.random() < 0.6

    def fields(account: Account) -> dict[str, Any]:
        due = sum(invoice.amount_due_cents for invoice in account.unpaid)
        allocations = None if named is None else [{"invoiceId": str(account.unpaid[named].id)}]
        return {
            **money(account, max(1, round(due * share)) + more),
            "allocations": allocations,
            "allowOverpayment": overpaid,
        }

    return Step("recordPayment", fields)


def payment_of(place: int) -> Step:
    """Returns a payment of the full amount due of one unpaid invoice."""

    def fields(account: Account) -> dict[str, Any]:
        invoice = account.unpaid[place]
        return {**money(account, invoice.amount_due_cents), "allocations": [{"invoiceId": str(invoice.id)}]}

    return Step("recordPayment", fields)


def money(account: Account, amount_cents: int) -> dict[str, Any]:
    return {"customerId": str(account.customer.id), "amountCents": amount_cents, "currency": account.customer.currency}


def a_void(draw: random.Random) -> Step:
    place = draw.choice((0, -1))
    return Step("voidInvoice", lambda account: {"id": str(account.unpaid[place].id)})


def a_subscription(draw: random.Random, plans: Sequence[Plan]) -> Step:
    fields: dict[str, Any] = {"planId": str(draw.choice(plans).id), "quantity": draw.randint(1, 3)}
    if draw.random() < 0.2:
        fields["startAt"] = f"{NOW + timedelta(days=5):%FT%TZ}"
    if draw.random() < 0.2:
        fields["trialDays"] = 7
    return Step("createSubscription", lambda account: {"customerId": str(account.customer.id), **fields})
