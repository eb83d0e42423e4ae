"""changes of pending lines

Revision 0008, after 0007. Existing lines, and those that an older server adds, have no change.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_lines", sa.Column("change_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("pending_lines", "change_id")
