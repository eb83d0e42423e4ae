"""Discounts of invoices: what they take off, and the billing periods that they use."""

from collections.abc import Set
from datetime import datetime
from fractions import Fraction

from tests.walk.model.arithmetic import nearest, seconds, shared, split
from tests.walk.model.lines import Line
from tests.walk.model.world import Applied, Customer, Discount, Invoice, Subscription

Uses = Set[tuple[Discount, int | None]]
"""Discounts with the periods that they cover."""


def discount(customer: Customer, invoice: Invoice) -> None:
    """Sets the discounts of an invoice and of its lines. Each sees what the ones before it left."""
    left = {line: line.amount for line in invoice.lines if line.amount > 0}
    for line in invoice.lines:
        line.discount = 0
        if line.reverses in left:
            left[line.reverses] = max(0, left[line.reverses] + line.amount)
    charged = dict(left)
    invoice.discounts = []
    for each in sorted(customer.discounts, key=in_order):
        if is_for(each, invoice):
            taken = take_off(each, invoice, charged, left)
            if taken.amount:
                invoice.discounts.append(taken)


def in_order(each: Discount) -> tuple[bool, bool, int]:
    """Sorts discounts for plans first, then percentages before amounts, then by redemption."""
    return not each.coupon.plans, each.coupon.percent is None, each.number


def is_for(each: Discount, invoice: Invoice) -> bool:
    return (
        each.removed_at is None
        and each.subscription in (None, invoice.subscription)
        and each.coupon.currency in (None, invoice.currency)
    )


def is_for_line(each: Discount, line: Line) -> bool:
    if line.kind == "ONE_OFF":
        return each.subscription is None and not each.coupon.plans
    return not each.coupon.plans or line.plan in each.coupon.plans


def take_off(each: Discount, invoice: Invoice, charged: dict[Line, int], left: dict[Line, int]) -> Applied:
    """Takes a discount off what is left of the lines.

    Lines of the last period that it covers are lowered again. All others together use one period, if there is one left.
    """
    subscription = invoice.subscription
    fitting = [line for line in invoice.lines if left.get(line) and is_for_line(each, line)]
    again = [line for line in fitting if covers(each, subscription, line.ordinal)]
    first = [line for line in fitting if line not in again] if each.has_periods_left else []
    taken: dict[Line, int] = {}
    if each.coupon.percent is not None:
        share = Fraction(each.coupon.percent) / 100
        exact = {line: left[line] * share for line in fitting if line in again or line in first}
        taken = dict(zip(exact, split(nearest(sum(exact.values(), Fraction(0))), list(exact.values())), strict=True))
    elif each.coupon.amount is not None:
        taken = {line: min(left[line], part_of_amount(each.coupon.amount, line, charged[line])) for line in again}
        bases = [left[line] for line in first]
        if first:
            taken.update(zip(first, shared(min(each.coupon.amount, sum(bases)), bases), strict=True))
    for line, cents in taken.items():
        line.discount += cents
        left[line] -= cents
    uses = [highest(lowered) for group in (again, first) if (lowered := [line for line in group if taken[line]])]
    return Applied(each, sum(taken.values()), uses)


def covers(each: Discount, subscription: Subscription | None, ordinal: int | None) -> bool:
    return subscription is not None and ordinal is not None and each.last == (subscription, ordinal)


def highest(lines: list[Line]) -> int | None:
    """Returns the number of the latest period of these lines. None for those of a one-off invoice."""
    return max((line.ordinal for line in lines if line.ordinal is not None), default=None)


def part_of_amount(amount: int, line: Line, charged: int) -> int:
    """Returns the part of an amount for a line that bills a part of a period, less what credits took off it."""
    if line.whole is None or line.start is None or line.end is None:
        return amount
    return nearest(Fraction(amount * seconds(line.start, line.end), line.whole) * charged / line.amount)


def uses_elsewhere(customer: Customer, invoice: Invoice | None) -> Uses:
    """Returns what other invoices of the same subscription use. Void ones use nothing."""
    if invoice is None or invoice.subscription is None:
        return frozenset()
    return {
        (applied.discount, use)
        for other in customer.invoices
        if other is not invoice and other.subscription is invoice.subscription and other.is_owed
        for applied in other.discounts
        for use in applied.uses
    }


def count_uses(customer: Customer, invoice: Invoice, elsewhere: Uses, at: datetime) -> None:
    """Counts the periods that the discounts of a new invoice cover and that are not covered yet."""
    subscription = invoice.subscription
    for applied in invoice.discounts:
        each, before = applied.discount, applied.discount.used
        for use in applied.uses:
            if (each, use) in elsewhere or covers(each, subscription, use):
                continue
            each.used += 1
            if subscription is not None and use is not None and is_later(customer, each, subscription, use):
                each.last = subscription, use
        if each.used != before:
            note_use(customer, each, at)


def is_later(customer: Customer, each: Discount, subscription: Subscription, ordinal: int) -> bool:
    """Returns True if a period is after the last one that a discount covers."""
    if each.last is None:
        return True
    place = customer.subscriptions.index
    return (place(subscription), ordinal) > (place(each.last[0]), each.last[1])


def return_uses(customer: Customer, invoice: Invoice, at: datetime) -> None:
    """Returns the periods that only a void invoice covers."""
    elsewhere = uses_elsewhere(customer, invoice)
    for applied in invoice.discounts:
        each, before = applied.discount, applied.discount.used
        for use in applied.uses:
            if (each, use) not in elsewhere:
                each.used -= 1
                if covers(each, invoice.subscription, use):
                    each.last = None
        if each.used != before:
            note_use(customer, each, at)


def note_use(customer: Customer, each: Discount, at: datetime) -> None:
    if each.coupon.periods is not None:
        customer.note("DISCOUNT_UPDATED", each, at)
