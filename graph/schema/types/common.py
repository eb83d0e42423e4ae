"""Fields, types and filters that several types share."""

from collections.abc import Mapping
from copy import copy
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, ClassVar

import orjson
import strawberry
from strawberry.types import get_object_definition

from billing import limits, records
from billing.errors import CurrencyUnknown, InvalidInput
from billing.validation import UNCHANGED, Unchanged, valid_currency, valid_metadata
from db.access.rows import JoinedRow, Row
from db.models import Base
from db.queries.conditions import Condition, Value
from graph.execution import ATTRIBUTE, READS
from graph.schema.fields.context import Info
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.payloads import Some, given
from graph.schema.fields.scalars import Currency, parse_id


def field(description: str, *, deprecation_reason: str | None = None) -> Any:
    """Declares a field that returns the row's column of the same name."""
    return strawberry.field(description=description, deprecation_reason=deprecation_reason)


def field_of(column: str, description: str, *, deprecation_reason: str | None = None) -> Any:
    """Declares a field that returns the row's column `column`."""
    value_of = attrgetter(column)

    def resolve(self: Any) -> Any:
        return value_of(self)

    return strawberry.field(
        resolver=resolve,
        description=description,
        deprecation_reason=deprecation_reason,
        metadata={ATTRIBUTE: column},
    )


@strawberry.interface(description="An object that can be fetched by its id with `node`.")
class Node:
    """Base class of the types whose objects are rows of one table, `row`."""

    row: ClassVar[type[Base]] = Base

    id: strawberry.ID = field("The object's id: a version 7 UUID, unique among all objects and safe to expose.")

    @classmethod
    def is_type_of(cls, source: object, _info: Info) -> bool:
        return isinstance(source, Row | JoinedRow) and source.model is cls.row


def describe(
    words: type[StrEnum],
    description: str,
    *,
    name: str | None = None,
    deprecated: Mapping[str, str] = {},
    **values_described: str,
) -> None:
    """Adds an enum to the schema, under its own name or `name`, with a description for each value.

    `deprecated` maps values to their deprecation reasons.
    """
    strawberry.enum(words, name=name, description=description)
    definition: Any = words.__strawberry_definition__  # type: ignore[attr-defined]
    assert values_described.keys() == {word.value for word in words}, f"describe each value of {words.__name__}"
    for value in definition.values:
        value.description = values_described[value.name]
        value.deprecation_reason = deprecated.get(value.name)


def describe_fields(declared: type, **descriptions: str) -> None:
    """Overrides the descriptions of fields that a class inherits."""
    fields = get_object_definition(declared, strict=True).fields
    for index, inherited in enumerate(fields):
        if inherited.python_name in descriptions:
            fields[index] = copy(inherited)
            fields[index].description = descriptions.pop(inherited.python_name)
    assert not descriptions, descriptions


@strawberry.type(description="A key-value pair of your own data, stored with an object and returned unchanged.")
class MetadataEntry:
    key: str = field(f"The key, unique within its object: 1 to {limits.MAX_METADATA_KEY} characters.")
    value: str = field(f"The value: at most {limits.MAX_METADATA_VALUE} characters.")


@strawberry.input(description="A key-value pair of your own data.")
class MetadataEntryInput:
    key: str = field(f"The key, unique within its object: 1 to {limits.MAX_METADATA_KEY} characters.")
    value: str = field(f"The value: at most {limits.MAX_METADATA_VALUE} characters.")


def metadata_field(*, deprecation_reason: str | None = None) -> Any:
    def resolve(self: Any, info: Info) -> list[MetadataEntry]:
        if info.context.access.customer_id is not None:
            return []
        return [MetadataEntry(key=key, value=value) for key, value in sorted(self.custom_metadata.items())]

    return strawberry.field(
        resolver=resolve,
        description=(
            f"Your own data, at most {limits.MAX_METADATA_PAIRS} pairs, sorted by key. Always empty in a"
            " customer session."
        ),
        deprecation_reason=deprecation_reason,
        metadata={READS: {"custom_metadata"}},
    )


def metadata_input_field(*, deprecation_reason: str | None = None) -> Any:
    return strawberry.field(
        default=None,
        description=f"Your own data, at most {limits.MAX_METADATA_PAIRS} pairs.",
        deprecation_reason=deprecation_reason,
    )


def new_metadata_field(*, deprecation_reason: str | None = None) -> Any:
    """Declares the metadata of an update: omitted, null, or the pairs that replace all others."""
    return strawberry.field(
        description=(
            f"The new metadata, at most {limits.MAX_METADATA_PAIRS} pairs. It replaces all existing pairs. Null"
            " removes all."
        ),
        deprecation_reason=deprecation_reason,
    )


def metadata_filter_field(kind: str) -> Any:
    return strawberry.field(
        default=None,
        description=(
            f"Only {kind} with all of these pairs in their metadata, at most {limits.MAX_METADATA_PAIRS}. Each key may"
            " appear only once. In a customer session, no item matches, because metadata is hidden."
        ),
    )


def metadata_of(entries: list[MetadataEntryInput] | None) -> Mapping[str, str] | None:
    """Returns the entries of an input as a mapping. Raises `InvalidInput` if a key appears twice."""
    if entries is None:
        return None
    pairs = {entry.key: entry.value for entry in entries}
    if len(pairs) != len(entries):
        raise InvalidInput("Each metadata key may appear only once.", "metadata")
    return pairs


def given_metadata(
    entries: Some[list[MetadataEntryInput] | None] | None,
) -> Mapping[str, str] | None | Unchanged:
    """Returns the metadata of an update, or `UNCHANGED` if it was omitted. Raises `InvalidInput` like `metadata_of`."""
    value = given(entries)
    return UNCHANGED if value is UNCHANGED else metadata_of(value)


@strawberry.type(description="A currency that the server accepts, with its minor unit (ISO 4217).")
class SupportedCurrency:
    code: Currency = field("The currency code, such as `EUR`.")
    minor_units: int = field(
        "Number of digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD. An amount of 1 in `Cents` is one"
        " unit of the last digit."
    )


@strawberry.type(description="A postal address. Omitted lines are null.")
class Address:
    line1: str | None = field("First address line, such as street and number.")
    line2: str | None = field("Second address line, such as floor, building or care of.")
    postal_code: str | None = field("Postal code, in the country's format.")
    city: str | None = field("City, town or village.")
    region: str | None = field("State, province or region.")
    country: str | None = field("Two-letter country code (ISO 3166-1 alpha-2), such as `DE`.")


@strawberry.input(
    description=(
        f"A postal address. Each line may have at most {limits.MAX_ADDRESS_LINE} characters. An empty line counts"
        " as omitted."
    )
)
class AddressInput:
    line1: str | None = strawberry.field(default=None, description="First address line, such as street and number.")
    line2: str | None = strawberry.field(
        default=None, description="Second address line, such as floor, building or care of."
    )
    postal_code: str | None = strawberry.field(default=None, description="Postal code, in the country's format.")
    city: str | None = strawberry.field(default=None, description="City, town or village.")
    region: str | None = strawberry.field(default=None, description="State, province or region.")
    country: str | None = strawberry.field(
        default=None, description="Two-letter country code (ISO 3166-1 alpha-2) in upper case, such as `DE`."
    )

    def value(self) -> records.Address:
        return records.Address(
            line1=self.line1,
            line2=self.line2,
            postal_code=self.postal_code,
            city=self.city,
            region=self.region,
            country=self.country,
        )


@strawberry.input(description="A half-open time range: `from` is included, `until` is excluded.")
class DateTimeRange:
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Start of the range, inclusive. No lower bound if omitted."
    )
    until: datetime | None = strawberry.field(
        default=None, description="End of the range, exclusive. No upper bound if omitted."
    )


# Parts of filters. A value of None adds no condition.


def id_is(column: str, value: strawberry.ID | None) -> tuple[Condition, ...]:
    return () if value is None else (Condition(column, "=", parse_id(value)),)


def equals(column: str, value: Value) -> tuple[Condition, ...]:
    return () if value is None else (Condition(column, "=", value),)


def has_metadata(pairs: list[MetadataEntryInput] | None) -> tuple[Condition, ...]:
    """Returns the condition for rows with all of these pairs. Raises a `BAD_USER_INPUT` error as `valid_metadata`."""
    try:
        valid = valid_metadata(metadata_of(pairs))
    except InvalidInput as error:
        raise bad_user_input(str(error)) from None
    return (Condition("custom_metadata", "has pairs", orjson.dumps(valid).decode()),) if valid else ()


def in_currency(code: str | None) -> tuple[Condition, ...]:
    """Returns the condition for rows in a currency. Raises a `BAD_USER_INPUT` error for an unknown currency code."""
    try:
        return equals("currency", None if code is None else valid_currency(code))
    except CurrencyUnknown as error:
        raise bad_user_input(str(error)) from None


def any_of(column: str, words: list[Any] | None) -> tuple[Condition, ...]:
    return () if words is None else (Condition(column, "in", tuple(words)),)


def is_set(column: str, wanted: bool | None) -> tuple[Condition, ...]:
    return () if wanted is None else (Condition(column, "is not null" if wanted else "is null"),)


def is_positive(column: str, wanted: bool | None) -> tuple[Condition, ...]:
    """Returns the condition for rows in which an amount that is never negative is above 0, or is 0."""
    return () if wanted is None else (Condition(column, "is positive" if wanted else "is zero"),)


def is_held(wanted: bool | None) -> tuple[Condition, ...]:
    """Returns the condition for subscriptions with a billing hold, or without one."""
    return () if wanted is None else (Condition("id", "is held" if wanted else "is not held"),)


def within(column: str, span: DateTimeRange | None) -> tuple[Condition, ...]:
    if span is None:
        return ()
    start = () if span.from_ is None else (Condition(column, ">=", span.from_),)
    end = () if span.until is None else (Condition(column, "<", span.until),)
    return (*start, *end)


@strawberry.type(description="A VAT number. A customer's number changes taxes only once it is verified.")
class TaxId:
    country: str = field("The country of the number (ISO 3166-1 alpha-2), such as `DE`.")
    value: str = field(
        "The number in its official format. Those of EU countries begin with the country, such as `DE136695976`."
    )
    verified_at: datetime | None = field("When `confirmTaxId` marked the number as verified. Null if not verified.")


@strawberry.type(
    description="The customer's billing details when the invoice was finalized or the credit note was issued."
)
class BillTo:
    name: str = field("The customer's name at that time.")
    email: str = field("The customer's e-mail address at that time.")
    address: Address | None = field("The customer's postal address at that time. Null if not set.")
    tax_id: str | None = field("The customer's tax id at that time. Null if not set.")
    tax_ids: list[TaxId] = field("The customer's VAT numbers at that time, verified or not.")
