"""credit notes, reversals and refunds

Revision 0023, after 0022.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = ("credit_note_lines", "refunds", "credit_notes", "reversals")


def upgrade() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("tax_cents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rounding_cents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("taxes", postgresql.JSONB(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("applied_cents", sa.BigInteger(), nullable=False),
        sa.Column("restored_cents", sa.BigInteger(), nullable=False),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.Column("refund_cents", sa.BigInteger(), nullable=False),
        sa.Column("outside_cents", sa.BigInteger(), nullable=False),
        sa.Column("refunded_cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("bill_to", postgresql.JSONB(), nullable=False),
        sa.Column("issued_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("voided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("test_clock_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'VOID') = (voided_at IS NOT NULL) AND (status <> 'VOID' OR refunded_cents = 0)",
            name=op.f("ck_credit_notes_void"),
        ),
        sa.CheckConstraint("status IN ('ISSUED', 'VOID')", name=op.f("ck_credit_notes_status")),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_credit_notes_positive")),
        sa.CheckConstraint("amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_credit_notes_amount_cents")),
        sa.CheckConstraint("char_length(memo) BETWEEN 1 AND 2000", name=op.f("ck_credit_notes_memo")),
        sa.CheckConstraint("char_length(number) BETWEEN 1 AND 32", name=op.f("ck_credit_notes_number")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_credit_notes_reason")),
        sa.CheckConstraint(
            "least(applied_cents, restored_cents, balance_cents, refund_cents, outside_cents) >= 0 AND applied_cents + restored_cents + balance_cents + refund_cents + outside_cents = amount_cents",
            name=op.f("ck_credit_notes_parts"),
        ),
        sa.CheckConstraint("refunded_cents BETWEEN 0 AND refund_cents", name=op.f("ck_credit_notes_refunded_cents")),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_credit_notes_sequence")),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_credit_notes_customer_currency",
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id", "customer_id"],
            ["invoices.id", "invoices.customer_id"],
            name=op.f("fk_credit_notes_invoice_id"),
        ),
        sa.ForeignKeyConstraint(["test_clock_id"], ["test_clocks.id"], name=op.f("fk_credit_notes_test_clock_id")),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_credit_notes")),
        sa.UniqueConstraint("customer_id", "sequence", name="uq_credit_notes_sequence"),
    )
    op.create_index(
        "ix_credit_notes_amount_cents",
        "credit_notes",
        ["amount_cents", "id"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NULL"),
    )
    op.create_index(
        "ix_credit_notes_created_at",
        "credit_notes",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NULL"),
    )
    op.create_index("ix_credit_notes_customer_id", "credit_notes", ["customer_id", "created_at", "id"], unique=False)
    op.create_index("ix_credit_notes_invoice_id", "credit_notes", ["invoice_id", "created_at", "id"], unique=False)
    op.create_index("ix_credit_notes_number", "credit_notes", ["number"], unique=False)
    op.create_index(
        "ix_credit_notes_status",
        "credit_notes",
        ["status", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NULL"),
    )
    op.create_index(
        "ix_credit_notes_test_clock_id",
        "credit_notes",
        ["test_clock_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NOT NULL"),
    )
    op.create_table(
        "credit_note_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("credit_note_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_line_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("discount_cents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tax", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "discount_cents BETWEEN 0 AND amount_cents", name=op.f("ck_credit_note_lines_discount_cents")
        ),
        sa.CheckConstraint(
            "amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_credit_note_lines_amount_cents")
        ),
        sa.CheckConstraint("char_length(description) BETWEEN 1 AND 500", name=op.f("ck_credit_note_lines_description")),
        sa.CheckConstraint("position BETWEEN 1 AND 100", name=op.f("ck_credit_note_lines_position")),
        sa.ForeignKeyConstraint(
            ["credit_note_id", "customer_id"],
            ["credit_notes.id", "credit_notes.customer_id"],
            name=op.f("fk_credit_note_lines_credit_note_id"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_line_id", "customer_id"],
            ["invoice_lines.id", "invoice_lines.customer_id"],
            name=op.f("fk_credit_note_lines_invoice_line_id"),
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_credit_note_lines")),
        sa.UniqueConstraint("credit_note_id", "customer_id", "position", name="uq_credit_note_lines_position"),
    )
    op.create_index("ix_credit_note_lines_invoice_line_id", "credit_note_lines", ["invoice_line_id"], unique=False)
    op.create_table(
        "reversals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_reversals_positive")),
        sa.CheckConstraint("amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_reversals_amount_cents")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_reversals_reason")),
        sa.ForeignKeyConstraint(
            ["payment_id", "customer_id"], ["payments.id", "payments.customer_id"], name=op.f("fk_reversals_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_reversals")),
    )
    op.create_index("ix_reversals_payment_id", "reversals", ["payment_id"], unique=False)
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_refunds_positive")),
        sa.CheckConstraint("amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_refunds_amount_cents")),
        sa.CheckConstraint("char_length(reference) BETWEEN 1 AND 255", name=op.f("ck_refunds_reference")),
        sa.ForeignKeyConstraint(
            ["credit_note_id", "customer_id"],
            ["credit_notes.id", "credit_notes.customer_id"],
            name=op.f("fk_refunds_credit_note_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id", "customer_id"], ["payments.id", "payments.customer_id"], name=op.f("fk_refunds_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_refunds")),
    )
    op.create_index(
        "ix_refunds_credit_note_id",
        "refunds",
        ["credit_note_id"],
        unique=False,
        postgresql_where=sa.text("credit_note_id IS NOT NULL"),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"], unique=False)


def downgrade() -> None:
    for table in TABLES:
        if not op.get_context().as_sql and op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT FROM {table})")):
            raise RuntimeError(f"There are {table}, which revision 0022 does not support.")
    for table in TABLES:
        op.drop_table(table)
