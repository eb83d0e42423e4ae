"""taxes, discounts and rounding of invoices

Revision 0031, after 0030. An older server writes none. Revision 0037 validates the constraints.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

TOTAL = "amount_cents = subtotal_cents + tax_cents"


def replace_total(condition: str) -> None:
    # Replaced by a constraint that also counts rounding, or back.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE invoices DROP CONSTRAINT ck_invoices_total")
    op.create_check_constraint(op.f("ck_invoices_total"), "invoices", condition, postgresql_not_valid=True)


def upgrade() -> None:
    op.add_column("invoices", sa.Column("discount_cents", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("invoices", sa.Column("rounding_cents", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("invoices", sa.Column("taxes", postgresql.JSONB(), nullable=True))
    op.add_column("invoices", sa.Column("tax_date", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("invoices", sa.Column("seller_id", sa.Uuid(), nullable=True))
    replace_total(f"{TOTAL} + rounding_cents")
    op.create_check_constraint(
        op.f("ck_invoices_discount_cents"), "invoices", "discount_cents >= 0", postgresql_not_valid=True
    )
    op.create_foreign_key(
        op.f("fk_invoices_seller_id"), "invoices", "sellers", ["seller_id"], ["id"], postgresql_not_valid=True
    )


def downgrade() -> None:
    there_are = sa.text("SELECT EXISTS (SELECT FROM invoices WHERE seller_id IS NOT NULL)")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are invoices with a seller, which revision 0030 does not support.")
    replace_total(TOTAL)
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT ck_invoices_total")
    for name in ("seller_id", "tax_date", "taxes", "rounding_cents", "discount_cents"):
        op.drop_column("invoices", name)
