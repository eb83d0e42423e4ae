"""changes of invoice lines

Revision 0009, after 0008. Separate from 0008 because that locks another table. Existing lines, and those that an older
server adds, have no change.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoice_lines", sa.Column("change_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("invoice_lines", "change_id")
