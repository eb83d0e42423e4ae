"""MRR and status of subscriptions as counted

Revision 0044, after 0043. Servers of the previous release leave the columns unchanged. Revision 0048 validates the
checks.
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

STATUSES = "'PENDING', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELED'"
CHECKS = (("mrr_cents", "mrr_cents >= 0"), ("counted_status", f"counted_status IN ({STATUSES})"))


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("mrr_cents", sa.BigInteger(), nullable=True))
    op.add_column("subscriptions", sa.Column("counted_status", sa.Text(), nullable=True))
    for name, condition in CHECKS:
        op.create_check_constraint(
            op.f(f"ck_subscriptions_{name}"), "subscriptions", condition, postgresql_not_valid=True
        )


def downgrade() -> None:
    for name in ("mrr_cents", "counted_status"):
        op.drop_column("subscriptions", name)
