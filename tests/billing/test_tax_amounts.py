"""The arithmetic of taxes: groups, shares of lines and shares of credits, against exact fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.creditable import CreditableLine, LineCredit
from billing.enums import LineKind, TaxBehavior, TaxCategory, TaxKind
from billing.ids import CustomerId, InvoiceLineId, TaxRateId, new_id
from billing.new_records import Line
from billing.rounding import divide
from billing.taxes import LineTax, TaxAmount
from billing.totals import rounded_to, totals_of

RATES = [
    TaxAmount("VAT", TaxKind.VAT, TaxCategory.S, Decimal(19), rate_id=TaxRateId(new_id())),
    TaxAmount("Reduced", TaxKind.VAT, TaxCategory.S, Decimal("5.5"), rate_id=TaxRateId(new_id())),
    TaxAmount("Exempt", TaxKind.VAT, TaxCategory.E, Decimal(0), "Article 132", TaxRateId(new_id())),
]
SALES = [
    TaxAmount(f"Sales {percent}", TaxKind.SALES, None, Decimal(percent), rate_id=TaxRateId(new_id()))
    for percent in ("8.875", "2.125", "0.5", "100")
]


@st.composite
def line_taxes(draw: st.DrawFn) -> LineTax:
    vat = draw(st.lists(st.sampled_from(RATES), max_size=1))
    sales = draw(st.lists(st.sampled_from(SALES), max_size=3, unique=True))
    return LineTax(draw(st.sampled_from(TaxBehavior)), amounts=(*vat, *sales))


@st.composite
def lines(draw: st.DrawFn, least: int = -(10**7), most: int = 10**7) -> Line:
    amount = draw(st.integers(least, most))
    return Line(
        id=InvoiceLineId(new_id()),
        customer_id=CustomerId(new_id()),
        kind=LineKind.ONE_OFF,
        description="Work",
        plan_id=None,
        quantity=1,
        unit_amount_cents=amount,
        amount_cents=amount,
        period_ordinal=None,
        period_start=None,
        period_end=None,
        discount_cents=draw(st.integers(0, max(0, amount))),
        tax=draw(line_taxes()),
    )


def exact(line: Line, tax: TaxAmount) -> Fraction:
    """Returns the tax on a line as an exact fraction."""
    assert line.tax is not None
    base, percent = Fraction(line.amount_cents - line.discount_cents), Fraction(tax.percent)
    if line.tax.behavior is TaxBehavior.EXCLUSIVE:
        return base * percent / 100
    return base * percent / (100 + sum(Fraction(each.percent) for each in line.tax.amounts))


@given(st.lists(lines(), min_size=1, max_size=8))
def test_each_group_is_rounded_once_for_each_behavior_and_split_to_its_lines(found: list[Line]) -> None:
    totals = totals_of(found)

    for group in totals.taxes:
        members = [(line, tax) for line in found if line.tax for tax in line.tax.amounts if tax.group == group.group]
        for behavior in TaxBehavior:
            part = [(line, tax) for line, tax in members if line.tax and line.tax.behavior is behavior]
            whole = sum((exact(line, tax) for line, tax in part), start=Fraction(0))
            assert sum(tax.amount_cents for _, tax in part) == divide(whole.numerator, whole.denominator)
            assert all(abs(tax.amount_cents - exact(line, tax)) < 1 for line, tax in part)
        assert group.amount_cents == sum(tax.amount_cents for _, tax in members)
        assert group.taxable_cents == sum(line.net_cents for line, _ in members)
    assert totals.subtotal_cents == sum(line.net_cents for line in found)
    assert totals.discount_cents == sum(line.discount_cents for line in found)
    assert totals.tax_cents == sum(group.amount_cents for group in totals.taxes)
    assert totals.amount_cents == totals.subtotal_cents + totals.tax_cents


@given(st.integers(-(10**6), 10**6), st.integers(1, 100))
def test_totals_are_rounded_to_the_nearest_increment(cents: int, increment: int) -> None:
    rounded = rounded_to(cents, increment)

    assert rounded % increment == 0
    assert 2 * abs(rounded - cents) <= increment
    assert rounded_to(-cents, increment) == -rounded


@pytest.mark.parametrize(
    ("cents", "net", "tax"),
    [
        ((14080, 1616, 16764, 8874, 3675, 5650, 8334, 19031, 6421, 6446), 90891, 19087),  # X05
        ((1080, 760, 934, 1863), 4637, 974),  # X01
    ],
)
def test_cases_x01_and_x05_of_invoices_at_21_percent(cents: tuple[int, ...], net: int, tax: int) -> None:
    vat = TaxAmount("VAT", TaxKind.VAT, TaxCategory.S, Decimal(21))
    id_ = CustomerId(new_id())
    found = [
        Line(
            *(InvoiceLineId(new_id()), id_, LineKind.ONE_OFF, "Goods", None, 1, each, each, None, None, None),
            tax=LineTax(amounts=(vat,)),
        )
        for each in cents
    ]

    totals = totals_of(found)

    assert (totals.subtotal_cents, totals.tax_cents) == (net, tax)


def credited(line: CreditableLine, credit: LineCredit) -> None:
    """Counts a credit as credited."""
    line.noted_cents += credit.amount_cents
    line.noted_discount_cents += credit.discount_cents
    taxes = dict(line.credited_tax_cents)
    for tax in credit.tax.amounts if credit.tax else ():
        taxes[tax.group] = taxes.get(tax.group, 0) + tax.amount_cents
    line.credited_tax_cents = taxes


@given(lines(least=1), st.lists(st.tuples(st.booleans(), st.integers(1, 10**7)), max_size=6))
def test_credits_of_a_line_add_up_to_it_however_it_is_cut(line: Line, cuts: list[tuple[bool, int]]) -> None:
    totals_of([line])
    assert line.tax is not None
    creditable = CreditableLine(line.id, line.description, line.amount_cents, line.discount_cents, line.tax)
    total = line.net_cents + line.tax.cents
    assert creditable.rest.total_cents == total
    given_back = 0

    for by_total, cents in cuts:
        most = creditable.rest.total_cents if by_total else creditable.creditable_cents
        if most == 0:
            continue
        wanted = cents % most + 1
        credit = creditable.credit_total(wanted) if by_total else creditable.credit(wanted)
        assert (credit.total_cents if by_total else credit.amount_cents) == wanted
        assert 0 <= credit.discount_cents <= credit.amount_cents
        assert all(tax.amount_cents >= 0 for tax in (credit.tax.amounts if credit.tax else ()))
        credited(creditable, credit)
        given_back += credit.total_cents
        assert creditable.noted_discount_cents <= line.discount_cents
        assert creditable.noted_cents - creditable.noted_discount_cents <= line.discounted_cents
    rest = creditable.rest
    credited(creditable, rest)

    assert given_back + rest.total_cents == total
    assert creditable.rest.total_cents == 0
    assert creditable.noted_cents - creditable.noted_discount_cents == line.discounted_cents
    for tax in line.tax.amounts:
        assert creditable.credited_tax_cents.get(tax.group, 0) == tax.amount_cents


def test_case_n06_of_a_discount_and_a_tax() -> None:
    vat = TaxAmount("VAT", TaxKind.VAT, TaxCategory.S, Decimal(10))
    id_ = CustomerId(new_id())
    found = [
        Line(
            *(InvoiceLineId(new_id()), id_, LineKind.ONE_OFF, "Goods", None, 1, each, each, None, None, None),
            discount_cents=each // 10,
            tax=LineTax(amounts=(vat,)),
        )
        for each in (1000, 2000, 3000, 4000)
    ]
    assert totals_of(found).amount_cents == 9900

    credits_ = [
        CreditableLine(line.id, "", line.amount_cents, line.discount_cents, line.tax).credit(line.amount_cents)
        for line in found
    ]

    assert [credit.tax and credit.tax.cents for credit in credits_] == [90, 180, 270, 360]
    assert sum(credit.total_cents for credit in credits_[:2]) == 2970
    assert sum(credit.total_cents for credit in credits_[2:]) == 6930
