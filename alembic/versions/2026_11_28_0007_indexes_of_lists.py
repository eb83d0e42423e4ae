"""indexes of lists

Revision 0007, after 0006.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NO_TEST_CLOCK = "test_clock_id IS NULL"

INDEXES = (
    ("ix_invoices_status", "invoices", ("status", "kind", "created_at", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    (
        "ix_invoices_currency",
        "invoices",
        ("currency", "status", "created_at", "id"),
        {"postgresql_where": NO_TEST_CLOCK},
    ),
    (
        "ix_invoices_due_at",
        "invoices",
        ("status", "due_at", "id"),
        {"postgresql_include": ["created_at"], "postgresql_where": NO_TEST_CLOCK},
    ),
    (
        "ix_invoices_issued_at",
        "invoices",
        ("issued_at", "id"),
        {"postgresql_include": ["created_at"], "postgresql_where": NO_TEST_CLOCK},
    ),
    ("ix_invoices_status_amount", "invoices", ("status", "amount_cents", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    (
        "ix_invoices_currency_amount",
        "invoices",
        ("currency", "amount_cents", "id"),
        {"postgresql_where": NO_TEST_CLOCK},
    ),
    ("ix_subscriptions_status", "subscriptions", ("status", "created_at", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    (
        "ix_subscriptions_plan_status",
        "subscriptions",
        ("plan_id", "status", "created_at", "id"),
        {"postgresql_where": NO_TEST_CLOCK},
    ),
    ("ix_customers_currency", "customers", ("currency", "created_at", "id"), {"postgresql_where": NO_TEST_CLOCK}),
    (
        "ix_customers_in_use",
        "customers",
        ("created_at", "id"),
        {"postgresql_where": f"archived_at IS NULL AND {NO_TEST_CLOCK}"},
    ),
    (
        "ix_customers_archived",
        "customers",
        ("created_at", "id"),
        {"postgresql_where": f"archived_at IS NOT NULL AND {NO_TEST_CLOCK}"},
    ),
    ("ix_events_type", "events", ("type", "xid", "position"), {}),
    ("ix_test_clocks_status", "test_clocks", ("status", "created_at", "id"), {}),
    ("ix_billing_runs_trigger", "billing_runs", ("trigger", "created_at", "id"), {}),
    ("ix_plans_currency", "plans", ("currency", "created_at", "id"), {}),
    ("ix_plans_interval", "plans", ("interval", "created_at", "id"), {}),
    ("ix_plans_open", "plans", ("created_at", "id"), {"postgresql_where": "archived_at IS NULL"}),
    ("ix_plans_archived", "plans", ("created_at", "id"), {"postgresql_where": "archived_at IS NOT NULL"}),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, table, columns, options in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from a killed attempt
            op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
