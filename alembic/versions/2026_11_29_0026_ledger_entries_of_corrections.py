"""ledger entries of corrections

Revision 0026, after 0025. Separate from 0025 because that locks another table. Revision 0029 validates the
constraints.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLE = "ledger_entries"

NEW_KINDS = "'CREDIT_NOTE', 'CREDIT_NOTE_VOIDED', 'REVERSAL', 'REFUND', 'ADJUSTMENT'"

AFTER = (
    ("kind", f"kind IN ('OVERPAYMENT', 'INVOICE_CREDIT', 'APPLIED', 'GIVEN_BACK', {NEW_KINDS})"),
    (
        "sign",
        "kind = 'ADJUSTMENT' OR (kind IN ('APPLIED', 'REVERSAL', 'REFUND', 'CREDIT_NOTE_VOIDED')) = (amount_cents < 0)",
    ),
    ("payment", "(kind IN ('OVERPAYMENT', 'REVERSAL', 'REFUND')) = (payment_id IS NOT NULL)"),
    ("invoice", "(kind IN ('INVOICE_CREDIT', 'APPLIED', 'GIVEN_BACK')) = (invoice_id IS NOT NULL)"),
    ("credit_note", "(kind IN ('CREDIT_NOTE', 'CREDIT_NOTE_VOIDED')) = (credit_note_id IS NOT NULL)"),
    ("adjustment", "(kind = 'ADJUSTMENT') = (reason IS NOT NULL)"),
    ("reason", "char_length(reason) BETWEEN 1 AND 500"),
)
BEFORE = (
    ("kind", "kind IN ('OVERPAYMENT', 'INVOICE_CREDIT', 'APPLIED', 'GIVEN_BACK')"),
    ("sign", "(kind = 'APPLIED') = (amount_cents < 0)"),
    ("payment", "(kind = 'OVERPAYMENT') = (payment_id IS NOT NULL)"),
    ("invoice", "(kind = 'OVERPAYMENT') = (invoice_id IS NULL)"),
)


def drop_check(name: str) -> None:
    # Replaced by a constraint that allows more.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {TABLE} DROP CONSTRAINT ck_{TABLE}_{name}")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("credit_note_id", sa.Uuid(), nullable=True))
    op.add_column(TABLE, sa.Column("reason", sa.Text(), nullable=True))
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
    there_are = sa.text(f"SELECT EXISTS (SELECT FROM {TABLE} WHERE kind IN ({NEW_KINDS}))")
    if not op.get_context().as_sql and op.get_bind().scalar(there_are):
        raise RuntimeError("There are ledger entries of corrections, which revision 0025 does not support.")
    op.drop_constraint(op.f(f"fk_{TABLE}_credit_note_id"), TABLE, type_="foreignkey")
    for name, _ in AFTER:
        drop_check(name)
    op.drop_column(TABLE, "reason")
    op.drop_column(TABLE, "credit_note_id")
    for name, condition in BEFORE:
        op.create_check_constraint(op.f(f"ck_{TABLE}_{name}"), TABLE, condition)
