"""The arithmetic of discounts against exact fractions, and published cases with lines that the API does not combine."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing.discounting import discount_lines
from billing.discounts import AppliedDiscount, DiscountState
from billing.enums import LineKind, TaxBehavior, TaxKind
from billing.ids import CustomerId, DiscountId, InvoiceLineId, PlanId, SubscriptionId, TaxRateId, new_id
from billing.new_records import Line
from billing.periods import Period
from billing.proration import credit_due
from billing.rounding import divide
from billing.taxes import LineTax, TaxAmount
from billing.totals import totals_of
from tests.billing.accounts import JUNE, days

CUSTOMER = CustomerId(UUID(int=1))
SUBSCRIPTION = SubscriptionId(UUID(int=2))
PLANS = [PlanId(UUID(int=number)) for number in (3, 4)]
MONTH_SECONDS = 30 * 86_400
THIS_PERIOD, LAST_PERIOD = 5, 4


def a_line(
    cents: int,
    kind: LineKind = LineKind.RECURRING,
    *,
    plan_id: PlanId | None = PLANS[0],
    ordinal: int | None = THIS_PERIOD,
    seconds: int = MONTH_SECONDS,
    tax: LineTax | None = None,
) -> Line:
    return Line(
        id=InvoiceLineId(new_id()),
        customer_id=CUSTOMER,
        kind=kind,
        description="Pro",
        plan_id=plan_id,
        quantity=1,
        unit_amount_cents=cents,
        amount_cents=cents,
        period_ordinal=ordinal,
        period_start=JUNE,
        period_end=JUNE + timedelta(seconds=seconds),
        period_seconds=MONTH_SECONDS if kind is LineKind.PRORATION_CHARGE else None,
        tax=tax,
    )


def a_discount(
    number: int = 1,
    *,
    percent: str | None = None,
    cents: int | None = None,
    plan_ids: Sequence[PlanId] = (),
    periods: int | None = None,
    used: int = 0,
    covered: int | None = None,
    of_subscription: bool = True,
) -> DiscountState:
    return DiscountState(
        id=DiscountId(UUID(int=number)),
        customer_id=CUSTOMER,
        subscription_id=SUBSCRIPTION if of_subscription else None,
        name=f"discount {number}",
        percent_off=None if percent is None else Decimal(percent),
        amount_off_cents=cents,
        currency=None if cents is None else "EUR",
        periods=periods,
        plan_ids=plan_ids,
        periods_used=used,
        covered_subscription_id=None if covered is None else SUBSCRIPTION,
        covered_ordinal=covered,
        removed_at=None,
        version=1,
        updated_at=JUNE,
    )


def take_off(lines: Sequence[Line], *discounts: DiscountState, currency: str = "EUR") -> tuple[AppliedDiscount, ...]:
    return discount_lines(lines, discounts, subscription_id=SUBSCRIPTION, currency=currency)


def test_case_b06_the_credit_of_a_discounted_line_is_of_what_was_billed() -> None:
    """STRIPE-P, flexible: 1000 and 2000 with 500 off are billed at 833 and 1667. Half of 833 is credited: 417."""
    lines = [a_line(1000), a_line(2000)]
    take_off(lines, a_discount(cents=500))
    assert [line.discount_cents for line in lines] == [167, 333]

    span = Period(JUNE, JUNE + days(30))
    assert credit_due(lines[0].amount_cents - lines[0].discount_cents, 0, span, JUNE + days(15)) == 417


def test_case_e01_a_coupon_over_lines_with_several_taxes() -> None:
    def taxed(percent: int) -> LineTax:
        tax = TaxAmount(f"Tax {percent}", TaxKind.SALES, None, Decimal(percent), rate_id=TaxRateId(new_id()))
        return LineTax(TaxBehavior.EXCLUSIVE, amounts=(tax,))

    twenty = taxed(20)
    lines = [a_line(10_000, tax=taxed(10)), a_line(5000), a_line(3000, tax=twenty), a_line(2000, tax=twenty)]
    take_off(lines, a_discount(cents=1000))
    totals = totals_of(lines)

    assert [line.discount_cents for line in lines] == [500, 250, 150, 100]
    assert [line.tax.cents if line.tax else 0 for line in lines] == [950, 0, 570, 380]
    assert (totals.subtotal_cents, totals.tax_cents, totals.amount_cents) == (19_000, 1900, 20_900)


def test_case_k08_of_two_coupons_and_a_tax() -> None:
    """A coupon of 25 % for one of the lines, one of 1000 for the invoice, and 8.25 % on the rest: 577.5 is a tie."""
    tax = TaxAmount("Sales", TaxKind.SALES, None, Decimal("8.25"), rate_id=TaxRateId(new_id()))
    taxed = LineTax(TaxBehavior.EXCLUSIVE, amounts=(tax,))
    lines = [a_line(8000, tax=taxed), a_line(2000, plan_id=PLANS[1], tax=taxed)]
    take_off(lines, a_discount(1, percent="25", plan_ids=[PLANS[0]]), a_discount(2, cents=1000))
    totals = totals_of(lines)

    assert (totals.subtotal_cents, totals.tax_cents, totals.amount_cents) == (7000, 578, 7578)


def test_charges_of_the_covered_period_share_an_amount_by_time_and_others_by_their_amounts() -> None:
    last = a_line(9000, LineKind.PRORATION_CHARGE, ordinal=LAST_PERIOD, seconds=MONTH_SECONDS // 3)
    this = a_line(3000)
    credit = a_line(-1000, LineKind.PRORATION_CREDIT, ordinal=LAST_PERIOD)

    [applied] = take_off([credit, last, this], a_discount(cents=1000, periods=2, used=1, covered=LAST_PERIOD))

    assert [credit.discount_cents, last.discount_cents, this.discount_cents] == [0, 333, 1000]
    assert (applied.amount_cents, applied.ordinals) == (1333, (LAST_PERIOD, THIS_PERIOD))


def test_a_discount_that_is_used_up_lowers_only_the_covered_period() -> None:
    last, this = a_line(9000, LineKind.PRORATION_CHARGE, ordinal=LAST_PERIOD), a_line(3000)

    [applied] = take_off([last, this], a_discount(percent="10", periods=1, used=1, covered=LAST_PERIOD))

    assert [last.discount_cents, this.discount_cents] == [900, 0]
    assert applied.ordinals == (LAST_PERIOD,)


lines_of_invoices = st.lists(
    st.builds(
        lambda cents, kind, plan_id, ordinal, seconds: a_line(
            cents,
            kind,
            plan_id=None if kind is LineKind.ONE_OFF else plan_id,
            ordinal=None if kind is LineKind.ONE_OFF else ordinal,
            seconds=seconds,
        ),
        st.integers(-(10**6), 10**6),
        st.sampled_from([LineKind.RECURRING, LineKind.PRORATION_CHARGE, LineKind.ONE_OFF]),
        st.sampled_from(PLANS),
        st.sampled_from([LAST_PERIOD, THIS_PERIOD]),
        st.integers(1, MONTH_SECONDS),
    ),
    min_size=1,
    max_size=6,
)
some_discounts = st.lists(
    st.builds(
        lambda percent, cents, plan_ids, periods, used, covered, of_subscription: a_discount(
            percent=None if percent is None else str(percent),
            cents=cents if percent is None else None,
            plan_ids=plan_ids,
            periods=periods,
            used=used,
            covered=covered,
            of_subscription=of_subscription,
        ),
        st.none() | st.decimals(Decimal("0.0001"), 100, places=4),
        st.integers(1, 10**6),
        st.sampled_from([[], [PLANS[0]], PLANS]),
        st.none() | st.integers(1, 3),
        st.integers(0, 3),
        st.sampled_from([None, LAST_PERIOD, THIS_PERIOD]),
        st.booleans(),
    ),
    max_size=4,
)


@given(lines_of_invoices, some_discounts)
def test_discounts_agree_with_exact_fractions(lines: list[Line], discounts: list[DiscountState]) -> None:
    for number, discount in enumerate(discounts, start=1):
        discount.id = DiscountId(UUID(int=number))

    applied = {each.discount_id: each for each in take_off(lines, *discounts)}

    left = {line.id: max(0, line.amount_cents) for line in lines}
    for discount in sorted(
        discounts, key=lambda each: (0 if each.plan_ids else 1, 0 if each.percent_off is not None else 1, each.id)
    ):
        expected = expected_parts(discount, lines, left)
        found = applied.get(discount.id)
        assert (found.amount_cents if found else 0) == sum(expected.values())
        for line_id, cents in expected.items():
            left[line_id] -= cents
    assert [line.discount_cents for line in lines] == [max(0, line.amount_cents) - left[line.id] for line in lines]
    assert all(cents >= 0 for cents in left.values())


def rounded(amount: Fraction) -> int:
    return divide(amount.numerator, amount.denominator)


def expected_parts(
    discount: DiscountState, lines: Sequence[Line], left: dict[InvoiceLineId, int]
) -> dict[InvoiceLineId, int]:
    """Returns what a discount takes off each line, from the text of the rules."""
    again, first = [], []
    for line in lines:
        is_one_off = line.kind is LineKind.ONE_OFF
        suits = discount.subscription_id is None if is_one_off else True
        if discount.plan_ids and line.plan_id not in discount.plan_ids:
            suits = False
        if not suits or left[line.id] == 0:
            continue
        if line.period_ordinal is not None and line.period_ordinal == discount.covered_ordinal:
            again.append(line)
        elif discount.periods is None or discount.periods_used < discount.periods:
            first.append(line)
    if discount.percent_off is not None:
        percent = Fraction(discount.percent_off) / 100
        return largest_remainders([(line.id, left[line.id] * percent) for line in [*again, *first]])
    amount = discount.amount_off_cents
    assert amount is not None
    parts = {}
    for line in again:
        assert line.period_start is not None
        assert line.period_end is not None
        share = Fraction(1)
        if line.period_seconds:
            share = Fraction(int((line.period_end - line.period_start).total_seconds()), line.period_seconds)
        parts[line.id] = min(left[line.id], rounded(amount * share))
    whole = sum(left[line.id] for line in first)
    if whole:
        taken = min(amount, whole)
        parts |= largest_remainders([(line.id, Fraction(taken * left[line.id], whole)) for line in first])
    return parts


def largest_remainders(exact: Sequence[tuple[InvoiceLineId, Fraction]]) -> dict[InvoiceLineId, int]:
    """Splits the rounded sum of the fractions: each rounded down, then one more for the largest remainders."""
    parts = {line_id: int(fraction) for line_id, fraction in exact}
    missing = rounded(sum((fraction for _, fraction in exact), start=Fraction(0))) - sum(parts.values())
    by_remainder = sorted(range(len(exact)), key=lambda place: (int(exact[place][1]) - exact[place][1], place))
    for place in by_remainder[:missing]:
        parts[exact[place][0]] += 1
    return parts
