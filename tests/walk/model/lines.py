"""Lines of the model, with their taxes and credits."""

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from tests.walk.model.shared import Plan, TaxRate, order


@dataclass(frozen=True)
class Tax:
    """A tax of a line: that of a rate, or one of 0 % that a customer's status or place decides."""

    name: str
    kind: str
    category: str | None
    percent: Fraction
    reason: str | None = None
    rate: TaxRate | None = None

    @property
    def group(self) -> object:
        """Taxes with the same value are computed together."""
        return (self.category, self.percent) if self.kind == "VAT" else self.rate


@dataclass(eq=False)
class Line:
    """A line. `id` is known once it is on an invoice."""

    kind: str
    description: str
    amount: int
    unit_amount: int
    quantity: int
    plan: Plan | None = None
    ordinal: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    reverses: "Line | None" = None
    change: int | None = None
    """Change that the line charges or credits, as a number of `order`."""
    whole: int | None = None
    """Seconds of the billed period of which a charge of a change bills the rest."""
    discount: int = 0
    inclusive: bool = False
    """True if the amount includes the taxes."""
    rates: tuple[TaxRate, ...] = ()
    """Rates that were chosen for the line or its plan."""
    taxes: list[tuple[Tax, int]] = field(default_factory=list)
    id: str | None = None
    made: int = field(default_factory=lambda: next(order))

    @property
    def discounted(self) -> int:
        return self.amount - self.discount

    @property
    def tax(self) -> int:
        return sum(cents for _, cents in self.taxes)

    @property
    def net(self) -> int:
        return self.discounted - self.tax if self.inclusive else self.discounted


@dataclass(eq=False)
class Credit:
    """A part of a line that a credit note credits: of its amount, its discount and its taxes."""

    line: Line
    amount: int
    discount: int = 0
    taxes: list[tuple[Tax, int]] = field(default_factory=list)

    @property
    def discounted(self) -> int:
        return self.amount - self.discount

    @property
    def tax(self) -> int:
        return sum(cents for _, cents in self.taxes)

    @property
    def net(self) -> int:
        return self.discounted - self.tax if self.line.inclusive else self.discounted

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(eq=False)
class Credited:
    """The credits of a line: by credit notes, on invoices, and pending ones."""

    notes: list[Credit] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    waiting: list[Line] = field(default_factory=list)

    @property
    def noted(self) -> int:
        """The part of the discounted amount that credit notes have credited."""
        return sum(credit.discounted for credit in self.notes)

    @property
    def given_back(self) -> int:
        """The part of the discounted amount that credits of unused time have given back."""
        return -sum(line.amount for line in (*self.lines, *self.waiting))


@dataclass(frozen=True)
class NewLine:
    """A line of a one-off invoice, as requested."""

    description: str
    unit_amount: int
    quantity: int
    inclusive: bool = False
    rates: tuple[TaxRate, ...] = ()
