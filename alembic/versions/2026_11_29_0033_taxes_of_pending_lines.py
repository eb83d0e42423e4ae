"""taxes of pending lines

Revision 0033, after 0032. Separate from 0032 because that locks another table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_lines", sa.Column("tax", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    there_are = sa.text("SELECT EXISTS (SELECT FROM pending_lines WHERE tax IS NOT NULL)")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are taxes of pending lines, which revision 0032 does not support.")
    op.drop_column("pending_lines", "tax")
