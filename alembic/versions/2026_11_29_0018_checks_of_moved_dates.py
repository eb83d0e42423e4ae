"""checks of moved dates

Revision 0018, after 0015. Validates its checks in a transaction of its own, with a lock that reads and writes pass.
"""

from alembic import op

revision = "0018"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_cancel_settlement")
    op.execute("ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_cancel_at")
    op.execute("ALTER TABLE events VALIDATE CONSTRAINT ck_events_type")


def downgrade() -> None:
    pass
