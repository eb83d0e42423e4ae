"""Periods of a subscription follow each other without a gap or an overlap, in any calendar month."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.enums import PlanInterval
from billing.limits import MAX_INTERVAL_COUNT
from billing.periods import Interval, Period, billing_interval, nth_boundary
from tests.billing.accounts import nth_period

DAYS_30 = billing_interval(PlanInterval.DAY, 30)
WEEK = billing_interval(PlanInterval.WEEK, 1)
MONTH = billing_interval(PlanInterval.MONTH, 1)
YEAR = billing_interval(PlanInterval.YEAR, 1)

any_instants = st.integers(
    int(datetime(1999, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2105, 12, 31, tzinfo=UTC).timestamp())
).map(lambda second: datetime.fromtimestamp(second, UTC))
ends_of_months = st.builds(
    lambda instant, days_before: instant.replace(day=monthrange(instant.year, instant.month)[1] - days_before),
    any_instants,
    st.integers(0, 3),
)
leap_days = st.sampled_from([year for year in range(1999, 2106) if monthrange(year, 2)[1] == 29]).map(
    lambda year: datetime(year, 2, 29, 23, 59, 59, tzinfo=UTC)
)
anchors = any_instants | ends_of_months | leap_days
months = st.builds(
    billing_interval, st.just(PlanInterval.MONTH), st.integers(1, MAX_INTERVAL_COUNT[PlanInterval.MONTH])
)
years = st.builds(billing_interval, st.just(PlanInterval.YEAR), st.integers(1, MAX_INTERVAL_COUNT[PlanInterval.YEAR]))
intervals = st.sampled_from([DAYS_30, WEEK, MONTH, YEAR]) | st.sampled_from(PlanInterval).flatmap(
    lambda unit: st.integers(1, MAX_INTERVAL_COUNT[unit]).map(lambda number: billing_interval(unit, number))
)
ORDINALS = range(-2, 60)


def dates(anchor: datetime, interval: Interval, ordinals: range) -> list[str]:
    return [nth_boundary(anchor, interval, n).date().isoformat() for n in ordinals]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(anchors, intervals)
def test_each_period_begins_where_the_one_before_it_ends(anchor: datetime, interval: Interval) -> None:
    periods = [nth_period(anchor, interval, n) for n in ORDINALS]

    assert nth_period(anchor, interval, 0).start == anchor
    assert [period.start for period in periods[1:]] == [period.end for period in periods[:-1]]
    assert all(period.start < period.end for period in periods)


@given(anchors, intervals, st.sampled_from(ORDINALS), st.floats(0, 1, exclude_max=True))
def test_an_instant_lies_in_one_period(anchor: datetime, interval: Interval, n: int, part: float) -> None:
    periods = {number: nth_period(anchor, interval, number) for number in ORDINALS}
    at = periods[n].start + timedelta(seconds=int(periods[n].seconds * part))

    assert [number for number, period in periods.items() if at in period] == [n]


@given(anchors, st.integers(1, MAX_INTERVAL_COUNT[PlanInterval.DAY]), st.sampled_from(ORDINALS))
def test_a_period_of_days_has_exactly_so_many_seconds(anchor: datetime, number: int, n: int) -> None:
    period = nth_period(anchor, billing_interval(PlanInterval.DAY, number), n)

    assert (period.end - period.start).total_seconds() == period.seconds == number * 86_400


@given(anchors, st.integers(1, MAX_INTERVAL_COUNT[PlanInterval.WEEK]), st.sampled_from(ORDINALS))
def test_a_boundary_of_weeks_keeps_weekday_and_time(anchor: datetime, number: int, n: int) -> None:
    boundary = nth_boundary(anchor, billing_interval(PlanInterval.WEEK, number), n)

    assert (boundary - anchor) == n * number * timedelta(weeks=1)
    assert (boundary.weekday(), boundary.time()) == (anchor.weekday(), anchor.time())


@given(anchors, months | years)
def test_a_boundary_of_months_keeps_the_day_of_the_anchor_or_is_the_last_of_its_month(
    anchor: datetime, interval: Interval
) -> None:
    for n in ORDINALS:
        boundary = nth_boundary(anchor, interval, n)

        months_between = (boundary.year - anchor.year) * 12 + boundary.month - anchor.month
        assert months_between == n * interval.months
        assert boundary.day == min(anchor.day, monthrange(boundary.year, boundary.month)[1])
        assert boundary.time() == anchor.time()


@pytest.mark.parametrize(
    ("unit", "number", "interval"),
    [
        (PlanInterval.DAY, 30, Interval(days=30)),
        (PlanInterval.WEEK, 2, Interval(days=14)),
        (PlanInterval.MONTH, 3, Interval(months=3)),
        (PlanInterval.YEAR, 2, Interval(months=24)),
    ],
)
def test_a_week_is_seven_days_and_a_year_is_twelve_months(unit: PlanInterval, number: int, interval: Interval) -> None:
    assert billing_interval(unit, number) == interval


def test_what_is_left_of_a_span_is_all_before_it_and_nothing_after_it() -> None:
    span = Period(day("2026-01-01"), day("2026-01-31"))

    assert [
        span.seconds_left(at)
        for at in (day("2025-06-01"), span.start, span.end - timedelta(seconds=1), span.end, day("2026-06-01"))
    ] == [30 * 86_400, 30 * 86_400, 1, 0, 0]


def test_thirty_days_from_the_end_of_january() -> None:
    anchor = datetime(2026, 1, 31, 12, tzinfo=UTC)

    assert nth_period(anchor, DAYS_30, 0) == Period(anchor, datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("anchor", "interval", "expected"),
    [
        # Years that start on a leap day return to it every four years, but not in 2100, which is not a leap year.
        ("2024-02-29", YEAR, ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2096-02-29", YEAR, ["2096-02-29", "2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28"]),
        ("1999-12-31", MONTH, ["1999-12-31", "2000-01-31", "2000-02-29", "2000-03-31", "2000-04-30"]),
        ("2100-01-29", MONTH, ["2100-01-29", "2100-02-28", "2100-03-29", "2100-04-29", "2100-05-29"]),
        ("2023-11-30", Interval(months=3), ["2023-11-30", "2024-02-29", "2024-05-30", "2024-08-30", "2024-11-30"]),
    ],
)
def test_a_day_that_a_month_lacks_comes_back_in_the_next_that_has_it(
    anchor: str, interval: Interval, expected: list[str]
) -> None:
    assert dates(day(anchor), interval, range(5)) == expected


def test_case_a01_thirty_days_at_a_time() -> None:
    assert dates(day("2016-04-08"), DAYS_30, range(8)) == [
        *("2016-04-08", "2016-05-08", "2016-06-07", "2016-07-07", "2016-08-06", "2016-09-05", "2016-10-05"),
        "2016-11-04",
    ]


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("2027-01-31", ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        ("2028-01-31", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
    ],
)
def test_case_a04_months_from_january_31(anchor: str, expected: list[str]) -> None:
    assert dates(day(anchor), MONTH, range(4)) == expected


def test_case_a04_months_from_a_2nd_and_weeks_from_a_friday_stay_there() -> None:
    second, friday = day("2022-09-02"), day("2022-06-03")

    assert {nth_boundary(second, MONTH, n).day for n in ORDINALS} == {2}
    assert friday.isoweekday() == 5
    assert {nth_boundary(friday, WEEK, n).isoweekday() for n in ORDINALS} == {5}


def test_case_a05_months_from_december_31() -> None:
    assert dates(day("2022-12-31"), MONTH, range(1, 16)) == [
        *("2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30"),
        *("2023-07-31", "2023-08-31", "2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31"),
        *("2024-01-31", "2024-02-29", "2024-03-31"),
    ]


def test_case_a06_months_from_april_30_never_stay_on_a_28th() -> None:
    assert dates(day("2022-04-30"), MONTH, range(9, 24)) == [
        *("2023-01-30", "2023-02-28", "2023-03-30", "2023-04-30", "2023-05-30", "2023-06-30"),
        *("2023-07-30", "2023-08-30", "2023-09-30", "2023-10-30", "2023-11-30", "2023-12-30"),
        *("2024-01-30", "2024-02-29", "2024-03-30"),
    ]


def test_case_a07_periods_around_a_leap_day_tile() -> None:
    assert [nth_period(day("2024-01-31"), MONTH, n) for n in range(3)] == [
        Period(day("2024-01-31"), day("2024-02-29")),
        Period(day("2024-02-29"), day("2024-03-31")),
        Period(day("2024-03-31"), day("2024-04-30")),
    ]


def test_case_a17_thirty_days_are_as_many_seconds_when_the_clocks_change() -> None:
    anchor = datetime(2025, 3, 15, 12, tzinfo=UTC)

    periods = [nth_period(anchor, DAYS_30, n) for n in range(12)]

    assert {period.seconds for period in periods} == {30 * 86_400}
    assert {period.end.hour for period in periods} == {12}
    local_hours = {period.end.astimezone(ZoneInfo("Europe/Paris")).hour for period in periods}
    assert local_hours == {13, 14}
