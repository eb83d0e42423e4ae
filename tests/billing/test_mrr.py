"""Monthly recurring revenue of a subscription, and the movements of a customer."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.changes import ChangeMode, change_terms
from billing.discounts import DiscountState
from billing.enums import SubscriptionStatus, TaxBehavior, TaxCategory, TaxKind
from billing.figures import month_of
from billing.ids import CustomerId, DiscountId, PlanId, SellerId, TaxRateId, TestClockId
from billing.limits import MAX_CENTS
from billing.movements import CountedChange, MovementState, NewMovement
from billing.mrr import count, kinds_of_movement, movement_of, movements_of, recurring_cents
from billing.periods import Interval
from billing.renewals import end_subscription, renew
from billing.subscribing import CancellationRequest, decide_cancellation
from billing.taxes import LineTax, Tax, TaxRegistration, TaxRules
from tests.billing.accounts import JUNE, MONTH, WEEK, YEAR, an_account, days, some_terms, started

CALENDAR_MONTH = Fraction(3_652_425, 10_000) / 12 * 86_400
VAT = TaxRateId(UUID(int=900))


def rounded(amount: Fraction) -> int:
    """Rounds half away from zero, for amounts that are not negative."""
    return int(amount + Fraction(1, 2))


def a_discount(
    account: Account,
    number: int = 1,
    *,
    percent: str | None = None,
    cents: int | None = None,
    periods: int | None = None,
    used: int = 0,
    plan_ids: tuple[PlanId, ...] = (),
) -> DiscountState:
    return DiscountState(
        id=DiscountId(UUID(int=1000 + number)),
        customer_id=account.customer.id,
        subscription_id=None,
        name="Off",
        percent_off=None if percent is None else Decimal(percent),
        amount_off_cents=cents,
        currency=None if cents is None else "EUR",
        periods=periods,
        plan_ids=plan_ids,
        periods_used=used,
        covered_subscription_id=None,
        covered_ordinal=None,
        removed_at=None,
        version=1,
        updated_at=JUNE,
    )


def tax_rules(percent: str) -> TaxRules:
    rate = Tax("VAT", TaxKind.VAT, TaxCategory.S, Decimal(percent), rate_id=VAT)
    registration = TaxRegistration("DE", JUNE - days(1000), (VAT,))
    return TaxRules(SellerId(UUID(int=901)), "DE", (registration,), {}, {VAT: rate})


intervals = st.one_of(st.builds(Interval, days=st.integers(1, 3660)), st.builds(Interval, months=st.integers(1, 120)))


@given(
    unit=st.integers(0, MAX_CENTS // 1000),
    quantity=st.integers(1, 1000),
    interval=intervals,
    percents=st.lists(st.decimals("0.0001", "100", places=4), max_size=3),
    off=st.none() | st.integers(1, 10_000),
    included=st.none() | st.decimals("0", "100", places=4),
)
def test_mrr_is_one_fraction_rounded_once(
    unit: int,
    quantity: int,
    interval: Interval,
    percents: list[Decimal],
    off: int | None,
    included: Decimal | None,
) -> None:
    terms = some_terms(unit, interval, quantity=quantity)
    account = started(replace(terms, tax=LineTax(TaxBehavior.INCLUSIVE)) if included is not None else terms)
    account.discounts = [a_discount(account, place, percent=str(each)) for place, each in enumerate(percents)]
    if off is not None:
        account.discounts.append(a_discount(account, 9, cents=off))
    account.tax_rules = None if included is None else tax_rules(str(included))

    expected = Fraction(unit * quantity)
    for percent in percents:
        expected *= 1 - Fraction(percent) / 100
    expected = max(Fraction(0), expected - (off or 0))
    expected /= 1 + Fraction(included or 0) / 100
    seconds = CALENDAR_MONTH * interval.months if interval.months else Fraction(86_400 * interval.days)

    assert recurring_cents(account, JUNE) == rounded(expected * CALENDAR_MONTH / seconds)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param(some_terms(12_000, YEAR), 1000, id="a year"),
        pytest.param(some_terms(9000, Interval(months=3)), 3000, id="a quarter"),
        pytest.param(some_terms(2900, MONTH, quantity=5), 14_500, id="a quantity"),
        pytest.param(some_terms(2900, Interval(days=30)), 2942, id="30 days: 2900 × 30.436875 / 30 = 2942.2"),
        pytest.param(some_terms(250, WEEK), 1087, id="a week: 250 × 30.436875 / 7 = 1087.03"),
        pytest.param(some_terms(0), 0, id="free"),
    ],
)
def test_prices_count_by_the_average_month(terms: object, expected: int) -> None:
    assert recurring_cents(started(terms), JUNE) == expected  # type: ignore[arg-type]


def test_exclusive_taxes_do_not_count() -> None:
    account = started(replace(some_terms(10_000), tax=LineTax(TaxBehavior.EXCLUSIVE)))
    account.tax_rules = tax_rules("20")

    assert recurring_cents(account, JUNE) == 10_000


def test_an_inclusive_price_counts_without_its_taxes() -> None:
    account = started(replace(some_terms(11_900), tax=LineTax(TaxBehavior.INCLUSIVE)))
    account.tax_rules = tax_rules("19")

    assert recurring_cents(account, JUNE) == 10_000


def test_the_registration_at_that_time_decides_the_included_tax() -> None:
    account = started(replace(some_terms(11_900), tax=LineTax(TaxBehavior.INCLUSIVE)))
    account.tax_rules = tax_rules("19")
    before = account.tax_rules.registrations[0].valid_from - timedelta(seconds=1)

    assert recurring_cents(account, before) == 11_900


def test_a_discount_for_another_plan_does_not_count() -> None:
    account = started(some_terms(10_000))
    account.discounts = [a_discount(account, percent="10", plan_ids=(PlanId(UUID(int=5)),))]

    assert recurring_cents(account, JUNE) == 10_000


def test_percentages_apply_before_amounts() -> None:
    account = started(some_terms(10_000))
    account.discounts = [a_discount(account, 1, cents=1000), a_discount(account, 2, percent="10")]

    assert recurring_cents(account, JUNE) == 8000


def test_a_discount_for_a_single_period_does_not_count() -> None:
    account = started(some_terms(10_000))
    account.discounts = [a_discount(account, percent="50", periods=1)]

    assert recurring_cents(account, JUNE) == 10_000


def test_a_discount_counts_until_its_last_period_ends() -> None:
    account = an_account(some_terms(10_000))
    account.discounts = [a_discount(account, percent="50", periods=2)]
    renew(account, JUNE + days(70))

    assert [(change.at, change.mrr_cents) for change in account.counted_changes] == [
        (JUNE, 5000),
        (datetime(2025, 8, 1, tzinfo=UTC), 5000),
    ]


def test_a_removed_discount_no_longer_counts() -> None:
    account = started(some_terms(10_000))
    account.discounts = [a_discount(account, percent="50")]
    count(account, JUNE)
    removed = replace(account.discounts[0], removed_at=JUNE + days(1))
    account.changed_discounts[removed.id] = removed
    count(account, JUNE + days(1))

    assert [change.mrr_cents for change in account.counted_changes] == [10_000, -5000, 5000]


def test_on_a_test_clock_nothing_counts() -> None:
    account = an_account(some_terms(10_000))
    account.known_subscription.test_clock_id = TestClockId(UUID(int=77))
    renew(account, JUNE)

    assert account.counted_changes == []
    assert (account.known_subscription.mrr_cents, account.known_subscription.counted_status) == (None, None)


# Dates


def counted(account: Account) -> list[tuple[datetime, int, str]]:
    return [(change.at, change.mrr_cents, change.status) for change in account.counted_changes]


def test_a_trial_counts_from_its_end_however_late_the_run() -> None:
    account = an_account(some_terms(10_000), trial_end=JUNE + days(14))
    renew(account, JUNE)
    count(account, JUNE)
    renew(account, JUNE + days(20))

    assert counted(account) == [
        (JUNE, 0, SubscriptionStatus.TRIALING),
        (JUNE + days(14), 10_000, SubscriptionStatus.ACTIVE),
    ]


def test_a_renewal_that_changes_nothing_is_not_counted() -> None:
    account = started(some_terms(10_000))
    account.counted_changes.clear()
    account.unpaid.clear()
    renew(account, JUNE + days(32))

    assert account.counted_changes == []


def test_a_scheduled_change_counts_from_the_start_of_its_period() -> None:
    account = started(some_terms(10_000))
    account.unpaid.clear()
    change_terms(account, None, 2, mode=ChangeMode.PERIOD_END, at=JUNE + days(3))
    renew(account, JUNE + days(33))

    assert counted(account)[1:] == [(JUNE + days(30), 10_000, SubscriptionStatus.ACTIVE)]


def test_an_immediate_change_counts_from_the_instant_it_is_made() -> None:
    account = started(some_terms(10_000))
    change_terms(account, None, 3, mode=ChangeMode.NONE, as_of=JUNE + days(1), at=JUNE + days(5))

    assert counted(account)[1:] == [(JUNE + days(5), 20_000, SubscriptionStatus.ACTIVE)]


def test_the_end_counts_from_ended_at() -> None:
    account = started(some_terms(10_000))
    decide_cancellation(account, CancellationRequest(at_period_end=True), JUNE + days(5))
    renew(account, JUNE + days(40))

    assert counted(account)[1:] == [(JUNE + days(30), -10_000, SubscriptionStatus.CANCELED)]


def test_past_due_counts_and_keeps_its_mrr() -> None:
    account = started(some_terms(10_000, net_days=0))
    renew(account, JUNE + days(2))

    assert counted(account)[1:] == [(JUNE + days(2), 0, SubscriptionStatus.PAST_DUE)]
    assert account.known_subscription.mrr_cents == 10_000


# Movements

levels = st.lists(st.tuples(st.integers(0, 40), st.sampled_from((0, 0, 100, 150, 900))), min_size=1, max_size=30)


@given(levels)
def test_movements_of_a_month_are_one_of_a_kind(steps: list[tuple[int, int]]) -> None:
    """The sums of a month are those of an independent model that compares the MRR at the ends of months."""
    account = started(some_terms())
    at, mrr, last = JUNE, 0, None
    found: list[NewMovement] = []
    history: list[tuple[datetime, int]] = []
    for wait, level in steps:
        at += days(wait)
        change = CountedChange(at, level - mrr, SubscriptionStatus.ACTIVE, SubscriptionStatus.ACTIVE)
        last = movement_of(account, change, last)
        found.append(last)
        mrr = level
        history.append((at, level))

    sums: defaultdict[datetime, list[int]] = defaultdict(lambda: [0] * 5)
    for each in found:
        kinds = (each.new_cents, each.expansion_cents, each.contraction_cents, each.churned_cents)
        assert each.mrr_cents == kinds[0] + kinds[1] - kinds[2] - kinds[3] + each.reactivated_cents
        for place, cents in enumerate((*kinds, each.reactivated_cents)):
            sums[month_of(each.at)][place] += cents

    months = sorted({month_of(moment) for moment, _ in history})
    for month in months:
        earlier = [level for moment, level in history if moment < month]
        start = earlier[-1] if earlier else 0
        end = [level for moment, level in history if month_of(moment) <= month][-1]
        expected = dict.fromkeys(("new", "expansion", "contraction", "churned", "reactivated"), 0)
        if start == 0:
            expected["reactivated" if any(earlier) else "new"] = end
        elif end == 0:
            expected["churned"] = start
        else:
            expected["expansion" if end > start else "contraction"] = abs(end - start)
        assert sums[month] == [*expected.values()]


def test_a_movement_is_never_earlier_than_the_last_one() -> None:
    account = started(some_terms())
    last = MovementState(CustomerId(UUID(int=1)), 4, JUNE + days(9), 500, 0, JUNE)
    late = movement_of(account, CountedChange(JUNE + days(2), -500, "ACTIVE", SubscriptionStatus.CANCELED), last)

    assert (late.at, late.sequence, late.after_cents, late.active) == (JUNE + days(9), 5, 0, -1)
    assert (late.new_cents, late.churned_cents, late.first_at) == (-500, 0, JUNE)


def test_an_end_and_a_new_subscription_in_a_month_are_one_movement() -> None:
    account = started(some_terms(1000))
    last = MovementState(account.customer.id, 1, JUNE - days(40), 1000, 0, JUNE - days(40))
    account.counted_changes.clear()
    end_subscription(account, ended_at=JUNE + days(3), at=JUNE + days(3))
    count(account, JUNE + days(3))

    [end] = movements_of(account, last)
    start = movement_of(account, CountedChange(JUNE + days(9), 1200, None, SubscriptionStatus.ACTIVE), end)

    assert (end.churned_cents, start.churned_cents, start.expansion_cents) == (1000, -1000, 200)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_kinds_add_up(start: int, cents: int, returns: bool) -> None:
    new, expansion, contraction, churned, reactivated = kinds_of_movement(start, cents, returns=returns)

    assert start + new + expansion + reactivated - contraction - churned == cents
    assert sum(each != 0 for each in (new, expansion, contraction, churned, reactivated)) == (start != cents)
