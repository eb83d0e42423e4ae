"""Discounts of an invoice: the amounts that they take off its lines, and the billing periods that they use.

Pure: changes lines, and the discounts of an `Account`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from billing.account import Account
from billing.discounts import NOWHERE, AppliedDiscount, DiscountedPeriods, DiscountState
from billing.enums import EventType
from billing.ids import InvoiceLineId, SubscriptionId
from billing.money import PERCENT_UNITS, percent_units
from billing.new_records import Line
from billing.periods import Period
from billing.proration import share, split
from billing.rounding import rounded_once


def discount_lines(
    lines: Sequence[Line], discounts: Sequence[DiscountState], *, subscription_id: SubscriptionId | None, currency: str
) -> tuple[AppliedDiscount, ...]:
    """Sets the discount of each line, and returns the discounts that lowered any.

    Discounts that are limited to plans come first. Among these and among the others, percentages come before amounts,
    then earlier redemptions before later ones. Each is taken off what the previous ones left.
    """
    for line in lines:
        line.discount_cents = 0
    if not discounts:
        return ()
    left = amounts_to_discount(lines)
    applied = []
    for discount in sorted(discounts, key=lambda each: (not each.plan_ids, each.percent_off is None, each.id)):
        if discount.is_for_invoice(subscription_id, currency):
            taken = take_off(discount, lines, left, subscription_id)
            if taken.amount_cents:
                applied.append(taken)
    return tuple(applied)


def amounts_to_discount(lines: Sequence[Line]) -> dict[InvoiceLineId, int]:
    """Returns the amounts of the positive lines, each less the credits on this invoice that reverse it."""
    left = {line.id: line.amount_cents for line in lines if line.amount_cents > 0}
    for line in lines:
        if line.reverses_line_id in left:
            left[line.reverses_line_id] = max(0, left[line.reverses_line_id] + line.amount_cents)
    return left


def take_off(
    discount: DiscountState,
    lines: Sequence[Line],
    left: dict[InvoiceLineId, int],
    subscription_id: SubscriptionId | None,
) -> AppliedDiscount:
    """Takes a discount off what is `left` of the lines.

    Lines of the period that it covers already are discounted again: by an amount in proportion to the part of the
    period that the line is for. If it has periods left, the other lines are discounted together, as one more period.
    """
    again: list[Line] = []
    first: list[Line] = []
    for line in lines:
        if left.get(line.id) and discount.is_for_line(line.kind, line.plan_id):
            if discount.covers(subscription_id, line.period_ordinal):
                again.append(line)
            elif discount.has_periods_left:
                first.append(line)
    ordinals: list[int | None] = []
    taken = 0
    for group, cents in zip((again, first), cents_off(discount, again, first, left), strict=True):
        lowered = [line.period_ordinal for line, part in zip(group, cents, strict=True) if part]
        if lowered:
            ordinals.append(None if None in lowered else max(ordinal for ordinal in lowered if ordinal is not None))
        for line, part in zip(group, cents, strict=True):
            line.discount_cents += part
            left[line.id] -= part
            taken += part
    return AppliedDiscount(discount.id, discount.name, taken, tuple(ordinals))


def cents_off(
    discount: DiscountState, again: Sequence[Line], first: Sequence[Line], left: Mapping[InvoiceLineId, int]
) -> tuple[list[int], list[int]]:
    """Returns what a discount takes off the lines of `again` and of `first`: never more than what is `left` of each."""
    bases = [left[line.id] for line in [*again, *first]]
    if discount.percent_off is not None:
        units = percent_units(discount.percent_off)
        cents = rounded_once([base * units for base in bases], PERCENT_UNITS) if bases else []
        return cents[: len(again)], cents[len(again) :]
    assert discount.amount_off_cents is not None, "a discount has a percentage or an amount"
    parts = [min(left[line.id], part_of_amount(discount.amount_off_cents, line)) for line in again]
    bases = bases[len(again) :]
    return parts, split(min(discount.amount_off_cents, sum(bases)), bases) if bases else []


def part_of_amount(amount_off_cents: int, line: Line) -> int:
    """Returns the part of an amount for a whole period that a charge for a part of the period gets."""
    if line.whole_seconds is None or line.period_start is None or line.period_end is None:
        return amount_off_cents
    seconds = Period(line.period_start, line.period_end).seconds
    return share(amount_off_cents, min(seconds, line.whole_seconds), line.whole_seconds)


def count_uses(
    account: Account,
    applied: Sequence[AppliedDiscount],
    subscription_id: SubscriptionId | None,
    at: datetime,
    elsewhere: DiscountedPeriods = NOWHERE,
) -> None:
    """Counts the periods that the discounts of a new invoice use, except those that others use `elsewhere`."""
    for discount, ordinals in counted_uses(account, applied, elsewhere):
        for ordinal in ordinals:
            if not discount.covers(subscription_id, ordinal):
                discount.periods_used += discount.periods is not None
                last = discount.covered_ordinal if discount.covered_subscription_id == subscription_id else None
                if ordinal is not None and (last is None or ordinal > last):
                    discount.covered_subscription_id, discount.covered_ordinal = subscription_id, ordinal
        record_uses(account, discount, at)


def return_uses(
    account: Account,
    applied: Sequence[AppliedDiscount],
    subscription_id: SubscriptionId | None,
    at: datetime,
    elsewhere: DiscountedPeriods,
) -> None:
    """Returns the periods that the discounts of a void invoice used, except those that others use `elsewhere`."""
    for discount, ordinals in counted_uses(account, applied, elsewhere):
        for ordinal in ordinals:
            discount.periods_used -= discount.periods is not None
            if discount.covers(subscription_id, ordinal):
                discount.covered_subscription_id = discount.covered_ordinal = None
        record_uses(account, discount, at)


def counted_uses(
    account: Account, applied: Sequence[AppliedDiscount], elsewhere: DiscountedPeriods
) -> Iterator[tuple[DiscountState, list[int | None]]]:
    """Yields the discounts of an invoice, with the periods that only this invoice uses.

    Omits percentages for all periods: it makes no difference which periods they cover.
    """
    known = {discount.id: discount for discount in account.discounts}
    for each in applied:
        discount = known[each.discount_id]
        if discount.periods is not None or discount.percent_off is None:
            yield discount, [ordinal for ordinal in each.ordinals if (discount.id, ordinal) not in elsewhere]


def record_uses(account: Account, discount: DiscountState, at: datetime) -> None:
    """Stores the covered period. Adds an event if the number of used periods changed."""
    if discount.has_changed:
        account.record_change(EventType.DISCOUNT_UPDATED, discount, at)
    else:
        account.change_discount(discount)
