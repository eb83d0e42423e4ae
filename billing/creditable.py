"""Parts of a finalized invoice that can still be credited, and the shares of discounts and taxes in a credit. Pure.

Each share is computed from the amounts of the line and from the total of its earlier credits. So the credits of a line
add up to exactly the line, regardless of their order and size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from billing.enums import TaxBehavior
from billing.ids import InvoiceLineId
from billing.proration import share
from billing.records import CreditedLine
from billing.taxes import LineTax, TaxAmount

TaxCents = Mapping[object, int]
"""Cents of tax by the key of their group: see `Tax.group`."""


@dataclass(frozen=True, slots=True)
class LineCredit:
    """A credit of a line: the part of its amount, of its discount, and of each of its taxes."""

    amount_cents: int
    discount_cents: int
    tax: LineTax | None

    @property
    def total_cents(self) -> int:
        """The amount that the customer gets: after the discount, with tax."""
        added = 0 if self.tax is None else self.tax.cents - self.tax.included_cents
        return self.amount_cents - self.discount_cents + added


@dataclass(slots=True)
class CreditableLine:
    """A line of a finalized invoice, and what was credited for it so far.

    The amounts with `noted_` are sums of its credit notes that are not void. `prorated_cents` is the sum of its
    proration credits, which are after discounts.
    """

    id: InvoiceLineId
    description: str
    amount_cents: int
    discount_cents: int = 0
    tax: LineTax | None = None
    noted_cents: int = 0
    noted_discount_cents: int = 0
    prorated_cents: int = 0
    credited_tax_cents: TaxCents = field(default_factory=dict)
    """Taxes of credit notes and proration credits together."""

    @property
    def _discounted_cents(self) -> int:
        return max(0, self.amount_cents - self.discount_cents)

    @property
    def _credited_cents(self) -> int:
        """The part of the discounted amount that was credited."""
        return self.noted_cents - self.noted_discount_cents + self.prorated_cents

    @property
    def _left_cents(self) -> int:
        """The part of the discounted amount that can still be credited. 0 for a line that is itself a credit."""
        return max(0, self._discounted_cents - self._credited_cents)

    @property
    def rest(self) -> LineCredit:
        """All that can still be credited."""
        return self._credit_of(self._left_cents)

    @property
    def creditable_cents(self) -> int:
        """The part of `amount_cents` that can still be credited."""
        return self.rest.amount_cents

    def credit(self, amount_cents: int) -> LineCredit:
        """Returns the credit of a part of `amount_cents`. At most `creditable_cents`."""
        if amount_cents == self.creditable_cents:
            return self.rest
        whole, before = self.amount_cents, self.noted_cents
        discount = share(self.discount_cents, min(whole, before + amount_cents), whole) - self.noted_discount_cents
        discount = min(max(0, discount, amount_cents - self._left_cents), amount_cents)
        return LineCredit(amount_cents, discount, self._tax_of(amount_cents - discount))

    def credit_total(self, total_cents: int) -> LineCredit:
        """Returns the credit of a total, with tax. At most that of `rest`."""
        rest = self.rest
        if total_cents == rest.total_cents:
            return rest
        discounted = share(self._left_cents, total_cents, rest.total_cents)
        while self._credit_of(discounted).total_cents < total_cents:
            discounted += 1
        while discounted and self._credit_of(discounted - 1).total_cents >= total_cents:
            discounted -= 1
        found = self._credit_of(discounted)
        return replace(found, tax=less_tax(found.tax, found.total_cents - total_cents))

    def _credit_of(self, discounted_cents: int) -> LineCredit:
        """Returns the credit of a part of the discounted amount."""
        if discounted_cents == 0:
            return LineCredit(0, 0, self._tax_of(0))
        whole = self._discounted_cents
        reached = self.noted_cents - self.noted_discount_cents + discounted_cents
        amount = share(self.amount_cents, min(whole, reached), whole) - self.noted_cents
        most_discount = self.discount_cents - self.noted_discount_cents
        amount = min(max(amount, discounted_cents), discounted_cents + most_discount)
        return LineCredit(amount, amount - discounted_cents, self._tax_of(discounted_cents))

    def _tax_of(self, discounted_cents: int) -> LineTax | None:
        """Returns the taxes of a credit of a part of the discounted amount."""
        if self.tax is None or not self.tax.amounts:
            return None
        reached, whole = self._credited_cents + discounted_cents, self._discounted_cents
        cents = [self._tax_share(tax, min(reached, whole), whole) for tax in self.tax.amounts]
        net = discounted_cents - (sum(cents) if self.tax.behavior is TaxBehavior.INCLUSIVE else 0)
        amounts = (
            replace(tax, taxable_cents=net, amount_cents=part)
            for tax, part in zip(self.tax.amounts, cents, strict=True)
        )
        return LineTax(self.tax.behavior, amounts=tuple(amounts))

    def _tax_share(self, tax: TaxAmount, reached: int, whole: int) -> int:
        before = self.credited_tax_cents.get(tax.group, 0)
        part = share(tax.amount_cents, reached, whole) - before if whole else 0
        return min(max(0, part), max(0, tax.amount_cents - before))


@dataclass(frozen=True, slots=True)
class Creditable:
    """A finalized invoice with the total `amount_cents`, and what was credited on it so far.

    `noted_cents` is the sum of its credit notes that are not void, `noted_rounding_cents` that of their rounding.
    `restorable_cents` is what the balance and credits paid on it and no credit note has returned yet.
    """

    amount_cents: int
    lines: Sequence[CreditableLine]
    noted_cents: int
    restorable_cents: int = 0
    rounding_cents: int = 0
    noted_rounding_cents: int = 0

    @property
    def creditable_cents(self) -> int:
        """The amount that can still be credited."""
        return max(0, min(self.amount_cents - self.noted_cents, self.lines_left_cents + self.rounding_left_cents))

    @property
    def lines_left_cents(self) -> int:
        """The amount of the lines that can still be credited, with tax and before rounding."""
        return sum(line.rest.total_cents for line in self.lines)

    @property
    def rounding_left_cents(self) -> int:
        """The rounding that a credit note over all that is left takes back.

        0 if a part of the invoice was prorated: the invoice of that credit is rounded by itself.
        """
        if any(line.prorated_cents for line in self.lines):
            return 0
        return self.rounding_cents - self.noted_rounding_cents

    def rounding_with(self, lines_cents: int) -> int:
        """Returns the rounding that a credit note over lines of `lines_cents` takes back: 0 unless these are all."""
        return self.rounding_left_cents if lines_cents == self.lines_left_cents else 0


def less_tax(tax: LineTax | None, cents: int) -> LineTax | None:
    """Returns the taxes with `cents` less in total. Where one more cent also means one more cent of tax, a total is in
    between, and the next credit of the line makes up for it.
    """
    if tax is None or cents == 0:
        return tax
    amounts = []
    for amount in reversed(tax.amounts):
        part = min(cents, amount.amount_cents)
        cents -= part
        amounts.append(replace(amount, amount_cents=amount.amount_cents - part))
    return replace(tax, amounts=tuple(reversed(amounts)))


def credited_taxes(tax: LineTax | None) -> dict[object, int]:
    """Returns the taxes of a credit by group, as positive amounts. Those of a credit line are negative."""
    return {amount.group: abs(amount.amount_cents) for amount in tax.amounts} if tax else {}


def sum_of_taxes(taxes: Iterable[TaxCents]) -> dict[object, int]:
    """Returns the sums of taxes, by group."""
    found: dict[object, int] = {}
    for each in taxes:
        for group, cents in each.items():
            found[group] = found.get(group, 0) + cents
    return found


def creditable_of(lines: Sequence[CreditedLine], restorable_cents: int = 0) -> Creditable:
    """Returns what can be credited on an invoice with these lines. It has at least one."""
    first = lines[0]
    return Creditable(
        amount_cents=first.total_cents,
        lines=list(map(creditable_line_of, lines)),
        noted_cents=first.invoice_noted_cents,
        restorable_cents=restorable_cents,
        rounding_cents=first.rounding_cents,
        noted_rounding_cents=first.noted_rounding_cents,
    )


def creditable_line_of(line: CreditedLine) -> CreditableLine:
    credited = sum_of_taxes(map(credited_taxes, (*line.noted_taxes, *line.prorated_taxes)))
    if line.pending_cents and line.tax is not None:
        # The taxes of a pending credit are not decided yet: this is what they will be, apart from rounding.
        whole = line.amount_cents - line.discount_cents
        for amount in line.tax.amounts:
            part = share(amount.amount_cents, min(line.pending_cents, whole), whole)
            credited[amount.group] = credited.get(amount.group, 0) + part
    return CreditableLine(
        id=line.id,
        description=line.description,
        amount_cents=line.amount_cents,
        discount_cents=line.discount_cents,
        tax=line.tax,
        noted_cents=line.noted_cents,
        noted_discount_cents=line.noted_discount_cents,
        prorated_cents=line.prorated_cents + line.pending_cents,
        credited_tax_cents=credited,
    )
