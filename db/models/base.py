"""Base class of all tables, naming of constraints, column types by annotation, and common CHECK constraints."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Integer, MetaData, Table, Text, TextClause, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from billing.enums import ENUMS
from billing.ids import ID_TYPES
from billing.limits import MAX_CENTS, MAX_NET_DAYS
from db.models.types import DOCUMENTS, DocumentColumn, EnumText, Instant

BY_CODE_POINT = Text(collation="C")
"""Type of strings that lists are ordered by. Ordering by code point keeps cursors valid on every server."""


NO_TEST_CLOCK = text("test_clock_id IS NULL")
"""Condition of partial indexes for lists that exclude objects on test clocks."""


EMPTY_OBJECT = text("'{}'::jsonb")
"""Default of columns that older servers do not know."""

NO_PENDING_ENTRIES = {"fastupdate": "off"}
"""Storage parameters of GIN indexes. Otherwise each search would also scan a list of up to 4 MB of new entries."""


class Base(DeclarativeBase):
    """Base class of all tables. Maps `str` to `text`, `int` to `bigint` and `datetime` to `timestamptz`."""

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
        **{record: DocumentColumn(decode) for record, decode in DOCUMENTS.items()},
        dict[str, str]: JSONB(),
        list[str]: ARRAY(Text()),
        **{key: Uuid() for key in ID_TYPES},
        **{enum: EnumText(enum) for enum in ENUMS},
    }


class Versioned:
    """Columns of a mutable row. `version` increases by one with each change that clients can see."""

    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def is_set_in_real_time(column: str) -> TextClause:
    """Returns the condition of partial indexes for lists with a condition on `column`, without test-clock objects."""
    return text(f"{column} IS NOT NULL AND {NO_TEST_CLOCK.text}")


def table_of(model: type[Base]) -> Table:
    """Returns the table of a model, for statements that bypass the ORM."""
    table = model.__table__
    assert isinstance(table, Table), model
    return table


def mark_changed(row: Versioned, now: datetime) -> None:
    """Increments the version of `row` and sets its `updated_at` to `now`."""
    row.version += 1
    row.updated_at = now


def listed(values: Iterable[StrEnum]) -> str:
    """Returns the values as a SQL list: `'OPEN', 'PAID'`."""
    return ", ".join(f"'{value.value}'" for value in values)


def check_enum(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    """Returns a CHECK that a text column contains one of `values`."""
    return CheckConstraint(f"{column} IN ({listed(values)})", name=column)


def check_length(column: str, length: int) -> CheckConstraint:
    """Returns a CHECK that a text column is null or has 1 to `length` characters."""
    return CheckConstraint(f"char_length({column}) BETWEEN 1 AND {length}", name=column)


def check_amount(column: str, *, signed: bool) -> CheckConstraint:
    """Returns a CHECK that a column of cents is within `MAX_CENTS`, so that every JSON client reads it exactly.

    Negative amounts are allowed only if `signed`.
    """
    least = -MAX_CENTS if signed else 0
    return CheckConstraint(f"{column} BETWEEN {least} AND {MAX_CENTS}", name=column)


def currency_code() -> CheckConstraint:
    return CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency")


def days_to_pay() -> CheckConstraint:
    """Returns a CHECK that payment terms, in days, are between 0 and `MAX_NET_DAYS`."""
    return CheckConstraint(f"net_days BETWEEN 0 AND {MAX_NET_DAYS}", name="net_days")


def json_object(column: str) -> CheckConstraint:
    return CheckConstraint(f"jsonb_typeof({column}) = 'object'", name=column)
