"""coupons and discounts

Revision 0038, after 0037. The foreign keys lock customers and subscriptions for a moment: the new table is empty.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TABLES = ("discounts", "coupons")
OFF = (
    "(percent_off IS NULL) <> (amount_off_cents IS NULL) AND (amount_off_cents IS NULL) = (currency IS NULL)"
    " AND coalesce(percent_off > 0 AND percent_off <= 100, true) AND coalesce(amount_off_cents > 0, true)"
)


def upgrade() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent_off", sa.Numeric(precision=7, scale=4), nullable=True),
        sa.Column("amount_off_cents", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("duration", sa.Text(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=True),
        sa.Column("plan_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("max_redemptions", sa.Integer(), nullable=True),
        sa.Column("redeemed", sa.Integer(), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("archived_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(code) BETWEEN 1 AND 64", name=op.f("ck_coupons_code")),
        sa.CheckConstraint("code = upper(code)", name=op.f("ck_coupons_upper_case")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_coupons_name")),
        sa.CheckConstraint(OFF, name=op.f("ck_coupons_off")),
        sa.CheckConstraint("amount_off_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_coupons_amount_off_cents")),
        sa.CheckConstraint("duration IN ('ONCE', 'PERIODS', 'FOREVER')", name=op.f("ck_coupons_duration")),
        sa.CheckConstraint("(duration = 'PERIODS') = (periods IS NOT NULL)", name=op.f("ck_coupons_duration_periods")),
        sa.CheckConstraint("periods BETWEEN 1 AND 1200", name=op.f("ck_coupons_periods")),
        sa.CheckConstraint("max_redemptions BETWEEN 1 AND 1000000000", name=op.f("ck_coupons_max_redemptions")),
        sa.CheckConstraint("redeemed BETWEEN 0 AND coalesce(max_redemptions, 0)", name=op.f("ck_coupons_redeemed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_coupons_code")),
    )
    op.create_index("ix_coupons_created_at", "coupons", ["created_at", "id"], unique=False)
    for name, condition in (("open", "archived_at IS NULL"), ("archived", "archived_at IS NOT NULL")):
        op.create_index(f"ix_coupons_{name}", "coupons", ["created_at", "id"], postgresql_where=sa.text(condition))
    op.create_table(
        "discounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent_off", sa.Numeric(precision=7, scale=4), nullable=True),
        sa.Column("amount_off_cents", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("periods", sa.Integer(), nullable=True),
        sa.Column("plan_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("periods_used", sa.Integer(), nullable=False),
        sa.Column("covered_subscription_id", sa.Uuid(), nullable=True),
        sa.Column("covered_ordinal", sa.Integer(), nullable=True),
        sa.Column("removed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_discounts_name")),
        sa.CheckConstraint(OFF, name=op.f("ck_discounts_off")),
        sa.CheckConstraint("periods >= 1", name=op.f("ck_discounts_periods")),
        sa.CheckConstraint("periods_used >= 0", name=op.f("ck_discounts_periods_used")),
        sa.CheckConstraint(
            "(covered_subscription_id IS NULL) = (covered_ordinal IS NULL)"
            " AND coalesce(covered_subscription_id = subscription_id, true)",
            name=op.f("ck_discounts_covered"),
        ),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_discounts_coupon_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_discounts_customer_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_discounts_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_discounts")),
        sa.UniqueConstraint("coupon_id", "customer_id", name=op.f("uq_discounts_coupon_id")),
    )
    for column in ("customer_id", "coupon_id"):
        op.create_index(f"ix_discounts_{column}", "discounts", [column, "created_at", "id"], unique=False)
    op.create_index(
        "ix_discounts_in_force", "discounts", ["customer_id"], postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_index(
        "ix_discounts_removed",
        "discounts",
        ["coupon_id", "created_at", "id"],
        postgresql_where=sa.text("removed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_discounts_subscription_id",
        "discounts",
        ["subscription_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("subscription_id IS NOT NULL"),
    )


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM coupons)")):
        raise RuntimeError("There are coupons, which revision 0037 does not support.")
    for table in TABLES:
        op.drop_table(table)
