from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import AllocationKind, LedgerEntryKind, PaymentMethod
from billing.ids import CustomerId, InvoiceId, PaymentId
from billing.limits import MAX_REFERENCE
from db.models.base import EMPTY_OBJECT, Base, check_amount, check_enum, check_length, json_object


class Payment(Base):
    """A payment from a customer. Only its metadata can change.

    `overpayment_cents` is the part that was added to the balance. `updated_at` is null until the first change.
    """

    __tablename__ = "payments"

    id: Mapped[PaymentId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    amount_cents: Mapped[int]
    overpayment_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(CHAR(3))
    method: Mapped[PaymentMethod]
    reference: Mapped[str | None]
    received_at: Mapped[datetime]
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_payments_customer_currency",
        ),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        CheckConstraint("overpayment_cents BETWEEN 0 AND amount_cents", name="overpayment_cents"),
        check_enum("method", PaymentMethod),
        check_length("reference", MAX_REFERENCE),
        json_object("metadata"),
        Index("ix_payments_customer_id", "customer_id", "created_at", "id"),
    )


class Allocation(Base):
    """An amount applied to an invoice, from a payment, the customer's balance or the credit of another invoice.

    Voiding the invoice releases the allocation: from `released_at` on, it no longer counts.
    """

    __tablename__ = "allocations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    invoice_id: Mapped[InvoiceId]
    kind: Mapped[AllocationKind]
    amount_cents: Mapped[int]
    payment_id: Mapped[PaymentId | None]
    source_invoice_id: Mapped[InvoiceId | None]
    created_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(["payment_id", "customer_id"], ["payments.id", "payments.customer_id"]),
        ForeignKeyConstraint(["source_invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        check_enum("kind", AllocationKind),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        CheckConstraint(
            "(kind = 'PAYMENT') = (payment_id IS NOT NULL) AND (kind = 'CREDIT') = (source_invoice_id IS NOT NULL)",
            name="source",
        ),
        CheckConstraint("kind <> 'PAYMENT' OR released_at IS NULL", name="released_at"),
        Index("ix_allocations_invoice_id", "invoice_id", "created_at", "id"),
        Index("ix_allocations_payment_id", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
        Index(
            "ix_allocations_source_invoice_id",
            "source_invoice_id",
            postgresql_where=text("source_invoice_id IS NOT NULL"),
        ),
    )


class LedgerEntry(Base):
    """A change of a customer's credit balance: positive amounts are owed to the customer. The ledger is append-only."""

    __tablename__ = "ledger_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    kind: Mapped[LedgerEntryKind]
    amount_cents: Mapped[int]
    balance_after_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(CHAR(3))
    invoice_id: Mapped[InvoiceId | None]
    payment_id: Mapped[PaymentId | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_ledger_entries_customer_currency",
        ),
        ForeignKeyConstraint(["invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(["payment_id", "customer_id"], ["payments.id", "payments.customer_id"]),
        UniqueConstraint("customer_id", "sequence", name="uq_ledger_entries_sequence"),
        check_enum("kind", LedgerEntryKind),
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint("amount_cents <> 0", name="not_zero"),
        CheckConstraint("(kind = 'APPLIED') = (amount_cents < 0)", name="sign"),
        CheckConstraint("(kind = 'OVERPAYMENT') = (payment_id IS NOT NULL)", name="payment"),
        CheckConstraint("(kind = 'OVERPAYMENT') = (invoice_id IS NULL)", name="invoice"),
        check_amount("amount_cents", signed=True),
        check_amount("balance_after_cents", signed=False),
        Index("ix_ledger_entries_customer_id", "customer_id", "created_at", "id"),
    )
