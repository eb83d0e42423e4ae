"""Periods tile time, whatever the calendar does."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.periods import Interval, Period, nth_boundary, nth_period, period_index

anchors = st.integers(
    int(datetime(1999, 12, 25, tzinfo=UTC).timestamp()), int(datetime(2101, 1, 5, tzinfo=UTC).timestamp())
).map(lambda second: datetime.fromtimestamp(second, UTC))
intervals = st.one_of(
    st.integers(1, 400).map(lambda days: Interval(days=days)), st.integers(1, 24).map(lambda n: Interval(months=n))
)
ORDINALS = range(-2, 60)


@given(anchors, intervals)
def test_each_period_begins_where_the_one_before_it_ends(anchor: datetime, interval: Interval) -> None:
    periods = [nth_period(anchor, interval, n) for n in ORDINALS]

    assert [period.start for period in periods[1:]] == [period.end for period in periods[:-1]]
    assert all(period.start < period.end for period in periods)


@given(anchors, intervals, st.sampled_from(ORDINALS), st.floats(0, 1, exclude_max=True))
def test_the_index_of_an_instant_is_that_of_its_period(
    anchor: datetime, interval: Interval, n: int, part: float
) -> None:
    period = nth_period(anchor, interval, n)
    inside = period.start + timedelta(seconds=int((period.end - period.start).total_seconds() * part))

    assert inside in period
    assert period_index(anchor, interval, inside) == n
    assert period_index(anchor, interval, period.start) == n
    assert period_index(anchor, interval, period.end - timedelta(seconds=1)) == n
    assert period_index(anchor, interval, period.end) == n + 1


@given(anchors, st.integers(1, 400), st.sampled_from(ORDINALS))
def test_a_period_of_days_has_exactly_so_many_seconds(anchor: datetime, days: int, n: int) -> None:
    period = nth_period(anchor, Interval(days=days), n)

    assert (period.end - period.start).total_seconds() == days * 86_400


@given(anchors, st.integers(1, 24), st.sampled_from(ORDINALS))
def test_a_boundary_of_months_keeps_the_day_of_the_anchor_or_is_the_last_of_its_month(
    anchor: datetime, months: int, n: int
) -> None:
    boundary = nth_boundary(anchor, Interval(months=months), n)

    is_last_of_month = (boundary + timedelta(days=1)).day == 1
    assert boundary.day == anchor.day or (boundary.day < anchor.day and is_last_of_month)
    assert boundary.time() == anchor.time()


def test_thirty_days_from_the_end_of_january() -> None:
    anchor = datetime(2026, 1, 31, 12, tzinfo=UTC)

    assert nth_period(anchor, Interval(days=30), 0) == Period(anchor, datetime(2026, 3, 2, 12, tzinfo=UTC))


def test_months_from_the_end_of_january_come_back_to_the_31st() -> None:
    anchor = datetime(2028, 1, 31, tzinfo=UTC)

    assert [nth_boundary(anchor, Interval(months=1), n).date().isoformat() for n in range(5)] == [
        "2028-01-31",
        "2028-02-29",
        "2028-03-31",
        "2028-04-30",
        "2028-05-31",
    ]


def test_years_from_a_leap_day_end_on_the_28th_of_common_years() -> None:
    anchor = datetime(2024, 2, 29, tzinfo=UTC)

    assert [nth_boundary(anchor, Interval(months=12), n).date().isoformat() for n in range(5)] == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]
