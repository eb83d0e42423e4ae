"""validate the constraints of corrections

Revision 0029, after 0028. Reads and writes continue meanwhile.
"""

from itertools import groupby
from operator import itemgetter

from alembic import op

revision = "0029"
down_revision = "0028"
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


def upgrade() -> None:
    for table, constraints in groupby(CONSTRAINTS, key=itemgetter(0)):
        # One scan of each table: the event feed waits for the end of this transaction.
        validations = ", ".join(f"VALIDATE CONSTRAINT {constraint}" for _, constraint in constraints)
        op.execute(f"ALTER TABLE {table} {validations}")


def downgrade() -> None:
    """Leaves the constraints as they are: earlier revisions remove them."""
