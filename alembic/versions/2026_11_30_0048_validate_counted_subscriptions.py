"""validate the checks of counted subscriptions

Revision 0048, after 0047. Reads and writes continue meanwhile.
"""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One scan.
    op.execute(
        "ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_mrr_cents,"
        " VALIDATE CONSTRAINT ck_subscriptions_counted_status"
    )


def downgrade() -> None:
    """Leaves the constraints as they are: revision 0043 removes them with their columns."""
