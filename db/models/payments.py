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
from billing.ids import CreditNoteId, CustomerId, InvoiceId, PaymentId, TestClockId
from billing.limits import MAX_REASON, MAX_REFERENCE
from db.models.base import EMPTY_OBJECT, NO_TEST_CLOCK, Base, check_amount, check_enum, check_length, json_object


class Payment(Base):
    """A payment from a customer. Refunds and reversals return parts of it; else, only its metadata can change.

    `overpayment_cents` is the part that was added to the balance. `reversed_at` is the time of the latest reversal.
    `updated_at` is null until the first change.
    `test_clock_id` is a copy of the customer's. Servers of earlier releases leave it null: see `services.repairs`.
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
    refunded_cents: Mapped[int] = mapped_column(server_default="0")
    reversed_cents: Mapped[int] = mapped_column(server_default="0")
    reversed_at: Mapped[datetime | None]
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    test_clock_id: Mapped[TestClockId | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_payments_customer_currency",
        ),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        CheckConstraint("overpayment_cents BETWEEN 0 AND amount_cents", name="overpayment_cents"),
        CheckConstraint("refunded_cents >= 0", name="refunded_cents"),
        CheckConstraint("reversed_cents >= 0", name="reversed_cents"),
        CheckConstraint("refunded_cents + reversed_cents <= amount_cents", name="returned"),
        CheckConstraint("(reversed_cents > 0) = (reversed_at IS NOT NULL)", name="reversed_at"),
        check_enum("method", PaymentMethod),
        check_length("reference", MAX_REFERENCE),
        json_object("metadata"),
        Index("ix_payments_customer_id", "customer_id", "created_at", "id"),
        Index("ix_payments_created_at", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index("ix_payments_reference", "reference", "created_at", "id"),
        Index("ix_payments_method", "method", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_payments_received_at",
            "method",
            "received_at",
            "id",
            postgresql_include=["created_at"],
            postgresql_where=NO_TEST_CLOCK,
        ),
        Index("ix_payments_amount_cents", "amount_cents", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_payments_test_clock_id",
            "test_clock_id",
            "created_at",
            "id",
            postgresql_where=text("test_clock_id IS NOT NULL"),
        ),
    )


class Allocation(Base):
    """An amount applied to an invoice, from a payment, the balance, the credit of another invoice or a credit note.

    Voiding the invoice releases the allocation, and so does a reversal or a void credit note: from `released_at` on, it
    no longer counts.
    """

    __tablename__ = "allocations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    invoice_id: Mapped[InvoiceId]
    kind: Mapped[AllocationKind]
    amount_cents: Mapped[int]
    payment_id: Mapped[PaymentId | None]
    source_invoice_id: Mapped[InvoiceId | None]
    credit_note_id: Mapped[CreditNoteId | None]
    created_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(["payment_id", "customer_id"], ["payments.id", "payments.customer_id"]),
        ForeignKeyConstraint(["source_invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(["credit_note_id", "customer_id"], ["credit_notes.id", "credit_notes.customer_id"]),
        check_enum("kind", AllocationKind),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        CheckConstraint(
            "(kind = 'PAYMENT') = (payment_id IS NOT NULL) AND (kind = 'CREDIT') = (source_invoice_id IS NOT NULL)"
            " AND (kind = 'CREDIT_NOTE') = (credit_note_id IS NOT NULL)",
            name="source",
        ),
        Index("ix_allocations_invoice_id", "invoice_id", "created_at", "id"),
        Index("ix_allocations_payment_id", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
        Index(
            "ix_allocations_source_invoice_id",
            "source_invoice_id",
            postgresql_where=text("source_invoice_id IS NOT NULL"),
        ),
        Index("ix_allocations_credit_note_id", "credit_note_id", postgresql_where=text("credit_note_id IS NOT NULL")),
        Index(
            "ix_allocations_balance",
            "customer_id",
            "created_at",
            "id",
            postgresql_where=text("kind = 'BALANCE' AND released_at IS NULL"),
        ),
    )


class LedgerEntry(Base):
    """A change of a customer's credit balance: positive amounts are owed to the customer. The ledger is append-only.

    Each kind of entry names the object that caused it: an invoice, a payment or a credit note. An adjustment has a
    `reason` instead.
    """

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
    credit_note_id: Mapped[CreditNoteId | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_ledger_entries_customer_currency",
        ),
        ForeignKeyConstraint(["invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(["payment_id", "customer_id"], ["payments.id", "payments.customer_id"]),
        ForeignKeyConstraint(["credit_note_id", "customer_id"], ["credit_notes.id", "credit_notes.customer_id"]),
        UniqueConstraint("customer_id", "sequence", name="uq_ledger_entries_sequence"),
        check_enum("kind", LedgerEntryKind),
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint("amount_cents <> 0", name="not_zero"),
        CheckConstraint(
            "kind = 'ADJUSTMENT'"
            " OR (kind IN ('APPLIED', 'REVERSAL', 'REFUND', 'CREDIT_NOTE_VOIDED')) = (amount_cents < 0)",
            name="sign",
        ),
        CheckConstraint("(kind IN ('OVERPAYMENT', 'REVERSAL', 'REFUND')) = (payment_id IS NOT NULL)", name="payment"),
        CheckConstraint(
            "(kind IN ('INVOICE_CREDIT', 'APPLIED', 'GIVEN_BACK')) = (invoice_id IS NOT NULL)", name="invoice"
        ),
        CheckConstraint(
            "(kind IN ('CREDIT_NOTE', 'CREDIT_NOTE_VOIDED')) = (credit_note_id IS NOT NULL)", name="credit_note"
        ),
        CheckConstraint("(kind = 'ADJUSTMENT') = (reason IS NOT NULL)", name="adjustment"),
        check_length("reason", MAX_REASON),
        check_amount("amount_cents", signed=True),
        check_amount("balance_after_cents", signed=False),
        Index("ix_ledger_entries_customer_id", "customer_id", "created_at", "id"),
        Index("ix_ledger_entries_payment_id", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
    )
