"""Taxes as plain values: rates, the taxes of lines and invoices, and the facts that decide which ones apply. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from billing.enums import TaxBehavior, TaxCategory, TaxKind, TaxStatus
from billing.ids import SellerId, TaxRateId


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax that applies to a line. `percent` has at most four decimals.

    `category` is None for sales taxes. `rate_id` is None if no configured rate decided the tax. `reason` says why the
    tax is 0, if the law requires a reason.
    """

    name: str
    kind: TaxKind
    category: TaxCategory | None
    percent: Decimal
    reason: str | None = None
    rate_id: TaxRateId | None = None

    @property
    def group(self) -> object:
        """The key of its group on an invoice: for VAT the category and percentage, for sales taxes the rate."""
        return (self.category, self.percent) if self.kind is TaxKind.VAT else self.rate_id


@dataclass(frozen=True, slots=True)
class TaxAmount(Tax):
    """A tax with its amount, on a line or for a group of lines. `taxable_cents` is the net amount that it is on."""

    taxable_cents: int = 0
    amount_cents: int = 0


@dataclass(frozen=True, slots=True)
class LineTax:
    """The taxation of a line.

    `rate_ids` are the rates that were requested for the line or its plan, `amounts` the taxes as computed.
    """

    behavior: TaxBehavior = TaxBehavior.EXCLUSIVE
    rate_ids: tuple[TaxRateId, ...] = ()
    amounts: tuple[TaxAmount, ...] = ()

    @property
    def cents(self) -> int:
        return sum(amount.amount_cents for amount in self.amounts)

    @property
    def included_cents(self) -> int:
        """The tax that is part of the amount of the line."""
        return self.cents if self.behavior is TaxBehavior.INCLUSIVE else 0


UNTAXED = LineTax()


@dataclass(frozen=True, slots=True)
class TaxId:
    """A VAT number of a customer. It changes taxes only once it is verified."""

    country: str
    value: str
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaxProfile:
    """The facts that decide the taxes of a customer, apart from the address.

    `exemption_reason` is set if the status is EXEMPT.
    """

    status: TaxStatus = TaxStatus.TAXABLE
    exemption_reason: str | None = None
    ids: tuple[TaxId, ...] = ()
    rate_ids: tuple[TaxRateId, ...] = ()


NO_PROFILE = TaxProfile()


@dataclass(frozen=True, slots=True)
class BankAccount:
    """The account that customers pay to. `iban` is in upper case without spaces."""

    iban: str
    bic: str | None = None
    bank_name: str | None = None


@dataclass(frozen=True, slots=True)
class TaxRegistration:
    """A place in which the seller is registered for taxes, and the rates there.

    It counts from `valid_from` until a later one for the same country and region does. Without a `region`, it is for
    the whole country, except regions with a registration of their own.
    """

    country: str
    valid_from: datetime
    rate_ids: tuple[TaxRateId, ...]
    region: str | None = None


@dataclass(frozen=True, slots=True)
class TaxRules:
    """The facts that decide taxes apart from the customer: the seller in force, and all rates.

    `cash_rounding` maps currencies to the increment, in minor units, to which totals are rounded.
    """

    seller_id: SellerId
    home_country: str
    registrations: tuple[TaxRegistration, ...] = ()
    cash_rounding: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[TaxRateId, Tax] = field(default_factory=dict)
