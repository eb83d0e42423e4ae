"""checks of moved dates

Revision 0013, after 0012. Validates its checks in a transaction of its own, with a lock that reads and writes pass.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_cancel_settlement")
    op.execute("ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_cancel_at")


def downgrade() -> None:
    pass
