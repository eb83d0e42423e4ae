"""discounts of invoices

Revision 0039, after 0038. An older server writes none.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoices", sa.Column("discounts", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    there_are = sa.text("SELECT EXISTS (SELECT FROM invoices WHERE discounts IS NOT NULL)")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are invoices with discounts, which revision 0038 does not support.")
    op.drop_column("invoices", "discounts")
