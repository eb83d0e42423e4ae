"""validate the events of webhook endpoints

Revision 0051, after 0050. Reads and writes continue meanwhile.
"""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One scan: the event feed waits for the end of this transaction.
    op.execute("ALTER TABLE events VALIDATE CONSTRAINT ck_events_type, VALIDATE CONSTRAINT ck_events_object_type")


def downgrade() -> None:
    """Leaves the constraints as they are: earlier revisions replace them."""
