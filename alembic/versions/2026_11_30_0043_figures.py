"""figures of the business

Revision 0043, after 0042. The foreign key locks subscriptions for a moment: the new table is empty.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.models.types import TransactionId

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

KINDS = "mrr_cents = new_cents + expansion_cents + reactivated_cents - contraction_cents - churned_cents"
MRR = ("mrr_cents", "new_cents", "expansion_cents", "contraction_cents", "churned_cents", "reactivated_cents")
COUNTS = ("active", "trialing", "past_due")


def upgrade() -> None:
    op.create_table(
        "mrr_movements",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("xid", TransactionId(), server_default=sa.text("event_xid()"), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in MRR),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("after_cents", sa.BigInteger(), nullable=False),
        sa.Column("month_start_cents", sa.BigInteger(), nullable=False),
        sa.Column("first_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_mrr_movements_sequence")),
        sa.CheckConstraint(KINDS, name=op.f("ck_mrr_movements_kinds")),
        sa.CheckConstraint("least(after_cents, month_start_cents) >= 0", name=op.f("ck_mrr_movements_mrr")),
        sa.CheckConstraint(
            "first_at <= at AND (after_cents = 0 OR first_at IS NOT NULL)", name=op.f("ck_mrr_movements_first_at")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_mrr_movements_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("customer_id", "sequence", name=op.f("pk_mrr_movements")),
    )
    op.create_index("ix_mrr_movements_xid", "mrr_movements", ["xid"])
    op.create_index("ix_mrr_movements_at", "mrr_movements", ["at"], postgresql_include=["currency", "mrr_cents"])
    op.create_table(
        "daily_figures",
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Numeric(), nullable=False) for name in MRR),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.Numeric(), nullable=False) for name in ("invoiced_cents", "collected_cents")),
        sa.CheckConstraint(KINDS, name=op.f("ck_daily_figures_kinds")),
        sa.PrimaryKeyConstraint("currency", "day", name=op.f("pk_daily_figures")),
    )
    op.create_table(
        "figures_watermark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("below_xid", TransactionId(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_figures_watermark_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figures_watermark")),
    )
    op.execute("INSERT INTO figures_watermark (id, below_xid) VALUES (1, '0')")


def downgrade() -> None:
    for table in ("figures_watermark", "daily_figures", "mrr_movements"):
        op.drop_table(table)
