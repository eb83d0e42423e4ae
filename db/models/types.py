"""Column types: the conversion between PostgreSQL values and Python objects."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Dialect, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from billing.discounts import AppliedDiscount
from billing.enums import TaxBehavior, TaxCategory, TaxKind, TaxStatus
from billing.ids import DiscountId, TaxRateId
from billing.records import Address, BillTo
from billing.taxes import BankAccount, LineTax, TaxAmount, TaxId, TaxProfile, TaxRegistration

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


class Percentage(TypeDecorator[Decimal]):
    """A percentage with at most four decimals. The driver itself returns a `Decimal`."""

    impl = Numeric(7, 4)
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


class TransactionId(UserDefinedType[int]):
    """An `xid8`, the 64-bit id of a transaction. In Python an `int`."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "xid8"


# Lets Alembic reflect tables that have an xid8 column.
ischema_names["xid8"] = TransactionId


class DocumentColumn(TypeDecorator[Any]):
    """A record, or a tuple of records, stored as JSON. `document_of` encodes it, `decode` reads it."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        super().__init__()
        self.decode = decode

    def process_bind_param(self, value: object, dialect: Dialect) -> object:
        return None if value is None else document_of(value)

    def process_result_value(self, value: object, dialect: Dialect) -> object:
        return None if value is None else self.decode(value)


def document_of(value: object) -> object:
    """Returns the JSON value of a record. Fields of an address that are None are omitted, and so are no tax ids."""
    kind = type(value)
    if kind in PLAIN or isinstance(value, StrEnum):
        return value
    if kind is Address:
        return {line: text for line in ADDRESS_LINES if (text := getattr(value, line)) is not None}
    if isinstance(value, tuple | list):
        return list(map(document_of, value))
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | Decimal) else record_document(value, kind)


PLAIN = frozenset({str, int, bool, dict, type(None)})
"""Types whose values are JSON values already."""


def record_document(value: object, kind: type[Any]) -> Document:
    values = {name: getattr(value, name) for name in kind.__dataclass_fields__}
    if kind is BillTo and not values["tax_ids"]:
        del values["tax_ids"]
    return {name: document_of(part) for name, part in values.items()}


def bill_to_of(document: Document) -> BillTo:
    address = document["address"]
    tax_ids = tuple(map(tax_id_of, document.get("tax_ids") or ()))
    return BillTo(document["name"], document["email"], address and Address(**address), document["tax_id"], tax_ids)


def tax_amount_of(document: Document) -> TaxAmount:
    rate_id, category = document["rate_id"], document["category"]
    return TaxAmount(
        name=document["name"],
        kind=TaxKind(document["kind"]),
        category=category and TaxCategory(category),
        percent=Decimal(document["percent"]),
        reason=document["reason"],
        rate_id=rate_id and TaxRateId(UUID(rate_id)),
        taxable_cents=document["taxable_cents"],
        amount_cents=document["amount_cents"],
    )


def tax_amounts_of(documents: list[Document]) -> tuple[TaxAmount, ...]:
    return tuple(map(tax_amount_of, documents))


def line_tax_of(document: Document) -> LineTax:
    return LineTax(
        TaxBehavior(document["behavior"]), rate_ids_of(document["rate_ids"]), tax_amounts_of(document["amounts"])
    )


def applied_discounts_of(documents: list[Document]) -> tuple[AppliedDiscount, ...]:
    return tuple(
        AppliedDiscount(
            DiscountId(UUID(each["discount_id"])), each["name"], each["amount_cents"], tuple(each["ordinals"])
        )
        for each in documents
    )


def rate_ids_of(texts: list[str]) -> tuple[TaxRateId, ...]:
    return tuple(TaxRateId(UUID(text)) for text in texts)


def tax_id_of(document: Document) -> TaxId:
    verified_at = document["verified_at"]
    return TaxId(document["country"], document["value"], verified_at and datetime.fromisoformat(verified_at))


def tax_profile_of(document: Document) -> TaxProfile:
    return TaxProfile(
        TaxStatus(document["status"]),
        document["exemption_reason"],
        tuple(map(tax_id_of, document["ids"])),
        rate_ids_of(document["rate_ids"]),
    )


def registrations_of(documents: list[Document]) -> tuple[TaxRegistration, ...]:
    return tuple(
        TaxRegistration(
            each["country"],
            datetime.fromisoformat(each["valid_from"]),
            rate_ids_of(each["rate_ids"]),
            each["region"],
        )
        for each in documents
    )


def address_of(document: Document) -> Address:
    return Address(**document)


DOCUMENTS: dict[Any, Callable[[Any], Any]] = {
    Address: address_of,
    BillTo: bill_to_of,
    LineTax: line_tax_of,
    TaxProfile: tax_profile_of,
    tuple[TaxAmount, ...]: tax_amounts_of,
    tuple[AppliedDiscount, ...]: applied_discounts_of,
    tuple[TaxRegistration, ...]: registrations_of,
    BankAccount: lambda document: BankAccount(**document),
    tuple[TaxId, ...]: lambda documents: tuple(map(tax_id_of, documents)),
}
"""Records that are stored as JSON, and how to read them."""

ADDRESS_LINES = tuple(line.name for line in fields(Address))


def stored_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Returns the PostgreSQL type that one of our column types is stored as, or any other type unchanged."""
    return type_.impl_instance if isinstance(type_, TypeDecorator) else type_
