"""validate the constraints of taxes

Revision 0037, after 0036. Reads and writes continue meanwhile.
"""

from itertools import groupby
from operator import itemgetter

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

CONSTRAINTS = (
    ("invoices", "ck_invoices_total"),
    ("invoices", "ck_invoices_discount_cents"),
    ("invoices", "fk_invoices_seller_id"),
    ("invoice_lines", "ck_invoice_lines_discount_cents"),
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
