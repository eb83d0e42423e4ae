from datetime import datetime

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from billing.discounts import AppliedDiscount
from billing.enums import UNPAID, InvoiceKind, InvoiceStatus, LineKind
from billing.ids import (
    ChangeId,
    CustomerId,
    InvoiceId,
    InvoiceLineId,
    PlanId,
    SellerId,
    SubscriptionId,
    TestClockId,
)
from billing.limits import MAX_INVOICE_NUMBER, MAX_LINE_DESCRIPTION, MAX_LINES, MAX_MEMO, MAX_PO_NUMBER
from billing.records import BillTo
from billing.taxes import LineTax, TaxAmount
from db.models.base import (
    EMPTY_OBJECT,
    NO_TEST_CLOCK,
    Base,
    Versioned,
    check_amount,
    check_enum,
    check_length,
    days_to_pay,
    json_object,
    listed,
)


class Invoice(Versioned, Base):
    """An invoice: the amount that a customer owes or, if the total is negative, a credit.

    `sequence` counts the customer's invoices from 1, and `number` is the printed invoice number; both are null for a
    draft. A recurring invoice bills the period `period_ordinal` of its subscription. `net_days` are payment terms set
    on a draft, if any. `test_clock_id` is a copy of the customer's.

    `amount_cents` is the sum of `subtotal_cents`, which is after discounts, tax and rounding. `discounts` has the
    amounts by discount, `taxes` those by group of lines, as of `tax_date`. Both are null if there are none.
    """

    __tablename__ = "invoices"

    id: Mapped[InvoiceId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    subscription_id: Mapped[SubscriptionId | None]
    period_ordinal: Mapped[int | None] = mapped_column(Integer)
    kind: Mapped[InvoiceKind]
    status: Mapped[InvoiceStatus]
    sequence: Mapped[int | None] = mapped_column(Integer)
    number: Mapped[str | None]
    currency: Mapped[str] = mapped_column(CHAR(3))
    subtotal_cents: Mapped[int]
    discount_cents: Mapped[int] = mapped_column(server_default="0")
    tax_cents: Mapped[int]
    rounding_cents: Mapped[int] = mapped_column(server_default="0")
    amount_cents: Mapped[int]
    amount_due_cents: Mapped[int]
    bill_to: Mapped[BillTo | None]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    net_days: Mapped[int | None] = mapped_column(Integer)
    replaces_id: Mapped[InvoiceId | None]
    discounts: Mapped[tuple[AppliedDiscount, ...] | None]
    taxes: Mapped[tuple[TaxAmount, ...] | None]
    tax_date: Mapped[datetime | None]
    seller_id: Mapped[SellerId | None] = mapped_column(ForeignKey("sellers.id"))
    test_clock_id: Mapped[TestClockId | None] = mapped_column(ForeignKey("test_clocks.id"))
    po_number: Mapped[str | None]
    memo: Mapped[str | None]
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata", server_default=EMPTY_OBJECT)

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
        ForeignKeyConstraint(
            ["subscription_id", "customer_id", "period_ordinal"],
            [
                "billing_periods.subscription_id",
                "billing_periods.customer_id",
                "billing_periods.ordinal",
            ],
            name="fk_invoices_billing_period",
        ),
        ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_invoices_customer_currency",
        ),
        ForeignKeyConstraint(["replaces_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        UniqueConstraint("customer_id", "sequence", name="uq_invoices_sequence"),
        Index(
            "uq_invoices_recurring",
            "subscription_id",
            "customer_id",
            "period_ordinal",
            unique=True,
            postgresql_where=text("kind = 'RECURRING' AND status <> 'VOID'"),
        ),
        check_enum("kind", InvoiceKind),
        check_enum("status", InvoiceStatus),
        CheckConstraint("(kind = 'RECURRING') = (period_ordinal IS NOT NULL)", name="recurring"),
        CheckConstraint("period_ordinal IS NULL OR subscription_id IS NOT NULL", name="period_ordinal"),
        CheckConstraint(
            "(status = 'DRAFT') = (number IS NULL)"
            " AND (number IS NULL) = (sequence IS NULL)"
            " AND (number IS NULL) = (issued_at IS NULL)"
            " AND (number IS NULL) = (due_at IS NULL)"
            " AND (number IS NULL) = (bill_to IS NULL)",
            name="finalized",
        ),
        CheckConstraint("sequence >= 1", name="sequence"),
        check_length("number", MAX_INVOICE_NUMBER),
        check_length("po_number", MAX_PO_NUMBER),
        check_length("memo", MAX_MEMO),
        json_object("metadata"),
        CheckConstraint("(status = 'PAID') = (paid_at IS NOT NULL)", name="paid_at"),
        CheckConstraint("status NOT IN ('PAID', 'VOID') OR amount_due_cents = 0", name="paid"),
        CheckConstraint(f"status NOT IN ({listed(UNPAID)}) OR amount_due_cents > 0", name="open"),
        days_to_pay(),
        CheckConstraint("amount_cents = subtotal_cents + tax_cents + rounding_cents", name="total"),
        CheckConstraint("amount_due_cents BETWEEN 0 AND greatest(0, amount_cents)", name="amount_due_cents"),
        check_amount("subtotal_cents", signed=True),
        CheckConstraint("discount_cents >= 0", name="discount_cents"),
        check_amount("tax_cents", signed=True),
        check_amount("amount_cents", signed=True),
        CheckConstraint("period_start <= period_end", name="period"),
        CheckConstraint("due_at >= issued_at", name="due_at"),
        Index(
            "uq_invoices_replaces_id",
            "replaces_id",
            "customer_id",
            unique=True,
            postgresql_where=text("replaces_id IS NOT NULL"),
        ),
        Index("ix_invoices_customer_id", "customer_id", "created_at", "id"),
        Index("ix_invoices_subscription_id", "subscription_id", "created_at", "id"),
        Index("ix_invoices_number", "number"),
        Index("ix_invoices_created_at", "created_at", "id"),
        Index("ix_invoices_period_start", "period_start", "id"),
        Index("ix_invoices_amount_cents", "amount_cents", "id"),
        Index("ix_invoices_status", "status", "kind", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index("ix_invoices_currency", "currency", "status", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_invoices_due_at",
            "status",
            "due_at",
            "id",
            postgresql_include=["created_at"],
            postgresql_where=NO_TEST_CLOCK,
        ),
        Index(
            "ix_invoices_issued_at",
            "issued_at",
            "id",
            postgresql_include=["created_at"],
            postgresql_where=NO_TEST_CLOCK,
        ),
        Index("ix_invoices_status_amount", "status", "amount_cents", "id", postgresql_where=NO_TEST_CLOCK),
        Index("ix_invoices_currency_amount", "currency", "amount_cents", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_invoices_test_clock_id",
            "test_clock_id",
            "created_at",
            "id",
            postgresql_where=text("test_clock_id IS NOT NULL"),
        ),
        Index("ix_invoices_unpaid", "customer_id", "due_at", postgresql_where=text(f"status IN ({listed(UNPAID)})")),
        Index(
            "ix_invoices_outstanding",
            "currency",
            "due_at",
            postgresql_include=["amount_due_cents"],
            postgresql_where=text("status = 'OPEN' AND test_clock_id IS NULL"),
        ),
        Index(
            "ix_invoices_overdue",
            "due_at",
            postgresql_where=text("status = 'OPEN' AND test_clock_id IS NULL"),
        ),
    )


class InvoiceLine(Base):
    """A line of an invoice: `quantity` × `unit_amount_cents`, or a prorated part of it, for its own time range.

    A `PRORATION_CREDIT` credits the unused part of the line `reverses_line_id`. All lines of one change of plan or
    quantity have the same `change_id`, also if they are on different invoices. `amount_cents` is before discounts, and
    includes tax if the prices of `tax` do. `tax` is null if nothing was requested and no taxes are configured.
    """

    __tablename__ = "invoice_lines"

    id: Mapped[InvoiceLineId] = mapped_column(primary_key=True)
    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    invoice_id: Mapped[InvoiceId]
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[LineKind]
    description: Mapped[str]
    plan_id: Mapped[PlanId | None] = mapped_column(ForeignKey("plans.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    unit_amount_cents: Mapped[int]
    amount_cents: Mapped[int]
    discount_cents: Mapped[int] = mapped_column(server_default="0")
    tax: Mapped[LineTax | None]
    period_ordinal: Mapped[int | None] = mapped_column(Integer)
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    reverses_line_id: Mapped[InvoiceLineId | None]
    change_id: Mapped[ChangeId | None]

    __table_args__ = (
        ForeignKeyConstraint(["invoice_id", "customer_id"], ["invoices.id", "invoices.customer_id"]),
        ForeignKeyConstraint(["reverses_line_id", "customer_id"], ["invoice_lines.id", "invoice_lines.customer_id"]),
        UniqueConstraint("invoice_id", "customer_id", "position", name="uq_invoice_lines_position"),
        CheckConstraint("(kind = 'PRORATION_CREDIT') = (reverses_line_id IS NOT NULL)", name="reverses"),
        Index(
            "ix_invoice_lines_reverses_line_id",
            "reverses_line_id",
            postgresql_where=text("reverses_line_id IS NOT NULL"),
        ),
        check_enum("kind", LineKind),
        CheckConstraint(f"position BETWEEN 1 AND {MAX_LINES}", name="position"),
        check_length("description", MAX_LINE_DESCRIPTION),
        CheckConstraint("quantity >= 1", name="quantity"),
        check_amount("unit_amount_cents", signed=True),
        check_amount("amount_cents", signed=True),
        CheckConstraint("discount_cents BETWEEN 0 AND greatest(0, amount_cents)", name="discount_cents"),
        CheckConstraint(
            "kind <> 'RECURRING' OR amount_cents::numeric = quantity::numeric * unit_amount_cents", name="recurring"
        ),
        CheckConstraint("(period_start IS NULL) = (period_end IS NULL) AND period_start <= period_end", name="period"),
    )
