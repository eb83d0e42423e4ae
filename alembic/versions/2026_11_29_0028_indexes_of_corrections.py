"""indexes of corrections

Revision 0028, after 0027. Reads and writes continue meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_allocations_credit_note_id", "allocations", ("credit_note_id",), "credit_note_id IS NOT NULL"),
    (
        "ix_allocations_balance",
        "allocations",
        ("customer_id", "created_at", "id"),
        "kind = 'BALANCE' AND released_at IS NULL",
    ),
    ("ix_ledger_entries_payment_id", "ledger_entries", ("payment_id",), "payment_id IS NOT NULL"),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, table, columns, condition in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from a killed attempt
            op.create_index(
                name,
                table,
                columns,
                if_not_exists=True,
                postgresql_concurrently=True,
                postgresql_where=sa.text(condition),
            )


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
