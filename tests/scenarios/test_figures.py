"""The figures of the business in real time: published cases, and years of changes against an independent model.

M01 is POLAR, `backoffice/merchant_migrations/test_mrr.py`; M03 is support.recurly.com; M05 is getlago/lago-api,
`app/models/analytics/mrr.rb`, whose documentation excludes tax.
"""
# ruff: noqa: N802 - names of tests contain the id of their case

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from db.database import Database
from services.ticks import tick
from tests.scenarios.story import Story, parsed
from tests.support import Api, TestClock, run

MONTH_FIELDS = (
    *("month", "startMrrCents", "newMrrCents", "expansionCents", "contractionCents", "churnedCents"),
    *("reactivatedCents", "endMrrCents", "invoicedCents", "collectedCents"),
)


async def figures(api: Api, selection: str) -> dict[str, Any]:
    """Returns the selected figures by currency."""
    data = await api(f"{{ analytics {{ currencies {{ currency {selection} }} }} }}")
    return {each.pop("currency"): each for each in data["analytics"]["currencies"]}


async def mrr(api: Api, at: str | None = None) -> int:
    argument = "" if at is None else f'(at: "{at}")'
    return int((await figures(api, f"mrrCents{argument}"))["EUR"]["mrrCents"])


async def months(api: Api, first: int) -> list[dict[str, Any]]:
    found = await figures(api, f"months(first: {first}) {{ {' '.join(MONTH_FIELDS)} }}")
    rows: list[dict[str, Any]] = found["EUR"]["months"]
    return rows


@pytest.mark.parametrize(
    ("plan", "quantity", "expected"),
    [
        pytest.param({"amountCents": 12_000, "interval": "YEAR", "intervalCount": 1}, 1, 1000, id="year"),
        pytest.param({"amountCents": 9000, "interval": "MONTH", "intervalCount": 3}, 1, 3000, id="quarter"),
        pytest.param({"amountCents": 2900, "interval": "MONTH", "intervalCount": 1}, 5, 14_500, id="quantity"),
    ],
)
async def test_case_M01_mrr_is_the_price_of_a_month(
    api: Api, plan: dict[str, Any], quantity: int, expected: int
) -> None:
    await api.a_subscription(plan_id=await api.a_plan(**plan), quantity=quantity)

    assert await figures(api, "mrrCents arrCents") == {"EUR": {"mrrCents": expected, "arrCents": 12 * expected}}


async def test_case_M03_mrr_is_the_same_on_each_day_of_a_period(api: Api, database: Database, clock: TestClock) -> None:
    clock.now = parsed("2026-03-29")
    await api.a_subscription(plan_id=await api.a_plan(amountCents=10_000, interval="MONTH", intervalCount=1))
    clock.now = parsed("2026-05-01")
    await tick(database, now=clock.now)

    assert await mrr(api, "2026-03-28T23:59:59Z") == 0
    days = [parsed("2026-03-29") + timedelta(days=number) for number in range(33)]
    assert [await mrr(api, f"{each:%FT%TZ}") for each in days] == [10_000] * 33


async def test_case_M05_mrr_is_without_tax(api: Api) -> None:
    seller = await api.mutate("updateSeller", "seller { id }", legalName="Example GmbH", homeCountry="DE")
    assert seller["userErrors"] == []
    rate = await api.mutate("createTaxRate", "taxRate { id }", name="VAT", kind="VAT", category="S", percent="20")
    rate_ids = [rate["taxRate"]["id"]]
    for behavior, amount_cents in (("EXCLUSIVE", 10_000), ("INCLUSIVE", 12_000)):
        plan = {"amountCents": amount_cents, "taxBehavior": behavior, "taxRateIds": rate_ids}
        plan_id = await api.a_plan(**plan, interval="MONTH", intervalCount=1)
        await api.a_subscription(plan_id=plan_id)

    assert await mrr(api) == 20_000
    assert (await months(api, 1))[0]["invoicedCents"] == 24_000


async def test_case_M07_start_and_movements_are_the_end_in_each_currency(
    api: Api, database: Database, clock: TestClock
) -> None:
    clock.now = parsed("2026-01-10")
    monthly = {"interval": "MONTH", "intervalCount": 1}
    plans = {code: await api.a_plan(amountCents=1000, currency=code, **monthly) for code in ("EUR", "USD")}
    stays, leaves, dollars = [await Story.in_real_time(api) for _ in range(3)]
    await stays.subscribe(plans["EUR"])
    await leaves.subscribe(plans["EUR"])
    await dollars.subscribe(plans["USD"])
    clock.now = parsed("2026-02-15")
    await run(database, clock)
    # Both changes are one movement of the month.
    await stays.change(quantity=5)
    clock.forward(days=1)
    await stays.change(quantity=3, mode="IMMEDIATE")
    await leaves.cancel(atPeriodEnd=False)
    clock.now = parsed("2026-04-01")
    await run(database, clock)
    await leaves.subscribe(plans["EUR"])

    names = "startMrrCents newMrrCents expansionCents contractionCents churnedCents reactivatedCents endMrrCents"
    found = await figures(api, f"months(first: 4) {{ {names} }}")

    table = {code: [tuple(row.values()) for row in each["months"]] for code, each in found.items()}
    assert table == {
        "EUR": [
            (0, 2000, 0, 0, 0, 0, 2000),
            (2000, 0, 2000, 0, 1000, 0, 3000),
            (3000, 0, 0, 0, 0, 0, 3000),
            (3000, 0, 0, 0, 0, 1000, 4000),
        ],
        "USD": [
            (0, 1000, 0, 0, 0, 0, 1000),
            *[(1000, 0, 0, 0, 0, 0, 1000)] * 3,
        ],
    }


async def test_customers_on_test_clocks_never_count(api: Api) -> None:
    story = await Story.begin(api, "2026-01-31")
    await story.subscribe(await api.a_plan())
    await story.pay(2900)
    await story.advance("2026-06-01")

    assert await figures(api, "mrrCents") == {}


# Years of changes


@dataclass
class Customer:
    """A customer in the model: the MRR from each instant on, as the tests know it."""

    story: Story
    levels: list[tuple[datetime, int]] = field(default_factory=list)
    live: bool = False
    price: Fraction = Fraction(0)
    ends_at: datetime | None = None
    paid: list[str] = field(default_factory=list)

    def set(self, at: datetime, cents: int) -> None:
        self.levels.append((at, cents))

    def at(self, at: datetime, *, or_then: bool) -> int:
        found = [cents for since, cents in self.levels if since < at or (or_then and since == at)]
        return found[-1] if found else 0


class Model:
    """The expected figures, from a list of levels for each customer and from the invoices and payments shown."""

    def __init__(self) -> None:
        self.customers: list[Customer] = []
        self.collected: defaultdict[datetime, int] = defaultdict(int)
        self.voided: defaultdict[datetime, int] = defaultdict(int)

    async def table(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns the table that must be shown for the months of `rows`."""
        invoiced: defaultdict[datetime, int] = defaultdict(int)
        for customer in self.customers:
            invoices = await customer.story.invoices()
            assert len(invoices) < 100
            for invoice in invoices:
                invoiced[month(parsed(invoice["issuedAt"]))] += invoice["amountCents"]
        return [self.row(parsed(row["month"]), invoiced) for row in rows]

    def row(self, start: datetime, invoiced: dict[datetime, int]) -> dict[str, Any]:
        end = month(start + timedelta(days=32))
        sums = dict.fromkeys(MONTH_FIELDS[1:8], 0)
        for customer in self.customers:
            before, after = customer.at(start, or_then=False), customer.at(end, or_then=False)
            had = any(cents for since, cents in customer.levels if since < start)
            kind = (
                ("reactivatedCents" if had else "newMrrCents")
                if before == 0
                else "churnedCents"
                if after == 0
                else "expansionCents"
                if after > before
                else "contractionCents"
            )
            sums[kind] += abs(after - before)
            sums["startMrrCents"] += before
            sums["endMrrCents"] += after
        money = {
            "invoicedCents": invoiced.get(start, 0) - self.voided[start],
            "collectedCents": self.collected[start],
        }
        return {"month": f"{start:%FT%TZ}", **sums, **money}


def month(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0)


PLANS = (
    ({"amountCents": 1000, "interval": "MONTH", "intervalCount": 1}, Fraction(1000)),
    ({"amountCents": 10_000, "interval": "YEAR", "intervalCount": 1}, Fraction(10_000, 12)),
    ({"amountCents": 700, "interval": "WEEK", "intervalCount": 2}, Fraction(700) * Fraction(3_652_425, 120_000) / 14),
)


def cents(price: Fraction, quantity: int) -> int:
    return int(price * quantity + Fraction(1, 2))


@pytest.mark.parametrize("seed", [1, 2])
async def test_three_years_agree_with_the_model(api: Api, database: Database, clock: TestClock, seed: int) -> None:
    draw = random.Random(seed)
    clock.now = parsed("2026-01-15")
    plans = [(await api.a_plan(**plan), price) for plan, price in PLANS]
    model = Model()
    for _ in range(6):
        model.customers.append(Customer(await Story.in_real_time(api)))
    for _ in range(70):
        clock.forward(days=draw.randrange(1, 25), seconds=draw.randrange(86_400))
        await tick(database, now=clock.now)
        customer = draw.choice(model.customers)
        if customer.ends_at is not None and customer.ends_at <= clock.now:
            customer.live, customer.ends_at = False, None
        await change_something(model, customer, plans, draw, clock)
    for customer in model.customers:
        if customer.ends_at is not None and customer.ends_at > clock.now:
            customer.levels.pop()

    rows = await months(api, 40)

    expected = await model.table(rows)
    assert rows == expected
    assert sum(row["reactivatedCents"] > 0 for row in rows) > 1
    await tick(database, now=clock.now)
    assert await months(api, 40) == expected
    for _ in range(20):
        at = parsed("2026-01-01") + timedelta(seconds=draw.randrange(3 * 365 * 86_400))
        assert await mrr(api, f"{at:%FT%TZ}") == sum(each.at(at, or_then=True) for each in model.customers)


async def change_something(
    model: Model, customer: Customer, plans: list[tuple[str, Fraction]], draw: random.Random, clock: TestClock
) -> None:
    """Lets a customer subscribe, change the quantity, cancel, pay, get money back, or have an invoice voided."""
    story, chance = customer.story, draw.random()
    if not customer.live:
        plan_id, customer.price = draw.choice(plans)
        quantity, trial = draw.randrange(1, 5), draw.choice((0, 0, 10))
        await story.subscribe(plan_id, quantity=quantity, trialEnd=None, trialDays=trial)
        customer.live = True
        customer.set(clock.now + timedelta(days=trial), cents(customer.price, quantity))
        if trial:
            # Nothing else happens to it in its trial.
            clock.forward(days=trial)
    elif chance < 0.3:
        quantity = draw.randrange(1, 9)
        before = (await story.subscription("quantity"))["quantity"]
        if quantity != before and customer.ends_at is None:
            await story.change(quantity=quantity, mode="IMMEDIATE")
            customer.set(clock.now, cents(customer.price, quantity))
    elif chance < 0.5 and customer.ends_at is None:
        at_period_end = draw.random() < 0.5
        await story.cancel(atPeriodEnd=at_period_end)
        ends_at = (await story.subscription("currentPeriodEnd"))["currentPeriodEnd"]
        customer.live, customer.ends_at = at_period_end, parsed(ends_at) if at_period_end else None
        customer.set(parsed(ends_at) if at_period_end else clock.now, 0)
    elif chance < 0.8:
        await pay_or_void(model, customer, draw, clock)


async def pay_or_void(model: Model, customer: Customer, draw: random.Random, clock: TestClock) -> None:
    story = customer.story
    unpaid = [each for each in await story.invoices() if each["status"] == "OPEN"]
    if customer.paid and draw.random() < 0.3:
        payment_id = customer.paid.pop()
        await story.do("reversePayment", "payment { id }", id=payment_id, amountCents=70, reason="Returned")
        model.collected[month(clock.now)] -= 70
    elif unpaid and draw.random() < 0.3:
        invoice = draw.choice(unpaid)
        payload = await story.api.mutate("voidInvoice", "invoice { id }", id=invoice["id"])
        if not payload["userErrors"]:
            model.voided[month(clock.now)] += invoice["amountCents"]
    else:
        received_at = clock.now - timedelta(days=draw.randrange(40))
        payload = await story.do(
            "recordPayment",
            "payment { id }",
            customerId=story.customer_id,
            amountCents=500,
            currency="EUR",
            allowOverpayment=True,
            receivedAt=f"{received_at:%FT%TZ}",
        )
        model.collected[month(received_at)] += 500
        if draw.random() < 0.3:
            customer.paid.append(payload["payment"]["id"])
