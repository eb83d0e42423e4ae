"""The seller, tax rates, and the taxes of invoices, lines, plans and customers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar

import strawberry

from billing import limits, taxes
from billing.enums import TaxBehavior, TaxCategory, TaxKind, TaxStatus
from billing.ids import TaxRateId
from billing.taxes import NO_PROFILE, UNTAXED
from billing.validation import UNCHANGED, Unchanged
from db import models
from db.access.reads import Reads
from db.queries.conditions import Condition
from db.queries.lookups import OneBy, tax_rates_by_id
from graph.execution import READS
from graph.schema.fields.context import Info
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.payloads import Some, given
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import Address, Node, TaxId, describe, field, is_set

describe(
    TaxKind,
    "The kind of a tax.",
    VAT="Value added tax, or goods and services tax. A line has at most one.",
    SALES="A sales tax. A line may have several, each on the same net amount.",
)
describe(
    TaxCategory,
    "The category of a VAT, by its code in EN 16931.",
    S="Standard: any rate above 0 %.",
    Z="Zero rated.",
    E="Exempt. The reason says why.",
    AE="Reverse charge: the customer owes the tax.",
    G="Export outside the European Union, not taxed.",
    O="Not subject to tax.",
)
describe(
    TaxStatus,
    "The tax status of a customer.",
    TAXABLE=(
        "Taxed. If a verified tax id of the customer is from another EU country than the seller's, the reverse charge"
        " applies."
    ),
    EXEMPT="Exempt from tax, for the reason `taxExemptionReason`.",
    REVERSE_CHARGE="Owes the tax itself.",
)
describe(
    TaxBehavior,
    "The tax treatment of prices.",
    EXCLUSIVE="Tax is added to the price.",
    INCLUSIVE="The price includes the tax.",
)


@strawberry.type(description="A tax on an invoice, a credit note, or a line, as of the time it was computed.")
class AppliedTax:
    name: str = field("The name of the tax, such as `VAT`.")
    kind: TaxKind = field("The kind of the tax.")
    category: TaxCategory | None = field("The category of a VAT. Null for a sales tax.")
    percent: Decimal = field("The percentage of `taxableCents`.")
    taxable_cents: Cents = field("The net amount that is taxed, in minor units.")
    amount_cents: Cents = field("The tax, in minor units.")
    reason: str | None = field("The reason why the tax is 0. Null if there is a tax, or no reason is needed.")


def read_taxes(description: str) -> Any:
    """Declares the taxes of an invoice or credit note, which may be null in the table."""

    def resolve(self: Any, info: Info) -> list[AppliedTax]:
        return counted(self.taxes or (), info)

    return strawberry.field(resolver=resolve, description=description, metadata={READS: {"taxes"}})


def counted(parts: Sequence[Any], info: Info) -> list[Any]:
    """Returns a list that is a part of a row. Charges what exceeds one item to the row budget of the request."""
    info.context.rows.give(max(0, len(parts) - 1))
    return list(parts)


def of_line(description: str, type_: Any, value: Callable[[Any], Any], *columns: str) -> Any:
    """Declares a field of a line that is computed from these columns."""

    def resolve(self: Any) -> Any:
        return value(self)

    resolve.__annotations__["return"] = type_
    return strawberry.field(resolver=resolve, description=description, metadata={READS: {*columns}})


def net_cents(line: Any) -> int:
    tax = line.tax or UNTAXED
    net: int = line.amount_cents - line.discount_cents - tax.included_cents
    return net


def line_taxes_field() -> Any:
    def resolve(self: Any, info: Info) -> list[AppliedTax]:
        return counted((self.tax or UNTAXED).amounts, info)

    return strawberry.field(
        resolver=resolve,
        description="The taxes of the line. Their sums over all lines are the taxes of the invoice.",
        metadata={READS: {"tax"}},
    )


def line_net_field() -> Any:
    return of_line(
        "The net amount, in minor units: `amountCents` less the discount and less the tax that it includes, if any.",
        Cents,
        net_cents,
        *("amount_cents", "discount_cents", "tax"),
    )


def behavior_field(description: str) -> Any:
    return of_line(description, TaxBehavior, lambda row: (row.tax or UNTAXED).behavior, "tax")


@strawberry.input(description="A VAT number. Its format is checked.")
class TaxIdInput:
    country: str = strawberry.field(description="The country of the number (ISO 3166-1 alpha-2), such as `DE`.")
    value: str = strawberry.field(
        description=f"The number, with or without the prefix of its country: at most {limits.MAX_TAX_ID} characters."
    )

    def as_record(self) -> taxes.TaxId:
        return taxes.TaxId(self.country, self.value)


@strawberry.type(
    description="A rate of a tax. It never changes. To change a rate, create another one and use that instead."
)
class TaxRate(Node):
    row: ClassVar = models.TaxRate

    name: str = field("The name of the tax on invoices, such as `VAT`.")
    kind: TaxKind = field("The kind of the tax.")
    category: TaxCategory | None = field("The category of a VAT. Null for a sales tax.")
    percent: Decimal = field("The percentage of the net amount.")
    reason: str | None = field("The reason why the tax is 0, as shown on invoices. Null if none is needed.")
    archived_at: datetime | None = field(
        "When the rate was archived. Null if not archived. An archived rate cannot be chosen again; where it was chosen"
        " before, it still applies."
    )
    version: int = field("Version of the tax rate. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the tax rate was created.")
    updated_at: datetime = field("When the tax rate was last changed.")


@dataclass(frozen=True, slots=True)
class InOrder:
    """Batched read of the objects for each list of ids, in the order of the ids."""

    read: OneBy

    async def __call__(self, reads: Reads, keys: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
        ids = list(dict.fromkeys(id_ for key in keys for id_ in key))
        found = dict(zip(ids, await self.read(reads, ids), strict=True)) if ids else {}
        return [[found[id_] for id_ in key if found[id_] is not None] for key in keys]


def named_objects_field(
    description: str, type_: Any, read: OneBy, ids: Callable[[Any], tuple[Any, ...]], column: str
) -> Any:
    """Declares the objects whose ids a column names."""

    async def resolve(self: Any, info: Info) -> Any:
        found = await info.context.loaders.of(InOrder(read)).load(ids(self))
        info.context.rows.give(len(found))
        return found

    resolve.__annotations__["return"] = type_
    return strawberry.field(resolver=resolve, description=description, metadata={READS: {column}})


def rates_field(description: str, rate_ids: Callable[[Any], tuple[TaxRateId, ...]], column: str) -> Any:
    """Declares the tax rates that the record in a column names."""
    return named_objects_field(description, list[TaxRate], tax_rates_by_id, rate_ids, column)


def plan_rates_field() -> Any:
    return rates_field(
        "The tax rates that apply to lines of this plan, instead of those of the customer or the customer's place."
        " Empty in customer sessions.",
        lambda plan: (plan.tax or UNTAXED).rate_ids,
        "tax",
    )


def of_profile(description: str, type_: Any, value: Callable[[taxes.TaxProfile], Any]) -> Any:
    """Declares a field of a customer that shows a part of the tax profile."""
    return of_line(description, type_, lambda customer: value(customer.tax_profile or NO_PROFILE), "tax_profile")


def customer_rates_field() -> Any:
    return rates_field(
        "The tax rates for lines whose rates are set neither on the line nor on its plan. Empty in customer sessions.",
        lambda customer: (customer.tax_profile or NO_PROFILE).rate_ids,
        "tax_profile",
    )


@strawberry.type(description="A bank account that customers pay to.")
class BankAccount:
    iban: str = field("The IBAN, without spaces.")
    bic: str | None = field("The BIC of the bank. Null if not set.")
    bank_name: str | None = field("The name of the bank. Null if not set.")


@strawberry.type(description="A place in which the seller is registered for taxes, and the rates that apply there.")
class TaxRegistration:
    country: str = field("The country (ISO 3166-1 alpha-2).")
    region: str | None = field(
        "The region, compared with the `region` of the customer's address regardless of case. Null for the whole"
        " country, except regions with a registration of their own."
    )
    valid_from: datetime = field(
        "When the registration begins to apply. It ends when another one for the same place begins."
    )
    rates: list[TaxRate] = rates_field("The tax rates.", lambda each: each.rate_ids, "rate_ids")


@strawberry.type(description="The increment to which totals in a currency are rounded.")
class CashRounding:
    currency: Currency = field("The currency.")
    increment_cents: int = field("The increment, in minor units.")


@strawberry.type(
    description=(
        "A version of the profile of the seller, the party that issues all invoices. The latest one is in force. An"
        " invoice refers to the version that was in force when it was finalized."
    )
)
class Seller(Node):
    row: ClassVar = models.Seller

    revision: int = field("The number of the version. Starts at 1 and increases by one with each update.")
    legal_name: str = field("The legal name.")
    address: Address | None = field("The postal address. Null if not set.")
    home_country: str = field(
        "The seller's country (ISO 3166-1 alpha-2). The rates registered there also apply to customers without a"
        " country and, if the seller is in the EU, to customers in EU countries without a registration."
    )
    tax_ids: list[TaxId] = field("The seller's VAT numbers.")
    time_zone: str = field("The time zone for dates on documents, by its name in the IANA database.")
    email: str | None = field("The e-mail address for questions. Null if not set.")
    phone: str | None = field("The phone number for questions. Null if not set.")
    bank_account: BankAccount | None = field("The account that customers pay to. Null if not set.")
    created_at: datetime = field("When this version was created, and began to be in force.")

    @strawberry.field(
        description="The seller's tax registrations, by country, region and time. Empty in customer sessions.",
        metadata={READS: {"registrations"}},
    )
    def registrations(self, info: Info) -> list[TaxRegistration]:
        found: Sequence[Any] = self.registrations
        return [] if info.context.access.customer_id is not None else counted(found, info)

    @strawberry.field(
        description="The increments to which totals are rounded, by currency. Other totals are not rounded.",
        metadata={READS: {"cash_rounding"}},
    )
    def cash_rounding(self) -> list[CashRounding]:
        increments: dict[str, int] = self.cash_rounding
        return [CashRounding(currency=Currency(code), increment_cents=cents) for code, cents in increments.items()]


def tax_rate_ids_of(ids: Sequence[strawberry.ID] | None) -> tuple[TaxRateId, ...]:
    return tuple(TaxRateId(parse_id(id_)) for id_ in ids or ())


def tax_behavior_input_field(description: str = "The tax treatment of the price.") -> Any:
    return strawberry.field(default=TaxBehavior.EXCLUSIVE, description=description)


def tax_rate_ids_input_field(
    lines: str, otherwise: str = "the customer's rates apply, else those of the customer's place"
) -> Any:
    """Declares the tax rates of a new object: for which `lines` they are, and what applies without any."""
    return strawberry.field(
        default_factory=list,
        description=(
            f"Tax rates {lines}: at most {limits.MAX_TAX_RATES_OF_A_LINE}, at most one of them a VAT. Without any,"
            f" {otherwise}."
        ),
    )


def given_tax_rate_ids(ids: Some[list[strawberry.ID] | None] | None) -> tuple[TaxRateId, ...] | Unchanged:
    """Returns the tax rates of an update, or `UNCHANGED` if they were omitted."""
    value = given(ids)
    return UNCHANGED if value is UNCHANGED else tax_rate_ids_of(value)


@strawberry.input(description="Filter for tax rates. Omitted fields do not filter.")
class TaxRateFilter:
    archived: bool | None = strawberry.field(
        default=None, description="True for archived rates only, false for rates that are not archived."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return is_set("archived_at", self.archived)


@strawberry.enum(description="The field to sort tax rates by.")
class TaxRateOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the tax rate was created.")


@strawberry.input(description="Sort order of tax rates.")
class TaxRateOrder:
    field: TaxRateOrderField = strawberry.field(
        default=TaxRateOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
