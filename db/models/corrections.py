"""Tables of corrections: credit notes with their lines, and reversals and refunds of payments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CHAR, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import CreditNoteStatus
from billing.ids import (
    CreditNoteId,
    CreditNoteLineId,
    CustomerId,
    InvoiceId,
    InvoiceLineId,
    PaymentId,
    TestClockId,
)
from billing.limits import (
    MAX_INVOICE_NUMBER,
    MAX_LINE_DESCRIPTION,
    MAX_LINES,
    MAX_MEMO,
    MAX_REASON,
    MAX_REFERENCE,
)
from billing.records import BillTo
from billing.taxes import LineTax, TaxAmount
from db.models.base import NO_TEST_CLOCK, Base, Versioned, check_amount, check_enum, check_length
from db.models.types import TransactionId


class CreditNote(Versioned, Base):
    """A correction of an invoice. `sequence` counts the customer's credit notes from 1, `number` is the printed number.

    `amount_cents` is the sum of the lines, with tax and rounding. It is also the sum of its parts: `applied_cents`
    lowered the amount due on the invoice, `restored_cents` returned to the balance what it and credits had paid on the
    invoice, `balance_cents` was added to the balance, `refund_cents` is to be refunded, and `outside_cents` is settled
    outside this server. `refunded_cents` is the part of `refund_cents` that has been refunded.
    """

    __tablename__ = "credit_notes"

    id: Mapped[CreditNoteId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    invoice_id: Mapped[InvoiceId]
    status: Mapped[CreditNoteStatus]
    sequence: Mapped[int] = mapped_column(Integer)
    number: Mapped[str]
    currency: Mapped[str] = mapped_column(CHAR(3))
    tax_cents: Mapped[int] = mapped_column(server_default="0")
    rounding_cents: Mapped[int] = mapped_column(server_default="0")
    taxes: Mapped[tuple[TaxAmount, ...] | None]
    amount_cents: Mapped[int]
    applied_cents: Mapped[int]
    restored_cents: Mapped[int]
    balance_cents: Mapped[int]
    refund_cents: Mapped[int]
    outside_cents: Mapped[int]
    refunded_cents: Mapped[int]
    reason: Mapped[str]
    memo: Mapped[str | None]
    bill_to: Mapped[BillTo]
    issued_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    test_clock_id: Mapped[TestClockId | None] = mapped_column(ForeignKey("test_clocks.id"))

    __table_args__ = (
        ForeignKeyConstraint(["invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_credit_notes_customer_currency",
        ),
        UniqueConstraint("customer_id", "sequence", name="uq_credit_notes_sequence"),
        check_enum("status", CreditNoteStatus),
        CheckConstraint("sequence >= 1", name="sequence"),
        check_length("number", MAX_INVOICE_NUMBER),
        check_length("reason", MAX_REASON),
        check_length("memo", MAX_MEMO),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        CheckConstraint(
            "least(applied_cents, restored_cents, balance_cents, refund_cents, outside_cents) >= 0"
            " AND applied_cents + restored_cents + balance_cents + refund_cents + outside_cents = amount_cents",
            name="parts",
        ),
        CheckConstraint("refunded_cents BETWEEN 0 AND refund_cents", name="refunded_cents"),
        CheckConstraint(
            "(status = 'VOID') = (voided_at IS NOT NULL) AND (status <> 'VOID' OR refunded_cents = 0)", name="void"
        ),
        Index("ix_credit_notes_customer_id", "customer_id", "created_at", "id"),
        Index("ix_credit_notes_invoice_id", "invoice_id", "created_at", "id"),
        Index("ix_credit_notes_number", "number"),
        Index("ix_credit_notes_created_at", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index("ix_credit_notes_status", "status", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index("ix_credit_notes_amount_cents", "amount_cents", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_credit_notes_test_clock_id",
            "test_clock_id",
            "created_at",
            "id",
            postgresql_where=text("test_clock_id IS NOT NULL"),
        ),
    )


class CreditNoteLine(Base):
    """An amount that a credit note credits for a line of its invoice. `description` is a copy of that line's.

    `amount_cents` is the credited part of that line's amount, `discount_cents` and `tax` are the shares of its discount
    and taxes.
    """

    __tablename__ = "credit_note_lines"

    id: Mapped[CreditNoteLineId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    credit_note_id: Mapped[CreditNoteId]
    invoice_line_id: Mapped[InvoiceLineId]
    position: Mapped[int] = mapped_column(Integer)
    description: Mapped[str]
    amount_cents: Mapped[int]
    discount_cents: Mapped[int] = mapped_column(server_default="0")
    tax: Mapped[LineTax | None]

    __table_args__ = (
        ForeignKeyConstraint(["credit_note_id", "customer_id"], ["credit_notes.id", "credit_notes.customer_id"]),
        ForeignKeyConstraint(["invoice_line_id", "customer_id"], ["invoice_lines.id", "invoice_lines.customer_id"]),
        UniqueConstraint("credit_note_id", "customer_id", "position", name="uq_credit_note_lines_position"),
        CheckConstraint(f"position BETWEEN 1 AND {MAX_LINES}", name="position"),
        check_length("description", MAX_LINE_DESCRIPTION),
        check_amount("amount_cents", signed=False),
        CheckConstraint("discount_cents BETWEEN 0 AND amount_cents", name="discount_cents"),
        Index("ix_credit_note_lines_invoice_line_id", "invoice_line_id"),
    )


class Reversal(Base):
    """The reversal of a payment, in whole or in part, because it failed or because another customer made it.

    `xid` is that of the event that reports it.
    """

    __tablename__ = "reversals"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    payment_id: Mapped[PaymentId]
    amount_cents: Mapped[int]
    reason: Mapped[str]
    created_at: Mapped[datetime]
    xid: Mapped[int | None] = mapped_column(TransactionId(), server_default=text("event_xid()"))

    __table_args__ = (
        ForeignKeyConstraint(["payment_id", "customer_id"], ["payments.id", "payments.customer_id"]),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        check_length("reason", MAX_REASON),
        Index("ix_reversals_payment_id", "payment_id"),
    )


class Refund(Base):
    """A refund of a payment, in whole or in part, for a credit note or, without one, from the customer's balance.

    `xid` is that of the event that reports it.
    """

    __tablename__ = "refunds"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    payment_id: Mapped[PaymentId]
    credit_note_id: Mapped[CreditNoteId | None]
    amount_cents: Mapped[int]
    reference: Mapped[str | None]
    created_at: Mapped[datetime]
    xid: Mapped[int | None] = mapped_column(TransactionId(), server_default=text("event_xid()"))

    __table_args__ = (
        ForeignKeyConstraint(["payment_id", "customer_id"], ["payments.id", "payments.customer_id"]),
        ForeignKeyConstraint(["credit_note_id", "customer_id"], ["credit_notes.id", "credit_notes.customer_id"]),
        CheckConstraint("amount_cents > 0", name="positive"),
        check_amount("amount_cents", signed=False),
        check_length("reference", MAX_REFERENCE),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_credit_note_id", "credit_note_id", postgresql_where=text("credit_note_id IS NOT NULL")),
    )
