"""validate the constraints of descriptions and events

Revision 0019, after 0018. Reads and writes continue meanwhile.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

CONSTRAINTS = (
    ("customers", "ck_customers_po_number"),
    ("customers", "ck_customers_invoice_memo"),
    ("invoices", "ck_invoices_po_number"),
    ("invoices", "ck_invoices_memo"),
    ("invoices", "ck_invoices_metadata"),
    ("payments", "ck_payments_metadata"),
    ("events", "ck_events_type"),
)


def upgrade() -> None:
    for table, constraint in CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def downgrade() -> None:
    """Leaves the constraints as they are: earlier revisions remove them."""
