"""lengths of periods of pending lines

Revision 0040, after 0039. Separate from 0039 because that locks another table. Older servers leave the column null:
a discount then takes its full amount off the line, not a prorated part.
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_lines", sa.Column("period_seconds", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("pending_lines", "period_seconds")
