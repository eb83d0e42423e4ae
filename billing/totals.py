"""Amounts of the lines of an invoice: taxes by group, cash rounding and totals. Pure.

Tax is computed once for each group, and then split to its lines: EN 16931, BR-CO-14, BR-CO-17 and BR-S-08.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import lcm

from billing.discounts import AppliedDiscount
from billing.enums import TaxBehavior
from billing.money import PERCENT_UNITS, checked_cents, percent_units
from billing.new_records import Line
from billing.rounding import divide, rounded_once
from billing.taxes import LineTax, Tax, TaxAmount


@dataclass(frozen=True, slots=True)
class Totals:
    """The amounts of an invoice, in cents. `amount_cents` is the sum of subtotal, tax and rounding."""

    subtotal_cents: int
    discount_cents: int
    tax_cents: int
    rounding_cents: int
    amount_cents: int
    taxes: tuple[TaxAmount, ...]
    discounts: tuple[AppliedDiscount, ...]


def totals_of(
    lines: Sequence[Line], rounding_increment: int = 1, discounts: tuple[AppliedDiscount, ...] = ()
) -> Totals:
    """Computes the taxes of lines whose taxes and `discounts` are decided, and the totals. Raises `AmountOverflow`."""
    taxes = tax_lines(lines)
    subtotal = discount = tax = rounding = 0
    for line in lines:
        subtotal += line.net_cents
        discount += line.discount_cents
    for group in taxes:
        tax += group.amount_cents
    if rounding_increment > 1:
        rounding = rounded_to(subtotal + tax, rounding_increment) - subtotal - tax
    checked_cents(max(abs(subtotal), abs(tax)))
    return Totals(subtotal, discount, tax, rounding, checked_cents(subtotal + tax + rounding), taxes, discounts)


def tax_lines(lines: Sequence[Line]) -> tuple[TaxAmount, ...]:
    """Computes the tax of each group, splits it to the lines, and returns the groups in the order of their lines.

    Tax that is included in prices is rounded apart from tax that is added to them.
    """
    parts: dict[object, list[tuple[Line, TaxAmount]]] = {}
    for line in lines:
        if line.tax:
            for tax in line.tax.amounts:
                parts.setdefault((tax.group, line.tax.behavior), []).append((line, tax))
    if not parts:
        return ()
    shares: dict[tuple[object, object], int] = {}
    for part in parts.values():
        exact = [exact_tax(line, tax) for line, tax in part]
        whole = lcm(*(each for _, each in exact))
        rounded = rounded_once([cents * (whole // each) for cents, each in exact], whole)
        for (line, tax), cents in zip(part, rounded, strict=True):
            shares[line.id, tax.group] = cents
    for line in lines:
        if line.tax and line.tax.amounts:
            line.tax = LineTax(line.tax.behavior, line.tax.rate_ids, tuple(with_amounts(line, line.tax, shares)))
    return group_taxes([line.tax for line in lines])


def exact_tax(line: Line, tax: Tax) -> tuple[int, int]:
    """Returns the tax on a line before rounding, as a numerator and a denominator."""
    assert line.tax is not None, "a line with a tax"
    whole = PERCENT_UNITS
    if line.tax.behavior is TaxBehavior.INCLUSIVE:
        whole += sum(percent_units(each.percent) for each in line.tax.amounts)
    return line.discounted_cents * percent_units(tax.percent), whole


def with_amounts(line: Line, tax: LineTax, shares: dict[tuple[object, object], int]) -> Iterable[TaxAmount]:
    cents = [shares[line.id, each.group] for each in tax.amounts]
    net = line.discounted_cents - (sum(cents) if tax.behavior is TaxBehavior.INCLUSIVE else 0)
    return (
        TaxAmount(each.name, each.kind, each.category, each.percent, each.reason, each.rate_id, net, amount)
        for each, amount in zip(tax.amounts, cents, strict=True)
    )


def group_taxes(taxes: Iterable[LineTax | None]) -> tuple[TaxAmount, ...]:
    """Returns the sums of the taxes of lines, by group. Each group is named after its first line."""
    groups: dict[object, TaxAmount] = {}
    for amount in (amount for tax in taxes if tax for amount in tax.amounts):
        first = groups.get(amount.group)
        groups[amount.group] = (
            amount
            if first is None
            else replace(
                first,
                taxable_cents=first.taxable_cents + amount.taxable_cents,
                amount_cents=first.amount_cents + amount.amount_cents,
            )
        )
    return tuple(groups.values())


def rounded_to(cents: int, increment: int) -> int:
    """Rounds to a multiple of the increment, half away from zero."""
    return divide(cents, increment) * increment
