"""Column types: the conversion between PostgreSQL values and Python objects."""

from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from billing.records import Address, BillTo

Document = dict[str, Any]
"""A JSON object."""


class Instant(TypeDecorator[datetime]):
    """A `timestamptz`, in Python an aware `datetime` in UTC.

    Raises `ValueError` for a naive `datetime`, which the driver would interpret as the server's local time.
    """

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"an instant needs a time zone: {value!r}")
        return value


class EnumText(TypeDecorator[StrEnum]):
    """A member of an enum, stored as text. A CHECK constraint of the table restricts the values."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else self.enum(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.enum(value)


class TransactionId(UserDefinedType[int]):
    """An `xid8`, the 64-bit id of a transaction. In Python an `int`."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "xid8"


# Lets Alembic reflect tables that have an xid8 column.
ischema_names["xid8"] = TransactionId


class AddressColumn(TypeDecorator[Address]):
    """An `Address`, stored as a JSON object. Fields that are None are omitted."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Address | None, dialect: Dialect) -> Document | None:
        return None if value is None else address_document(value)

    def process_result_value(self, value: Document | None, dialect: Dialect) -> Address | None:
        return None if value is None else Address(**value)


class BillToColumn(TypeDecorator[BillTo]):
    """A `BillTo`, stored as a JSON object."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: BillTo | None, dialect: Dialect) -> Document | None:
        return None if value is None else bill_to_document(value)

    def process_result_value(self, value: Document | None, dialect: Dialect) -> BillTo | None:
        if value is None:
            return None
        address = value["address"]
        return BillTo(value["name"], value["email"], address and Address(**address), value["tax_id"])


def bill_to_document(bill_to: BillTo) -> Document:
    address = None if bill_to.address is None else address_document(bill_to.address)
    return {"name": bill_to.name, "email": bill_to.email, "address": address, "tax_id": bill_to.tax_id}


def address_document(address: Address) -> Document:
    lines = {line: getattr(address, line) for line in ADDRESS_LINES}
    return {line: text for line, text in lines.items() if text is not None}


ADDRESS_LINES = tuple(line.name for line in fields(Address))


def stored_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Returns the PostgreSQL type that one of our column types is stored as, or any other type unchanged."""
    return type_.impl_instance if isinstance(type_, TypeDecorator) else type_
