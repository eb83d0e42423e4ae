"""changes within periods, trials of each plan, details of outcomes

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("billing_periods", sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("idempotency_keys", sa.Column("details", postgresql.JSONB(), nullable=True))
    op.create_table(
        "trials",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_trials_plan_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_trials_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("customer_id", "plan_id", name=op.f("pk_trials")),
    )


def downgrade() -> None:
    op.drop_table("trials")
    op.drop_column("idempotency_keys", "details")
    op.drop_column("billing_periods", "changed_at")
