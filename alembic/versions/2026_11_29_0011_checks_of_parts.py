"""checks of parts of periods

Revision 0011, after 0010. Validates its checks in a transaction of its own, with a lock that reads and writes pass.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE billing_periods VALIDATE CONSTRAINT ck_billing_periods_billed_until")
    op.execute("ALTER TABLE billing_periods VALIDATE CONSTRAINT ck_billing_periods_whole_seconds")
    op.execute("ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_first_period")


def downgrade() -> None:
    pass
