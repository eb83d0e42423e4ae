"""MRR of customers over time, and the figures of the business by month, in exact fractions."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.walk.model.arithmetic import nearest
from tests.walk.model.discounting import covers, in_order
from tests.walk.model.lines import Line
from tests.walk.model.taxing import choose
from tests.walk.model.world import Customer, Discount, Invoice, Subscription, World

DAYS_OF_A_MONTH = Fraction(3_652_425, 120_000)


def settle(customer: Customer) -> None:
    """Counts the latest change of a customer's subscription or discounts, if it is not counted yet."""
    if customer.uncounted is not None:
        count(customer, customer.uncounted)


def count(customer: Customer, at: datetime) -> None:
    """Records the customer's MRR from `at` on, if it is not what it was. The end of a subscription has its own date."""
    customer.uncounted = None
    live = customer.live
    cents = recurring(customer, live, at) if live and live.status in ("ACTIVE", "PAST_DUE") else 0
    if customer.clock is None and cents != customer.mrr:
        ends = [each.ended_at for each in customer.subscriptions if each.ended_at is not None]
        since = at if live else max(ends)
        if customer.levels:
            since = max(since, customer.levels[-1][0])
        customer.levels.append((since, cents))


def recurring(customer: Customer, subscription: Subscription, at: datetime) -> int:
    """Returns the price of a subscription in an average month, after discounts and without taxes."""
    plan = subscription.plan
    price = Fraction(plan.amount * subscription.quantity)
    for each in sorted(customer.discounts, key=in_order):
        if lowers(each, subscription):
            percent = Fraction(each.coupon.percent or 0)
            price = max(Fraction(0), price * (1 - percent / 100) - (each.coupon.amount or 0))
    if plan.inclusive:
        line = Line("RECURRING", "", 0, 0, 1, plan, inclusive=True, rates=plan.tax_rates)
        choose(customer, Invoice("RECURRING", plan.currency, [line]), at)
        price /= 1 + sum((Fraction(tax.percent) for tax, _ in line.taxes), Fraction(0)) / 100
    unit, number = plan.length
    return nearest(price / number if unit == "MONTH" else price * DAYS_OF_A_MONTH / number)


def lowers(each: Discount, subscription: Subscription) -> bool:
    """Returns True for a discount that recurs and has not ended with an earlier period."""
    coupon = each.coupon
    return (
        each.removed_at is None
        and coupon.periods != 1
        and each.subscription in (None, subscription)
        and coupon.currency in (None, subscription.plan.currency)
        and (not coupon.plans or subscription.plan in coupon.plans)
        and (each.has_periods_left or covers(each, subscription, len(subscription.periods) - 1))
    )


def figures(world: World, currency: str, months: list[datetime]) -> dict[str, Any]:
    """Returns the figures of a currency, and of the months that start at these instants."""
    customers = [each for each in world.customers if each.clock is None and each.currency == currency]
    statuses = [each.live.status for each in customers if each.live]
    return {
        "currency": currency,
        "mrrCents": sum(each.mrr for each in customers),
        "activeSubscriptions": statuses.count("ACTIVE"),
        "trialing": statuses.count("TRIALING"),
        "pastDue": statuses.count("PAST_DUE"),
        "outstandingCents": sum(
            invoice.due for each in customers for invoice in each.invoices if invoice.status == "OPEN"
        ),
        "months": [month_figures(customers, start) for start in months],
    }


def month_figures(customers: list[Customer], start: datetime) -> dict[str, Any]:
    end = (start + timedelta(days=32)).replace(day=1)
    names = ("startMrr", "newMrr", "expansion", "contraction", "churned", "reactivated", "endMrr")
    sums = {f"{name}Cents": 0 for name in names}
    for customer in customers:
        earlier = [cents for since, cents in customer.levels if since < start]
        before = earlier[-1] if earlier else 0
        after = ([before] + [cents for since, cents in customer.levels if start <= since < end])[-1]
        if before == 0:
            kind = "reactivated" if any(earlier) else "newMrr"
        elif after == 0:
            kind = "churned"
        else:
            kind = "expansion" if after > before else "contraction"
        sums[f"{kind}Cents"] += abs(after - before)
        sums["startMrrCents"] += before
        sums["endMrrCents"] += after
    return {"month": f"{start:%FT%TZ}", **sums}
