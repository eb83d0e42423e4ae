"""sellers and tax rates

Revision 0030, after 0029.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TABLES = ("sellers", "tax_rates")


def upgrade() -> None:
    op.create_table(
        "sellers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("address", postgresql.JSONB(), nullable=True),
        sa.Column("home_country", sa.CHAR(length=2), nullable=False),
        sa.Column("tax_ids", postgresql.JSONB(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("bank_account", postgresql.JSONB(), nullable=True),
        sa.Column("registrations", postgresql.JSONB(), nullable=False),
        sa.Column("cash_rounding", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_sellers_revision")),
        sa.CheckConstraint("char_length(legal_name) BETWEEN 1 AND 255", name=op.f("ck_sellers_legal_name")),
        sa.CheckConstraint("home_country ~ '^[A-Z]{2}$'", name=op.f("ck_sellers_home_country")),
        sa.CheckConstraint("char_length(email) BETWEEN 1 AND 320", name=op.f("ck_sellers_email")),
        sa.CheckConstraint("char_length(phone) BETWEEN 1 AND 50", name=op.f("ck_sellers_phone")),
        sa.CheckConstraint("jsonb_typeof(address) = 'object'", name=op.f("ck_sellers_address")),
        sa.CheckConstraint("jsonb_typeof(bank_account) = 'object'", name=op.f("ck_sellers_bank_account")),
        sa.CheckConstraint("jsonb_typeof(cash_rounding) = 'object'", name=op.f("ck_sellers_cash_rounding")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sellers")),
        sa.UniqueConstraint("revision", name=op.f("uq_sellers_revision")),
    )
    op.create_table(
        "tax_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("percent", sa.Numeric(precision=7, scale=4), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("archived_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_tax_rates_name")),
        sa.CheckConstraint("kind IN ('VAT', 'SALES')", name=op.f("ck_tax_rates_kind")),
        sa.CheckConstraint("category IN ('S', 'Z', 'E', 'AE', 'G', 'O')", name=op.f("ck_tax_rates_category")),
        sa.CheckConstraint("(kind = 'VAT') = (category IS NOT NULL)", name=op.f("ck_tax_rates_vat")),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("ck_tax_rates_percent")),
        sa.CheckConstraint(
            "category NOT IN ('Z', 'E', 'AE', 'G', 'O') OR percent = 0", name=op.f("ck_tax_rates_zero_rated")
        ),
        sa.CheckConstraint("category <> 'S' OR percent > 0", name=op.f("ck_tax_rates_standard_rated")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 255", name=op.f("ck_tax_rates_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rates")),
    )
    op.create_index("ix_tax_rates_created_at", "tax_rates", ["created_at", "id"], unique=False)
    for name, condition in (("open", "archived_at IS NULL"), ("archived", "archived_at IS NOT NULL")):
        op.create_index(f"ix_tax_rates_{name}", "tax_rates", ["created_at", "id"], postgresql_where=sa.text(condition))


def downgrade() -> None:
    for table in TABLES:
        if not op.get_context().as_sql and op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT FROM {table})")):
            raise RuntimeError(f"There are {table}, which revision 0029 does not support.")
    for table in TABLES:
        op.drop_table(table)
