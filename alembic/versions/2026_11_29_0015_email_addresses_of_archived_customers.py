"""e-mail addresses of archived customers, purchase order number and memo of customers

Revision 0015, after 0014. The new unique index takes the name of the constraint that it replaces: servers of the
previous version recognize a taken e-mail address by this name.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TAKEN_TWICE = "SELECT EXISTS (SELECT FROM customers GROUP BY email_key HAVING count(*) > 1)"

DESCRIBED = "SELECT EXISTS (SELECT FROM customers WHERE invoice_memo IS NOT NULL OR po_number IS NOT NULL)"


def upgrade() -> None:
    # The index of revision 0014 is unique for all rows for which uniqueness is still required.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE customers DROP CONSTRAINT uq_customers_email_key")
    # No client knows the name of the new index yet.
    op.execute(
        "-- squawk-ignore renaming-object\nALTER INDEX uq_customers_email_key_next RENAME TO uq_customers_email_key"
    )
    op.add_column("customers", sa.Column("po_number", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("invoice_memo", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_customers_po_number"),
        "customers",
        "char_length(po_number) BETWEEN 1 AND 140",
        postgresql_not_valid=True,
    )
    op.create_check_constraint(
        op.f("ck_customers_invoice_memo"),
        "customers",
        "char_length(invoice_memo) BETWEEN 1 AND 2000",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(TAKEN_TWICE)):
        raise RuntimeError("Several customers have the same e-mail address, which revision 0014 does not support.")
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(DESCRIBED)):
        raise RuntimeError("Customers have memos or PO numbers, which revision 0014 does not support.")
    op.drop_column("customers", "invoice_memo")
    op.drop_column("customers", "po_number")
    op.execute("ALTER INDEX uq_customers_email_key RENAME TO uq_customers_email_key_next")
    op.create_unique_constraint("uq_customers_email_key", "customers", ["email_key"])
