"""Scalars: what a value looks like on the wire, and what is refused before it reaches the database."""

import re
from datetime import UTC, datetime
from typing import NewType, cast
from uuid import UUID

import strawberry
from strawberry.types.scalar import ScalarDefinition

from billing.limits import MAX_CENTS
from graph.schema.fields.errors import bad_user_input

Cents = NewType("Cents", int)
Currency = NewType("Currency", str)

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
FIRST_YEAR, LAST_YEAR = 1900, 9998
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
UNSTORABLE_TEXT = "Text must not contain NUL characters or lone surrogates."
CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

NO_ID = UUID(int=0)
"""The nil UUID, which no row has: what an id that is no UUID stands for."""


def parse_id(text: str | None) -> UUID:
    """The key that an `ID` stands for; `NO_ID` for anything that is not a UUID."""
    return UUID(text) if text is not None and CANONICAL_UUID.fullmatch(text) else NO_ID


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep `text`: it holds no NUL character and no half of a surrogate pair."""
    return UNSTORABLE.search(text) is None


def parse_cents(value: object) -> Cents:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise bad_user_input("Cents must be a whole number of minor units.")
    if abs(value) > MAX_CENTS:
        raise bad_user_input(f"Cents must be between -{MAX_CENTS} and {MAX_CENTS}.")
    return Cents(int(value))


def parse_currency(value: object) -> Currency:
    if not isinstance(value, str):
        raise bad_user_input("Currency must be a string.")
    return Currency(value)


def parse_datetime(value: object) -> datetime:
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise bad_user_input("DateTime must be RFC 3339 with a zone, such as 2026-01-31T12:00:00Z.")
    try:
        instant = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_user_input(f"There is no such instant: {value}.") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise bad_user_input(f"DateTime must be between the years {FIRST_YEAR} and {LAST_YEAR}.")
    return instant.replace(microsecond=0)


def serialize_datetime(instant: datetime | str) -> str:
    """An instant, or the text that a row has for it, which is PostgreSQL's: `2026-01-31 12:00:00+00`."""
    if isinstance(instant, str):
        return f"{instant[:10]}T{instant[11:19]}Z"
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


TEXT_LENGTH = len("2026-01-31 12:00:00+00")


def serialize_datetimes(instants: list[str | None]) -> list[str | None]:
    """The same of many texts. All at once, which takes a tenth of the time: a large answer has thousands of them."""
    try:
        joined = "\n".join(cast("list[str]", instants))
    except TypeError:
        return [None if instant is None else serialize_datetime(instant) for instant in instants]
    # PostgreSQL's are longer only with parts of a second, and never shorter.
    if len(joined) != (TEXT_LENGTH + 1) * len(instants) - 1:
        return [serialize_datetime(cast("str", instant)) for instant in instants]
    return joined.replace(" ", "T").replace("+00", "Z").split("\n")  # type: ignore[return-value]


PLAIN_VALUES: dict[str, frozenset[type]] = {
    "Cents": frozenset({int}),
    "Currency": frozenset({str}),
    "DateTime": frozenset({str}),
}
"""Types of the values that a scalar need not serialize one by one: they are sent as they are, or `SENT_TOGETHER`."""

SENT_TOGETHER = {"DateTime": serialize_datetimes}

SCALARS: dict[object, ScalarDefinition] = {
    Cents: strawberry.scalar(
        name="Cents",
        description=(
            "An amount of money in whole minor units of the currency beside it (ISO 4217: 2900 is 29.00 EUR, 2900 "
            f"JPY, 2.900 KWD), as a JSON integer between -{MAX_CENTS} and {MAX_CENTS}."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=int,
        parse_value=parse_cents,
    ),
    Currency: strawberry.scalar(
        name="Currency",
        description="A currency that has a minor unit: the three-letter code of ISO 4217, in capitals, such as `EUR`.",
        specified_by_url="https://www.iso.org/iso-4217-currency-codes.html",
        serialize=str,
        parse_value=parse_currency,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "An instant in RFC 3339, such as `2026-01-31T12:00:00Z`. Always UTC and whole seconds in answers; in "
            f"inputs any offset, but never none, and the years {FIRST_YEAR} to {LAST_YEAR}; fractions of a second are "
            "cut off."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        serialize=serialize_datetime,
        parse_value=parse_datetime,
    ),
}
