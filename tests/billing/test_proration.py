"""Proration to the second, rounded to the cent."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.limits import MAX_CENTS
from billing.periods import Period
from billing.proration import credit_due, prorated, share

cents = st.integers(0, MAX_CENTS)
spans = st.tuples(st.integers(-(10**9), 10**10), st.integers(1, 10 * 366 * 86_400)).map(
    lambda drawn: Period(datetime.fromtimestamp(drawn[0], UTC), datetime.fromtimestamp(sum(drawn), UTC))
)


def nearest(exact: Fraction) -> int:
    """Rounds to the nearest integer, half away from zero."""
    magnitude = floor(abs(exact) + Fraction(1, 2))
    return magnitude if exact >= 0 else -magnitude


@st.composite
def instants_in(draw: st.DrawFn, span: Period) -> datetime:
    return span.start + timedelta(seconds=draw(st.integers(0, span.seconds)))


@given(st.integers(-MAX_CENTS, MAX_CENTS), st.data())
def test_a_share_is_the_exact_one_to_the_nearest_cent(amount: int, data: st.DataObject) -> None:
    whole = data.draw(st.integers(1, 10**9))
    part = data.draw(st.integers(0, whole))

    assert share(amount, part, whole) == nearest(Fraction(amount * part, whole))
    assert share(-amount, part, whole) == -share(amount, part, whole)


@pytest.mark.parametrize(
    ("amount", "part", "whole", "expected"),
    [
        (1, 1, 2, 1),  # half is rounded away from zero,
        (-1, 1, 2, -1),  # for negative amounts too,
        (3, 1, 2, 2),  # even where half-even would round towards zero,
        (5, 1, 2, 3),
        (-5, 1, 2, -3),
        (1, 49, 100, 0),
        (1, 51, 100, 1),
        (MAX_CENTS, 1, 2, (MAX_CENTS + 1) // 2),  # and without floating point.
    ],
)
def test_a_tie_is_rounded_away_from_zero(amount: int, part: int, whole: int, expected: int) -> None:
    assert share(amount, part, whole) == expected


@given(cents, spans, st.data())
def test_an_amount_falls_on_what_is_left_of_its_span_to_the_second(
    amount: int, span: Period, data: st.DataObject
) -> None:
    at = data.draw(instants_in(span))
    left, whole = (span.end - at) // timedelta(seconds=1), (span.end - span.start) // timedelta(seconds=1)

    assert prorated(amount, span, at) == nearest(Fraction(amount * left, whole))


@given(cents, spans, st.integers(0, 10**6))
def test_all_falls_on_a_span_to_come_and_nothing_on_one_that_is_over(amount: int, span: Period, seconds: int) -> None:
    assert prorated(amount, span, span.start - timedelta(seconds=seconds)) == amount
    assert prorated(amount, span, span.end + timedelta(seconds=seconds)) == 0


def test_nothing_falls_on_a_span_of_no_time() -> None:
    now = datetime(2025, 6, 1, tzinfo=UTC)

    assert prorated(1000, Period(now, now), now) == 0


@given(cents, spans, st.data())
def test_credits_at_earlier_and_earlier_instants_give_back_what_one_at_the_last_would(
    billed: int, span: Period, data: st.DataObject
) -> None:
    instants = sorted(data.draw(st.lists(instants_in(span), min_size=1, max_size=8)), reverse=True)

    credits_ = credited_in_turn(billed, span, instants)

    assert sum(credits_) == prorated(billed, span, instants[-1])
    assert min(credits_) >= 0


@given(cents, spans, st.data())
def test_in_whatever_order_a_line_is_credited_what_is_kept_and_what_was_given_back_are_what_was_billed(
    billed: int, span: Period, data: st.DataObject
) -> None:
    instants = data.draw(st.lists(instants_in(span), min_size=1, max_size=8))

    credits_ = credited_in_turn(billed, span, instants)

    kept = billed - sum(credits_)
    assert kept == billed - prorated(billed, span, min(instants))
    assert 0 <= kept <= billed
    assert min(credits_) >= 0


@given(cents, spans, st.data())
def test_a_line_that_was_credited_at_an_instant_is_not_credited_there_again(
    billed: int, span: Period, data: st.DataObject
) -> None:
    at = data.draw(instants_in(span))

    assert credited_in_turn(billed, span, [at] * 4) == [prorated(billed, span, at), 0, 0, 0]


@given(cents, spans)
def test_a_line_credited_from_its_first_second_on_is_given_back_as_a_whole(billed: int, span: Period) -> None:
    assert credit_due(billed, 0, span, span.start) == billed


def test_case_c02_a_published_tie_and_the_repair_of_a_later_month() -> None:
    first = Period(datetime(2016, 6, 10, tzinfo=UTC), datetime(2016, 7, 10, tzinfo=UTC))
    later = Period(datetime(2016, 7, 10, tzinfo=UTC), datetime(2016, 8, 10, tzinfo=UTC))

    assert Fraction(24995 * 9, 30) == Fraction("7498.5")
    assert prorated(24995, first, datetime(2016, 7, 1, tzinfo=UTC)) == 7499
    assert credit_due(24995, 0, later, datetime(2016, 8, 1, tzinfo=UTC)) == 7257


def test_case_c06_two_credits_of_one_line_add_up_to_it_and_repeating_them_adds_nothing() -> None:
    period = Period(datetime(2019, 4, 27, tzinfo=UTC), datetime(2019, 5, 27, tzinfo=UTC))
    paused, earlier = datetime(2019, 5, 3, tzinfo=UTC), period.start

    assert credited_in_turn(2995, period, [paused, earlier]) == [2396, 599]
    assert credited_in_turn(2995, period, [paused] * 4) == [2396, 0, 0, 0]


def test_case_c06_what_is_charged_again_in_two_parts_adds_up_to_the_whole() -> None:
    period = Period(datetime(2019, 4, 27, tzinfo=UTC), datetime(2019, 5, 27, tzinfo=UTC))
    resumed = datetime(2019, 5, 17, tzinfo=UTC)

    assert prorated(2995, period, resumed) == 998
    assert share(2995, (resumed - period.start).days, 30) == 1997


def credited_in_turn(billed: int, span: Period, instants: list[datetime]) -> list[int]:
    """Returns the credits of a line if it is credited at each of the instants in turn."""
    credits_: list[int] = []
    for at in instants:
        credits_.append(credit_due(billed, sum(credits_), span, at))
    return credits_
