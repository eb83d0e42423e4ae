"""tax profiles of customers

Revision 0034, after 0033. Separate from 0033 because that locks another table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("tax_profile", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    there_are = sa.text("SELECT EXISTS (SELECT FROM customers WHERE tax_profile IS NOT NULL)")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are tax profiles of customers, which revision 0033 does not support.")
    op.drop_column("customers", "tax_profile")
