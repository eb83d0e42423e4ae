"""validate the constraints of corrections, and index their lookups

Revision 0028, after 0027. Reads and writes continue meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

CONSTRAINTS = (
    ("payments", "ck_payments_refunded_cents"),
    ("payments", "ck_payments_reversed_cents"),
    ("payments", "ck_payments_returned"),
    ("payments", "ck_payments_reversed_at"),
    ("allocations", "ck_allocations_kind"),
    ("allocations", "ck_allocations_source"),
    ("allocations", "fk_allocations_credit_note_id"),
    ("ledger_entries", "ck_ledger_entries_kind"),
    ("ledger_entries", "ck_ledger_entries_sign"),
    ("ledger_entries", "ck_ledger_entries_payment"),
    ("ledger_entries", "ck_ledger_entries_invoice"),
    ("ledger_entries", "ck_ledger_entries_credit_note"),
    ("ledger_entries", "ck_ledger_entries_adjustment"),
    ("ledger_entries", "ck_ledger_entries_reason"),
    ("ledger_entries", "fk_ledger_entries_credit_note_id"),
    ("events", "ck_events_type"),
    ("events", "ck_events_object_type"),
)

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
    for table, constraint in CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
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
    """Leaves the constraints as they are: earlier revisions remove them."""
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
