"""indexes of figures

Revision 0045, after 0044. Reads and writes continue meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

INDEXES = (
    (
        "ix_subscriptions_uncounted",
        "subscriptions",
        ("next_billing_at", "id"),
        {"postgresql_where": sa.text("counted_status IS DISTINCT FROM status AND test_clock_id IS NULL")},
    ),
    (
        "ix_invoices_outstanding",
        "invoices",
        ("currency", "due_at"),
        {
            "postgresql_include": ["amount_due_cents"],
            "postgresql_where": sa.text("status = 'OPEN' AND test_clock_id IS NULL"),
        },
    ),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, table, columns, options in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from a killed attempt
            op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
