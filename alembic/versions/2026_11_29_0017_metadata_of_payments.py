"""metadata and versions of payments

Revision 0017, after 0016. Separate from 0016 because that locks another table. Payments that exist, and those that
an older server records, are at version 1 and were never changed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

DESCRIBED = """
    SELECT EXISTS (SELECT FROM payments WHERE metadata <> '{}')
"""


def upgrade() -> None:
    op.add_column(
        "payments",
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.add_column("payments", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("payments", sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_payments_metadata"), "payments", "jsonb_typeof(metadata) = 'object'", postgresql_not_valid=True
    )


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(DESCRIBED)):
        raise RuntimeError("Payments have metadata, which revision 0016 does not support.")
    for name in ("updated_at", "version", "metadata"):
        op.drop_column("payments", name)
