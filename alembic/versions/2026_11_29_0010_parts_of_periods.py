"""parts of periods

Revision 0010, after 0009. Existing periods, and those that an older server adds, are whole. Revision
0011 validates the checks.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

CHECKS = (
    ("billing_periods", "billed_until", "billed_until BETWEEN starts_at AND ends_at"),
    ("billing_periods", "whole_seconds", "whole_seconds > 0"),
    ("subscriptions", "first_period", "first_period IN ('PRORATED', 'FREE', 'FULL')"),
)

PARTS = """
    SELECT EXISTS (SELECT FROM subscriptions WHERE first_period IS NOT NULL)
        OR EXISTS (SELECT FROM billing_periods WHERE billed_until IS NOT NULL OR whole_seconds IS NOT NULL)
"""


def upgrade() -> None:
    op.add_column("billing_periods", sa.Column("billed_until", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("billing_periods", sa.Column("whole_seconds", sa.Integer(), nullable=True))
    op.add_column("subscriptions", sa.Column("first_period", sa.Text(), nullable=True))
    for table, name, condition in CHECKS:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition}) NOT VALID")


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(PARTS)):
        raise RuntimeError("Periods are billed in part, which revision 0009 does not support.")
    for table, name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.drop_column("subscriptions", "first_period")
    op.drop_column("billing_periods", "whole_seconds")
    op.drop_column("billing_periods", "billed_until")
