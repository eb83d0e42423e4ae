"""the changes that waiting lines belong to

Revision 0008, after 0007. The lines that are there, and those that an older server adds, have none.
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
