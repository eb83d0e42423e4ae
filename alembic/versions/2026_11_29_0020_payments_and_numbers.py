"""test clocks of payments, indexes of payments, invoice numbers and times of events

Revision 0020, after 0019. Servers of the previous release leave `payments.test_clock_id` null.
"""

import sqlalchemy as sa
from alembic import op

from db.queries.fills import fill_test_clocks

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

NO_TEST_CLOCK = "test_clock_id IS NULL"

INDEXES = (
    ("ix_payments_created_at", "payments", ("created_at", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    ("ix_payments_reference", "payments", ("reference", "created_at", "id"), {}),
    ("ix_payments_method", "payments", ("method", "created_at", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    (
        "ix_payments_received_at",
        "payments",
        ("method", "received_at", "id"),
        {"postgresql_include": ["created_at"], "postgresql_where": NO_TEST_CLOCK},
    ),
    ("ix_payments_amount_cents", "payments", ("amount_cents", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    (
        "ix_payments_test_clock_id",
        "payments",
        ("test_clock_id", "created_at", "id"),
        {"postgresql_where": "test_clock_id IS NOT NULL"},
    ),
    ("ix_invoices_number", "invoices", ("number",), {}),
    ("ix_events_recorded_at", "events", ("recorded_at", "position"), {"postgresql_include": ["xid"]}),
)

CUSTOMERS_AT_ONCE = 100
PAYMENTS_AT_ONCE = 1000
"""Maximum number of payments that are updated in one transaction."""

CUSTOMERS = sa.text(
    f"""
    SELECT test_clock_id, created_at, id FROM customers
    WHERE test_clock_id IS NOT NULL
      AND (CAST(:id AS uuid) IS NULL OR (test_clock_id, created_at, id) > (:test_clock_id, :created_at, :id))
    ORDER BY test_clock_id, created_at, id
    LIMIT {CUSTOMERS_AT_ONCE}
    """
)
UNFILLED = f"""
    (
        SELECT id, customer_id FROM payments
        WHERE customer_id = ANY (:customers) AND test_clock_id IS NULL
        LIMIT {PAYMENTS_AT_ONCE}
    )
"""
FILL = sa.text(fill_test_clocks(UNFILLED))


def fill() -> None:
    """Sets the test clocks of existing payments, in transactions of at most `PAYMENTS_AT_ONCE` payments."""
    if op.get_context().as_sql:
        op.execute(fill_test_clocks("payments"))
        return
    connection = op.get_bind()
    last = {"test_clock_id": None, "created_at": None, "id": None}
    while customers := connection.execute(CUSTOMERS, last).mappings().all():
        while connection.execute(FILL, {"customers": [customer["id"] for customer in customers]}).rowcount:
            pass
        last = dict(customers[-1])


def upgrade() -> None:
    # Exists already after an interrupted attempt.
    op.add_column("payments", sa.Column("test_clock_id", sa.Uuid(), nullable=True), if_not_exists=True)
    with op.get_context().autocommit_block():
        for name, table, columns, options in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from a killed attempt
            op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)
        fill()


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    op.drop_column("payments", "test_clock_id")
