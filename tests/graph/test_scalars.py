"""Serialization of scalars, one by one and in bulk."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.schema.fields.scalars import serialize_datetime, serialize_datetimes

INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def printed(instant: datetime) -> str:
    """Returns an instant as PostgreSQL prints it in UTC, with fractional seconds only if they are not zero."""
    return str(instant).replace("+00:00", "+00")


@given(st.lists(st.none() | INSTANTS.map(lambda instant: instant.replace(microsecond=0)) | INSTANTS))
def test_many_instants_are_what_each_of_them_is(instants: list[datetime | None]) -> None:
    said = [None if instant is None else printed(instant) for instant in instants]

    expected = [None if instant is None else serialize_datetime(instant) for instant in instants]
    assert serialize_datetimes(said) == expected
    assert [None if text is None else serialize_datetime(text) for text in said] == expected


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ("2026-01-31 12:00:00+00", "2026-01-31T12:00:00Z"),
        ("2026-01-31 12:00:00.25+00", "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T10:00:00Z"),
    ],
)
def test_an_instant_is_utc_in_whole_seconds(instant: datetime | str, text: str) -> None:
    assert serialize_datetime(instant) == text
