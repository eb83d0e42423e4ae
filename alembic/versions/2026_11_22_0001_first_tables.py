"""first tables

Revision 0001, after none.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("address", postgresql.JSONB(), nullable=True),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("invoice_prefix", sa.Text(), nullable=False),
        sa.Column("last_invoice_number", sa.Integer(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archived_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_customers_currency")),
        sa.CheckConstraint("invoice_prefix ~ '^[A-Z0-9]{3,12}$'", name=op.f("ck_customers_invoice_prefix")),
        sa.CheckConstraint("jsonb_typeof(address) = 'object'", name=op.f("ck_customers_address")),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_customers_metadata")),
        sa.CheckConstraint("char_length(email) BETWEEN 1 AND 320", name=op.f("ck_customers_email")),
        sa.CheckConstraint("char_length(external_id) BETWEEN 1 AND 255", name=op.f("ck_customers_external_id")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_customers_name")),
        sa.CheckConstraint("char_length(tax_id) BETWEEN 1 AND 64", name=op.f("ck_customers_tax_id")),
        sa.CheckConstraint("last_invoice_number >= 0", name=op.f("ck_customers_last_invoice_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("email_key", name=op.f("uq_customers_email_key")),
        sa.UniqueConstraint("external_id", name=op.f("uq_customers_external_id")),
        sa.UniqueConstraint("id", "currency", name="uq_customers_id_currency"),
        sa.UniqueConstraint("invoice_prefix", name=op.f("uq_customers_invoice_prefix")),
    )
    op.create_index("ix_customers_created_at", "customers", ["created_at", "id"], unique=False)
    op.create_index("ix_customers_email", "customers", ["email", "id"], unique=False)
    op.create_index("ix_customers_name", "customers", ["name", "id"], unique=False)
    op.create_table(
        "plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("interval_count", sa.Integer(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archived_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_plans_currency")),
        sa.CheckConstraint("interval IN ('DAY', 'WEEK', 'MONTH', 'YEAR')", name=op.f("ck_plans_interval")),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_plans_metadata")),
        sa.CheckConstraint("amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_plans_amount_cents")),
        sa.CheckConstraint("char_length(code) BETWEEN 1 AND 64", name=op.f("ck_plans_code")),
        sa.CheckConstraint("char_length(description) BETWEEN 1 AND 2000", name=op.f("ck_plans_description")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_plans_name")),
        sa.CheckConstraint("interval_count BETWEEN 1 AND 3660", name=op.f("ck_plans_interval_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("code", name=op.f("uq_plans_code")),
    )
    op.create_index("ix_plans_code", "plans", ["code", "id"], unique=False)
    op.create_index("ix_plans_created_at", "plans", ["created_at", "id"], unique=False)
    op.create_index("ix_plans_name", "plans", ["name", "id"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("anchor_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("anchor_ordinal", sa.Integer(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("current_period_start", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("current_period_end", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_billing_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("canceled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'CANCELED') = (ended_at IS NOT NULL) AND (status = 'CANCELED') = (next_billing_at IS NULL) AND (status <> 'CANCELED' OR canceled_at IS NOT NULL) AND ended_at >= started_at",
            name=op.f("ck_subscriptions_canceled"),
        ),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_subscriptions_metadata")),
        sa.CheckConstraint("status <> 'PENDING' OR started_at IS NULL", name=op.f("ck_subscriptions_pending")),
        sa.CheckConstraint(
            "status IN ('PENDING', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELED')", name=op.f("ck_subscriptions_status")
        ),
        sa.CheckConstraint(
            "status NOT IN ('TRIALING', 'ACTIVE', 'PAST_DUE') OR started_at IS NOT NULL",
            name=op.f("ck_subscriptions_started"),
        ),
        sa.CheckConstraint(
            "(current_period_start IS NULL) = (current_period_end IS NULL) AND (current_period_start IS NULL) = (started_at IS NULL) AND current_period_start < current_period_end",
            name=op.f("ck_subscriptions_current_period"),
        ),
        sa.CheckConstraint(
            "NOT cancel_at_period_end OR canceled_at IS NOT NULL", name=op.f("ck_subscriptions_cancel_at_period_end")
        ),
        sa.CheckConstraint("anchor_ordinal >= 0", name=op.f("ck_subscriptions_anchor_ordinal")),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_subscriptions_quantity")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_subscriptions_customer_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_subscriptions_plan_id")),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_subscriptions")),
    )
    op.create_index("ix_subscriptions_created_at", "subscriptions", ["created_at", "id"], unique=False)
    op.create_index("ix_subscriptions_customer_id", "subscriptions", ["customer_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_subscriptions_due",
        "subscriptions",
        ["next_billing_at"],
        unique=False,
        postgresql_where=sa.text("next_billing_at IS NOT NULL"),
    )
    op.create_index("ix_subscriptions_plan_id", "subscriptions", ["plan_id", "created_at", "id"], unique=False)
    op.create_index(
        "uq_subscriptions_live",
        "subscriptions",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'CANCELED'"),
    )
    op.create_table(
        "billing_periods",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("after_ordinal", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('TRIAL', 'BILLING')", name=op.f("ck_billing_periods_kind")),
        sa.CheckConstraint(
            "(ordinal = 0 AND after_ordinal IS NULL) OR (ordinal > 0 AND after_ordinal IS NOT NULL AND after_ordinal = ordinal - 1)",
            name=op.f("ck_billing_periods_chain"),
        ),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_billing_periods_span")),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_billing_periods_quantity")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_billing_periods_plan_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id", "after_ordinal", "starts_at"],
            [
                "billing_periods.subscription_id",
                "billing_periods.customer_id",
                "billing_periods.ordinal",
                "billing_periods.ends_at",
            ],
            name="fk_billing_periods_chain",
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_billing_periods_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "customer_id", "ordinal", name=op.f("pk_billing_periods")),
        sa.UniqueConstraint("subscription_id", "customer_id", "ordinal", "ends_at", name="uq_billing_periods_end"),
    )
    op.create_index(
        "uq_billing_periods_trial",
        "billing_periods",
        ["customer_id", "plan_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'TRIAL'"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("period_ordinal", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("subtotal_cents", sa.BigInteger(), nullable=False),
        sa.Column("tax_cents", sa.BigInteger(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("amount_due_cents", sa.BigInteger(), nullable=False),
        sa.Column("bill_to", postgresql.JSONB(), nullable=True),
        sa.Column("period_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("period_end", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("issued_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("paid_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'RECURRING') = (period_ordinal IS NOT NULL)", name=op.f("ck_invoices_recurring")),
        sa.CheckConstraint(
            "(status = 'DRAFT') = (number IS NULL) AND (number IS NULL) = (sequence IS NULL) AND (number IS NULL) = (issued_at IS NULL) AND (number IS NULL) = (due_at IS NULL) AND (number IS NULL) = (bill_to IS NULL)",
            name=op.f("ck_invoices_finalized"),
        ),
        sa.CheckConstraint("(status = 'PAID') = (paid_at IS NOT NULL)", name=op.f("ck_invoices_paid_at")),
        sa.CheckConstraint("kind IN ('RECURRING', 'PRORATION', 'ONE_OFF')", name=op.f("ck_invoices_kind")),
        sa.CheckConstraint("status <> 'PAID' OR amount_due_cents = 0", name=op.f("ck_invoices_paid")),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'OPEN', 'PAID', 'VOID', 'UNCOLLECTIBLE')", name=op.f("ck_invoices_status")
        ),
        sa.CheckConstraint("amount_cents = subtotal_cents + tax_cents", name=op.f("ck_invoices_total")),
        sa.CheckConstraint(
            "amount_cents BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("ck_invoices_amount_cents")
        ),
        sa.CheckConstraint(
            "amount_due_cents BETWEEN 0 AND greatest(0, amount_cents)", name=op.f("ck_invoices_amount_due_cents")
        ),
        sa.CheckConstraint("char_length(number) BETWEEN 1 AND 32", name=op.f("ck_invoices_number")),
        sa.CheckConstraint("due_at >= issued_at", name=op.f("ck_invoices_due_at")),
        sa.CheckConstraint(
            "period_ordinal IS NULL OR subscription_id IS NOT NULL", name=op.f("ck_invoices_period_ordinal")
        ),
        sa.CheckConstraint("period_start <= period_end", name=op.f("ck_invoices_period")),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_invoices_sequence")),
        sa.CheckConstraint(
            "subtotal_cents BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("ck_invoices_subtotal_cents")
        ),
        sa.CheckConstraint(
            "tax_cents BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("ck_invoices_tax_cents")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"], ["customers.id", "customers.currency"], name="fk_invoices_customer_currency"
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_invoices_customer_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id", "period_ordinal"],
            ["billing_periods.subscription_id", "billing_periods.customer_id", "billing_periods.ordinal"],
            name="fk_invoices_billing_period",
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_invoices_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("customer_id", "sequence", name="uq_invoices_sequence"),
    )
    op.create_index("ix_invoices_amount_cents", "invoices", ["amount_cents", "id"], unique=False)
    op.create_index("ix_invoices_created_at", "invoices", ["created_at", "id"], unique=False)
    op.create_index("ix_invoices_customer_id", "invoices", ["customer_id", "created_at", "id"], unique=False)
    op.create_index("ix_invoices_period_start", "invoices", ["period_start", "id"], unique=False)
    op.create_index("ix_invoices_subscription_id", "invoices", ["subscription_id", "created_at", "id"], unique=False)
    op.create_index(
        "uq_invoices_recurring",
        "invoices",
        ["subscription_id", "customer_id", "period_ordinal"],
        unique=True,
        postgresql_where=sa.text("kind = 'RECURRING' AND status <> 'VOID'"),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("period_ordinal", sa.Integer(), nullable=True),
        sa.Column("period_start", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("period_end", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind <> 'RECURRING' OR amount_cents::numeric = quantity::numeric * unit_amount_cents",
            name=op.f("ck_invoice_lines_recurring"),
        ),
        sa.CheckConstraint(
            "kind IN ('RECURRING', 'TRIAL', 'PRORATION_CREDIT', 'PRORATION_CHARGE', 'ONE_OFF')",
            name=op.f("ck_invoice_lines_kind"),
        ),
        sa.CheckConstraint(
            "(period_start IS NULL) = (period_end IS NULL) AND period_start <= period_end",
            name=op.f("ck_invoice_lines_period"),
        ),
        sa.CheckConstraint(
            "amount_cents BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("ck_invoice_lines_amount_cents")
        ),
        sa.CheckConstraint("char_length(description) BETWEEN 1 AND 500", name=op.f("ck_invoice_lines_description")),
        sa.CheckConstraint("position BETWEEN 1 AND 100", name=op.f("ck_invoice_lines_position")),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_invoice_lines_quantity")),
        sa.CheckConstraint(
            "unit_amount_cents BETWEEN -9007199254740991 AND 9007199254740991",
            name=op.f("ck_invoice_lines_unit_amount_cents"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id", "customer_id"],
            ["invoices.id", "invoices.customer_id"],
            name=op.f("fk_invoice_lines_invoice_id"),
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_invoice_lines_plan_id")),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint("invoice_id", "customer_id", "position", name="uq_invoice_lines_position"),
    )


def downgrade() -> None:
    op.drop_table("invoice_lines")
    op.drop_index(
        "uq_invoices_recurring",
        table_name="invoices",
        postgresql_where=sa.text("kind = 'RECURRING' AND status <> 'VOID'"),
    )
    op.drop_index("ix_invoices_subscription_id", table_name="invoices")
    op.drop_index("ix_invoices_period_start", table_name="invoices")
    op.drop_index("ix_invoices_customer_id", table_name="invoices")
    op.drop_index("ix_invoices_created_at", table_name="invoices")
    op.drop_index("ix_invoices_amount_cents", table_name="invoices")
    op.drop_table("invoices")
    op.drop_index("uq_billing_periods_trial", table_name="billing_periods", postgresql_where=sa.text("kind = 'TRIAL'"))
    op.drop_table("billing_periods")
    op.drop_index("uq_subscriptions_live", table_name="subscriptions", postgresql_where=sa.text("status <> 'CANCELED'"))
    op.drop_index("ix_subscriptions_plan_id", table_name="subscriptions")
    op.drop_index(
        "ix_subscriptions_due", table_name="subscriptions", postgresql_where=sa.text("next_billing_at IS NOT NULL")
    )
    op.drop_index("ix_subscriptions_customer_id", table_name="subscriptions")
    op.drop_index("ix_subscriptions_created_at", table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_index("ix_plans_name", table_name="plans")
    op.drop_index("ix_plans_created_at", table_name="plans")
    op.drop_index("ix_plans_code", table_name="plans")
    op.drop_table("plans")
    op.drop_index("ix_customers_name", table_name="customers")
    op.drop_index("ix_customers_email", table_name="customers")
    op.drop_index("ix_customers_created_at", table_name="customers")
    op.drop_table("customers")
