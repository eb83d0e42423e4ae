"""taxes of plans

Revision 0035, after 0034. Separate from 0034 because that locks another table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plans", sa.Column("tax", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    there_are = sa.text("SELECT EXISTS (SELECT FROM plans WHERE tax IS NOT NULL)")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are taxes of plans, which revision 0034 does not support.")
    op.drop_column("plans", "tax")
