"""whole periods of pending lines

Revision 0040, after 0039. Separate from 0039 because that locks another table. A line of an older server has none: a
discount takes its whole amount off it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_lines", sa.Column("whole_seconds", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("pending_lines", "whole_seconds")
