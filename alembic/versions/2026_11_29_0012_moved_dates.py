"""moved dates

Revision 0012, after 0011. Existing subscriptions, and those that an older server adds, are not set to cancel at an
instant. Revision 0013 validates the checks.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CHECKS = (
    ("cancel_settlement", "cancel_settlement IN ('NONE', 'CREDIT')"),
    (
        "cancel_at",
        "(cancel_at IS NULL) = (cancel_settlement IS NULL) AND (cancel_at IS NULL OR canceled_at IS NOT NULL)",
    ),
)

CANCELLATIONS = """
    SELECT EXISTS (SELECT FROM subscriptions WHERE cancel_at IS NOT NULL AND status <> 'CANCELED')
"""


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("cancel_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("cancel_settlement", sa.Text(), nullable=True))
    for name, condition in CHECKS:
        op.execute(f"ALTER TABLE subscriptions ADD CONSTRAINT ck_subscriptions_{name} CHECK ({condition}) NOT VALID")


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(CANCELLATIONS)):
        raise RuntimeError("Subscriptions are set to cancel at a given time, which revision 0011 does not support.")
    for name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_subscriptions_{name}"), "subscriptions", type_="check")
    op.drop_column("subscriptions", "cancel_settlement")
    op.drop_column("subscriptions", "cancel_at")
