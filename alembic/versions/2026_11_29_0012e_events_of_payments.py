"""events of changed payments

Revision 0012e, after 0012d. Separate from 0012d because that locks another table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012e"
down_revision = "0012d"
branch_labels = None
depends_on = None

AFTER = (
    "CUSTOMER_CREATED",
    "CUSTOMER_UPDATED",
    "CUSTOMER_ARCHIVED",
    "CUSTOMER_UNARCHIVED",
    "CUSTOMER_BALANCE_CHANGED",
    "PLAN_CREATED",
    "PLAN_UPDATED",
    "PLAN_ARCHIVED",
    "PLAN_UNARCHIVED",
    "SUBSCRIPTION_CREATED",
    "SUBSCRIPTION_STARTED",
    "SUBSCRIPTION_TRIAL_ENDED",
    "SUBSCRIPTION_RENEWED",
    "SUBSCRIPTION_CHANGED",
    "SUBSCRIPTION_CHANGE_SCHEDULED",
    "SUBSCRIPTION_CHANGE_WITHDRAWN",
    "SUBSCRIPTION_CANCELLATION_SCHEDULED",
    "SUBSCRIPTION_CANCELLATION_UNDONE",
    "SUBSCRIPTION_CANCELED",
    "SUBSCRIPTION_PAST_DUE",
    "SUBSCRIPTION_RECOVERED",
    "INVOICE_CREATED",
    "INVOICE_UPDATED",
    "INVOICE_DELETED",
    "INVOICE_FINALIZED",
    "INVOICE_PARTIALLY_PAID",
    "INVOICE_PAID",
    "INVOICE_VOIDED",
    "INVOICE_MARKED_UNCOLLECTIBLE",
    "PAYMENT_RECORDED",
    "PAYMENT_UPDATED",
    "TEST_CLOCK_CREATED",
    "TEST_CLOCK_ADVANCING",
    "TEST_CLOCK_ADVANCED",
)
BEFORE = tuple(each for each in AFTER if each != "PAYMENT_UPDATED")

UPDATED = "SELECT EXISTS (SELECT FROM events WHERE type = 'PAYMENT_UPDATED')"


def allow(types: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{each}'" for each in types)
    # Replaced by a constraint with other values.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE events DROP CONSTRAINT ck_events_type")
    op.create_check_constraint(op.f("ck_events_type"), "events", f"type IN ({listed})", postgresql_not_valid=True)


def upgrade() -> None:
    allow(AFTER)


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(UPDATED)):
        raise RuntimeError("Payments were changed, which revision 0012d does not support.")
    allow(BEFORE)
    op.execute("ALTER TABLE events VALIDATE CONSTRAINT ck_events_type")
