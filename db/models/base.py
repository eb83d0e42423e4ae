"""What all tables share: names of constraints, column types by annotation, the columns of a mutable row."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from billing.ids import KEYS
from billing.limits import MAX_CENTS, MAX_NET_DAYS
from billing.records import Address, BillTo
from billing.words import WORDS
from db.models.types import AddressColumn, BillToColumn, Instant, Word

BY_CODE_POINT = Text(collation="C")
"""A text that lists are ordered by: by code point, so that a cursor means the same on every server."""


IN_THE_WORLD = text("test_clock_id IS NULL")
"""Of an index for lists, which leave out what lives in the time of a test clock."""


class Base(DeclarativeBase):
    """The base of all tables. A `str` is `text`, an `int` a `bigint`, a `datetime` a `timestamptz`."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        int: BigInteger(),
        UUID: Uuid(),
        datetime: Instant(),
        Address: AddressColumn(),
        BillTo: BillToColumn(),
        dict[str, str]: JSONB(),
        list[str]: ARRAY(Text()),
        **{key: Uuid() for key in KEYS},
        **{words: Word(words) for words in WORDS},
    }


class Versioned:
    """The columns of a row that changes: `version` goes up by one with each change that can be seen."""

    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def table_of(model: type[Base]) -> Table:
    """The table itself, for statements whose rows need not pass through the mapper."""
    table = model.__table__
    assert isinstance(table, Table), model
    return table


def changed(row: Versioned, now: datetime) -> None:
    """Marks `row` as changed at `now`."""
    row.version += 1
    row.updated_at = now


def listed(words: Iterable[StrEnum]) -> str:
    """Words as SQL lists them: `'OPEN', 'PAID'`."""
    return ", ".join(f"'{word.value}'" for word in words)


def one_of(column: str, words: Iterable[StrEnum]) -> CheckConstraint:
    """CHECK that a text column holds one of `words`."""
    return CheckConstraint(f"{column} IN ({listed(words)})", name=column)


def text_up_to(column: str, length: int) -> CheckConstraint:
    """CHECK that a text column, where it is not null, holds 1 to `length` characters."""
    return CheckConstraint(f"char_length({column}) BETWEEN 1 AND {length}", name=column)


def amount(column: str, *, signed: bool) -> CheckConstraint:
    """CHECK that a column of cents is one that every JSON client reads exactly."""
    least = -MAX_CENTS if signed else 0
    return CheckConstraint(f"{column} BETWEEN {least} AND {MAX_CENTS}", name=column)


def currency_code() -> CheckConstraint:
    return CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency")


def days_to_pay() -> CheckConstraint:
    """CHECK that the number of days between an invoice and its due date is at most `MAX_NET_DAYS`."""
    return CheckConstraint(f"net_days BETWEEN 0 AND {MAX_NET_DAYS}", name="net_days")


def json_object(column: str) -> CheckConstraint:
    return CheckConstraint(f"jsonb_typeof({column}) = 'object'", name=column)
