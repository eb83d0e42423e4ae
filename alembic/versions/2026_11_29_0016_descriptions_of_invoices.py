"""purchase order number, memo and metadata of invoices

Revision 0016, after 0015. Separate from 0015 because that locks another table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

DESCRIBED = """
    SELECT EXISTS (SELECT FROM invoices WHERE metadata <> '{}' OR memo IS NOT NULL OR po_number IS NOT NULL)
"""


def upgrade() -> None:
    op.add_column("invoices", sa.Column("po_number", sa.Text(), nullable=True))
    op.add_column("invoices", sa.Column("memo", sa.Text(), nullable=True))
    op.add_column(
        "invoices",
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    for name, condition in (
        ("po_number", "char_length(po_number) BETWEEN 1 AND 140"),
        ("memo", "char_length(memo) BETWEEN 1 AND 2000"),
        ("metadata", "jsonb_typeof(metadata) = 'object'"),
    ):
        op.create_check_constraint(op.f(f"ck_invoices_{name}"), "invoices", condition, postgresql_not_valid=True)


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(DESCRIBED)):
        raise RuntimeError("Invoices have metadata, memos or PO numbers, which revision 0015 does not support.")
    for name in ("metadata", "memo", "po_number"):
        op.drop_column("invoices", name)
