"""Parts of a line that can be credited, with their shares of its discount and taxes, in exact fractions.

Each share is rounded from the whole that is credited so far, so the credits of a line add up to exactly the line.
"""

from fractions import Fraction

from tests.walk.model.arithmetic import nearest
from tests.walk.model.lines import Credit, Credited, Line, Tax
from tests.walk.model.world import Invoice


def rest_of_line(invoice: Invoice, line: Line, credited: Credited) -> Credit:
    """Returns the credit of everything that is left of a line. Nothing is left of a draft or a void invoice."""
    if not invoice.is_owed:
        return Credit(line, 0)
    return credit_of_discounted(line, credited, left_of(line, credited))


def left_of(line: Line, credited: Credited) -> int:
    """Returns the part of the discounted amount that can still be credited."""
    return max(0, line.discounted - credited.noted - credited.given_back)


def credit_of_discounted(line: Line, credited: Credited, cents: int) -> Credit:
    """Returns the credit of a part of the discounted amount: as much of the amount as belongs to that part."""
    if cents == 0:
        return Credit(line, 0, 0, taxes_of(line, credited, 0))
    amount_before = sum(credit.amount for credit in credited.notes)
    discount_before = sum(credit.discount for credit in credited.notes)
    reached = min(line.discounted, credited.noted + cents)
    amount = nearest(Fraction(line.amount * reached, line.discounted)) - amount_before
    amount = min(max(amount, cents), cents + line.discount - discount_before)
    return Credit(line, amount, amount - cents, taxes_of(line, credited, cents))


def credit_of_amount(line: Line, credited: Credited, amount: int) -> Credit:
    """Returns the credit of a part of the amount before discounts."""
    left = left_of(line, credited)
    rest = credit_of_discounted(line, credited, left)
    if amount == rest.amount:
        return rest
    reached = min(line.amount, sum(credit.amount for credit in credited.notes) + amount)
    discount = nearest(Fraction(line.discount * reached, line.amount))
    discount -= sum(credit.discount for credit in credited.notes)
    discount = min(max(discount, 0, amount - left), amount)
    return Credit(line, amount, discount, taxes_of(line, credited, amount - discount))


def credit_of_total(line: Line, credited: Credited, total: int) -> Credit:
    """Returns the credit of a total with tax: the smallest part that reaches it, less the tax that is too much."""
    left = left_of(line, credited)
    rest = credit_of_discounted(line, credited, left)
    if total == rest.total:
        return rest
    fewest, most = 0, left
    while fewest < most:
        middle = (fewest + most) // 2
        if credit_of_discounted(line, credited, middle).total >= total:
            most = middle
        else:
            fewest = middle + 1
    found = credit_of_discounted(line, credited, fewest)
    too_much = found.total - total
    for place in reversed(range(len(found.taxes))):
        tax, cents = found.taxes[place]
        less = min(too_much, cents)
        found.taxes[place] = tax, cents - less
        too_much -= less
    return found


def taxes_of(line: Line, credited: Credited, cents: int) -> list[tuple[Tax, int]]:
    """Returns the taxes of a part of the discounted amount."""
    reached = min(line.discounted, credited.noted + credited.given_back + cents)
    found = []
    for tax, whole in line.taxes:
        before = credited_tax(line, credited, tax, whole)
        share = nearest(Fraction(whole * reached, line.discounted)) - before if line.discounted else 0
        found.append((tax, min(max(0, share), max(0, whole - before))))
    return found


def credited_tax(line: Line, credited: Credited, tax: Tax, whole: int) -> int:
    """Returns the part of a tax of a line that was credited so far. Pending credits have a share that is not rounded
    with others.
    """
    done = sum(
        abs(cents)
        for taxes in (*(credit.taxes for credit in credited.notes), *(line.taxes for line in credited.lines))
        for other, cents in taxes
        if other.group == tax.group
    )
    waits = min(line.discounted, -sum(other.amount for other in credited.waiting))
    return done + (nearest(Fraction(whole * waits, line.discounted)) if waits else 0)
