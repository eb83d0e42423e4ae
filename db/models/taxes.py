from datetime import datetime
from decimal import Decimal

from sqlalchemy import CHAR, CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import ZERO_RATED, TaxCategory, TaxKind
from billing.ids import SellerId, TaxRateId
from billing.limits import MAX_EMAIL, MAX_LEGAL_NAME, MAX_NAME, MAX_PERCENT, MAX_PHONE, MAX_TAX_REASON
from billing.records import Address
from billing.taxes import BankAccount, TaxId, TaxRegistration
from db.models.base import EMPTY_OBJECT, Base, Versioned, check_enum, check_length, json_object, listed
from db.models.types import Percentage


class Seller(Base):
    """A version of the profile of the seller, the party that issues all invoices. The latest `revision` is in force.

    Rows never change: an update adds one. `registrations` are the places in which the seller is registered for taxes.
    `cash_rounding` maps currencies to the increment, in minor units, to which totals are rounded.
    """

    __tablename__ = "sellers"

    id: Mapped[SellerId] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(Integer)
    legal_name: Mapped[str]
    address: Mapped[Address | None]
    home_country: Mapped[str] = mapped_column(CHAR(2))
    tax_ids: Mapped[tuple[TaxId, ...]]
    time_zone: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    bank_account: Mapped[BankAccount | None]
    registrations: Mapped[tuple[TaxRegistration, ...]]
    cash_rounding: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=EMPTY_OBJECT)
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("revision"),
        CheckConstraint("revision >= 1", name="revision"),
        check_length("legal_name", MAX_LEGAL_NAME),
        CheckConstraint("home_country ~ '^[A-Z]{2}$'", name="home_country"),
        check_length("email", MAX_EMAIL),
        check_length("phone", MAX_PHONE),
        json_object("address"),
        json_object("bank_account"),
        json_object("cash_rounding"),
    )


class TaxRate(Versioned, Base):
    """A rate of a tax, in percent. It never changes, except that it can be archived.

    `category` is null for sales taxes. `reason` says why the tax is 0, if the law requires a reason.
    """

    __tablename__ = "tax_rates"

    id: Mapped[TaxRateId] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[TaxKind]
    category: Mapped[TaxCategory | None]
    percent: Mapped[Decimal] = mapped_column(Percentage())
    reason: Mapped[str | None]
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        check_length("name", MAX_NAME),
        check_enum("kind", TaxKind),
        check_enum("category", TaxCategory),
        CheckConstraint("(kind = 'VAT') = (category IS NOT NULL)", name="vat"),
        CheckConstraint(f"percent BETWEEN 0 AND {MAX_PERCENT}", name="percent"),
        CheckConstraint(f"category NOT IN ({listed(ZERO_RATED)}) OR percent = 0", name="zero_rated"),
        CheckConstraint("category <> 'S' OR percent > 0", name="standard_rated"),
        check_length("reason", MAX_TAX_REASON),
        Index("ix_tax_rates_created_at", "created_at", "id"),
        Index("ix_tax_rates_open", "created_at", "id", postgresql_where=text("archived_at IS NULL")),
        Index("ix_tax_rates_archived", "created_at", "id", postgresql_where=text("archived_at IS NOT NULL")),
    )
