"""Discounts of an invoice: the amounts they take off its lines, and the billing periods they use.

Pure: changes lines, and the discounts of an `Account`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from billing.account import Account
from billing.discounts import NO_PERIODS, AppliedDiscount, DiscountedPeriods, DiscountState
from billing.enums import EventType
from billing.ids import InvoiceLineId, SubscriptionId
from billing.money import PERCENT_UNITS, percent_units
from billing.new_records import Line
from billing.periods import Period
from billing.proration import split
from billing.rounding import divide, rounded_once


def discount_lines(
    lines: Sequence[Line], discounts: Sequence[DiscountState], *, subscription_id: SubscriptionId | None, currency: str
) -> tuple[AppliedDiscount, ...]:
    """Sets the discount of each line. Returns the discounts that lowered at least one line, in the order applied.

    Discounts that are limited to plans apply first. Within each group, percentages apply before amounts, and earlier
    redemptions before later ones. Each applies to what the previous ones left.
    """
    for line in lines:
        line.discount_cents = 0
    if not discounts:
        return ()
    charged = charged_amounts(lines)
    left = dict(charged)
    applied = []
    for discount in sorted(discounts, key=attrgetter("place_in_order")):
        if discount.is_for_invoice(subscription_id, currency):
            taken = take_off(discount, lines, charged, left, subscription_id)
            if taken.amount_cents:
                applied.append(taken)
    return tuple(applied)


def charged_amounts(lines: Sequence[Line]) -> dict[InvoiceLineId, int]:
    """Returns the amounts of the positive lines, each less the credits on this invoice that reverse it."""
    charged = {line.id: line.amount_cents for line in lines if line.amount_cents > 0}
    for line in lines:
        if line.reverses_line_id in charged:
            charged[line.reverses_line_id] = max(0, charged[line.reverses_line_id] + line.amount_cents)
    return charged


def take_off(
    discount: DiscountState,
    lines: Sequence[Line],
    charged: Mapping[InvoiceLineId, int],
    left: dict[InvoiceLineId, int],
    subscription_id: SubscriptionId | None,
) -> AppliedDiscount:
    """Takes a discount off the amounts `left` of the `charged` amounts of the lines, and updates them.

    Lines of the period that it covers already are discounted again: a percentage is taken off in full, an amount is
    prorated to the part of the period that the line charges for. All other lines are discounted only if the discount
    has periods left, and use one period together.
    """
    covered: list[Line] = []
    others: list[Line] = []
    for line in lines:
        if left.get(line.id) and discount.is_for_line(line.kind, line.plan_id):
            if discount.covers(subscription_id, line.period_ordinal):
                covered.append(line)
            elif discount.has_periods_left:
                others.append(line)
    ordinals: list[int | None] = []
    taken = 0
    for group, cents in zip((covered, others), cents_off(discount, covered, others, charged, left), strict=True):
        lowered = [line.period_ordinal for line, part in zip(group, cents, strict=True) if part]
        if lowered:
            ordinals.append(None if None in lowered else max(ordinal for ordinal in lowered if ordinal is not None))
        for line, part in zip(group, cents, strict=True):
            line.discount_cents += part
            left[line.id] -= part
            taken += part
    return AppliedDiscount(discount.id, discount.name, taken, tuple(ordinals))


def cents_off(
    discount: DiscountState,
    covered: Sequence[Line],
    others: Sequence[Line],
    charged: Mapping[InvoiceLineId, int],
    left: Mapping[InvoiceLineId, int],
) -> tuple[list[int], list[int]]:
    """Returns the amounts to take off the lines of `covered` and of `others`: at most what is `left` of each."""
    bases = [left[line.id] for line in [*covered, *others]]
    if discount.percent_off is not None:
        units = percent_units(discount.percent_off)
        cents = rounded_once([base * units for base in bases], PERCENT_UNITS) if bases else []
        return cents[: len(covered)], cents[len(covered) :]
    assert discount.amount_off_cents is not None, "a discount has a percentage or an amount"
    amount = discount.amount_off_cents
    parts = [min(left[line.id], part_of_amount(amount, line, charged[line.id])) for line in covered]
    bases = bases[len(covered) :]
    return parts, split(min(amount, sum(bases)), bases) if bases else []


def part_of_amount(amount_off_cents: int, line: Line, charged_cents: int) -> int:
    """Returns the amount off a period, prorated to the part of the period that the line charges for.

    If a credit on the same invoice shortened that part, `charged_cents` is what is left of the line's amount.
    """
    if line.period_seconds is None or line.period_start is None or line.period_end is None:
        return amount_off_cents
    seconds = Period(line.period_start, line.period_end).seconds
    return divide(amount_off_cents * seconds * charged_cents, line.period_seconds * line.amount_cents)


def count_uses(
    account: Account,
    applied: Sequence[AppliedDiscount],
    subscription_id: SubscriptionId | None,
    at: datetime,
    elsewhere: DiscountedPeriods = NO_PERIODS,
) -> None:
    """Counts the periods that a new invoice's discounts use, except those that other invoices use (`elsewhere`)."""
    # Nothing is charged later for an ended subscription: its reissued invoices must not move the covered period.
    is_live = account.subscription is not None and account.subscription.is_live
    for discount, ordinals in counted_uses(account, applied, elsewhere):
        for ordinal in ordinals:
            if not discount.covers(subscription_id, ordinal):
                discount.periods_used += discount.periods is not None
                last = discount.covered_ordinal if discount.covered_subscription_id == subscription_id else None
                if is_live and ordinal is not None and (last is None or ordinal > last):
                    discount.covered_subscription_id, discount.covered_ordinal = subscription_id, ordinal
        record_uses(account, discount, at)


def give_back_uses(
    account: Account,
    applied: Sequence[AppliedDiscount],
    subscription_id: SubscriptionId | None,
    at: datetime,
    elsewhere: DiscountedPeriods,
) -> None:
    """Gives back the periods that a void invoice's discounts used, except those that other invoices use."""
    for discount, ordinals in counted_uses(account, applied, elsewhere):
        for ordinal in ordinals:
            discount.periods_used -= discount.periods is not None
            if discount.covers(subscription_id, ordinal):
                discount.covered_subscription_id = discount.covered_ordinal = None
        record_uses(account, discount, at)


def counted_uses(
    account: Account, applied: Sequence[AppliedDiscount], elsewhere: DiscountedPeriods
) -> Iterator[tuple[DiscountState, list[int | None]]]:
    """Yields the discounts of an invoice, each with the periods that no other invoice uses.

    Omits percentages for all periods, because nothing depends on the periods that they cover.
    """
    known = {discount.id: discount for discount in account.discounts}
    for each in applied:
        discount = known[each.discount_id]
        if discount.periods is not None or discount.percent_off is None:
            ordinals = [ordinal for ordinal in each.ordinals if (discount.id, ordinal) not in elsewhere]
            if ordinals:
                yield discount, ordinals


def record_uses(account: Account, discount: DiscountState, at: datetime) -> None:
    """Marks the discount to be stored. Adds an event if `periods_used` changed."""
    if discount.has_changed:
        account.record_change(EventType.DISCOUNT_UPDATED, discount, at)
    else:
        account.change_discount(discount)
