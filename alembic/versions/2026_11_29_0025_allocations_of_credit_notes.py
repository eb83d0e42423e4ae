"""allocations of credit notes, and released allocations of payments

Revision 0025, after 0024. Separate from 0024 because that locks another table. Revision 0029 validates the
constraints.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLE = "allocations"

AFTER = (
    ("kind", "kind IN ('PAYMENT', 'BALANCE', 'CREDIT', 'CREDIT_NOTE')"),
    (
        "source",
        (
            "(kind = 'PAYMENT') = (payment_id IS NOT NULL) AND (kind = 'CREDIT') = (source_invoice_id IS NOT NULL)"
            " AND (kind = 'CREDIT_NOTE') = (credit_note_id IS NOT NULL)"
        ),
    ),
)
BEFORE = (
    ("kind", "kind IN ('PAYMENT', 'BALANCE', 'CREDIT')"),
    (
        "source",
        "(kind = 'PAYMENT') = (payment_id IS NOT NULL) AND (kind = 'CREDIT') = (source_invoice_id IS NOT NULL)",
    ),
    ("released_at", "kind <> 'PAYMENT' OR released_at IS NULL"),
)

NEW = """
    SELECT EXISTS (SELECT FROM allocations WHERE kind = 'CREDIT_NOTE' OR kind = 'PAYMENT' AND released_at IS NOT NULL)
"""


def drop_check(name: str) -> None:
    # Replaced by a constraint that allows more.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {TABLE} DROP CONSTRAINT ck_{TABLE}_{name}")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("credit_note_id", sa.Uuid(), nullable=True))
    for name, _ in BEFORE:
        drop_check(name)
    for name, condition in AFTER:
        op.create_check_constraint(op.f(f"ck_{TABLE}_{name}"), TABLE, condition, postgresql_not_valid=True)
    op.create_foreign_key(
        op.f(f"fk_{TABLE}_credit_note_id"),
        TABLE,
        "credit_notes",
        ["credit_note_id", "customer_id"],
        ["id", "customer_id"],
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(NEW)):
        raise RuntimeError(
            "There are allocations of credit notes or of reversed payments, which revision 0024 does not support."
        )
    op.drop_constraint(op.f(f"fk_{TABLE}_credit_note_id"), TABLE, type_="foreignkey")
    for name, _ in AFTER:
        drop_check(name)
    op.drop_column(TABLE, "credit_note_id")
    for name, condition in BEFORE:
        op.create_check_constraint(op.f(f"ck_{TABLE}_{name}"), TABLE, condition)
