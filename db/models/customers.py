from datetime import datetime

from sqlalchemy import CHAR, CheckConstraint, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import BY_CODE_POINT, Base, Versioned, currency_code, json_object, text_up_to
from db.values import Address, CustomerId


class Customer(Versioned, Base):
    """Who is billed.

    `email_key` is the e-mail address in the form in which it is unique. `currency` is null until the first
    subscription and fixed from then on. `last_invoice_number` counts the invoices numbered so far.
    """

    __tablename__ = "customers"

    id: Mapped[CustomerId] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(BY_CODE_POINT)
    email: Mapped[str] = mapped_column(BY_CODE_POINT)
    email_key: Mapped[str]
    external_id: Mapped[str | None]
    address: Mapped[Address | None]
    tax_id: Mapped[str | None]
    currency: Mapped[str | None] = mapped_column(CHAR(3))
    invoice_prefix: Mapped[str]
    last_invoice_number: Mapped[int] = mapped_column(Integer)
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata")
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("email_key"),
        UniqueConstraint("external_id"),
        UniqueConstraint("invoice_prefix"),
        UniqueConstraint("id", "currency", name="uq_customers_id_currency"),
        text_up_to("name", 255),
        text_up_to("email", 320),
        text_up_to("external_id", 255),
        text_up_to("tax_id", 64),
        currency_code(),
        CheckConstraint("invoice_prefix ~ '^[A-Z0-9]{3,12}$'", name="invoice_prefix"),
        CheckConstraint("last_invoice_number >= 0", name="last_invoice_number"),
        json_object("metadata"),
        json_object("address"),
        Index("ix_customers_created_at", "created_at", "id"),
        Index("ix_customers_name", "name", "id"),
        Index("ix_customers_email", "email", "id"),
    )
