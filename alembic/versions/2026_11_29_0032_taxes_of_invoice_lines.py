"""taxes and discounts of invoice lines

Revision 0032, after 0031. Separate from 0031 because that locks another table. Revision 0037
validates the check.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoice_lines", sa.Column("discount_cents", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("invoice_lines", sa.Column("tax", postgresql.JSONB(), nullable=True))
    op.create_check_constraint(
        op.f("ck_invoice_lines_discount_cents"),
        "invoice_lines",
        "discount_cents BETWEEN 0 AND greatest(0, amount_cents)",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    there_are = sa.text("SELECT EXISTS (SELECT FROM invoice_lines WHERE tax IS NOT NULL OR discount_cents > 0)")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are taxes or discounts of lines, which revision 0031 does not support.")
    for name in ("tax", "discount_cents"):
        op.drop_column("invoice_lines", name)
