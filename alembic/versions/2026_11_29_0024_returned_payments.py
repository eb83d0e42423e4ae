"""refunded and reversed parts of payments

Revision 0024, after 0023. By default, nothing was refunded or reversed. This applies to existing payments and to those
that an older server records. Revision 0029 validates the checks.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

CHECKS = (
    ("refunded_cents", "refunded_cents >= 0"),
    ("reversed_cents", "reversed_cents >= 0"),
    ("returned", "refunded_cents + reversed_cents <= amount_cents"),
    ("reversed_at", "(reversed_cents > 0) = (reversed_at IS NOT NULL)"),
)

RETURNED = """
    SELECT EXISTS (SELECT FROM payments WHERE refunded_cents > 0 OR reversed_cents > 0)
"""


def upgrade() -> None:
    for name in ("refunded_cents", "reversed_cents"):
        op.add_column("payments", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("payments", sa.Column("reversed_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    for name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_payments_{name}"), "payments", condition, postgresql_not_valid=True)


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(RETURNED)):
        raise RuntimeError("Payments were refunded or reversed, which revision 0023 does not support.")
    for name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_payments_{name}"), "payments", type_="check")
    for name in ("reversed_at", "reversed_cents", "refunded_cents"):
        op.drop_column("payments", name)
