"""copies of the live subscription's status and plan on customers, indexes of filters

Revision 0021, after 0020. An older server does not write the copies: see `services.repairs`.
"""

import sqlalchemy as sa
from alembic import op

from db.queries.fills import COPY_LIVE_SUBSCRIPTIONS

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATUSES = "'PENDING', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELED'"
CHECKS = {
    "ck_customers_subscription_status": f"subscription_status IN ({STATUSES})",
    "ck_customers_live_subscription": "(subscription_status IS NULL) = (subscription_plan_id IS NULL)",
}

FILL = f"""
    DO $$
    DECLARE
        place uuid := '00000000-0000-0000-0000-000000000000';
        batch uuid[];
    BEGIN
        LOOP
            -- The next statement sees what the transactions that held the locks have written.
            SELECT array_agg(id ORDER BY id) INTO batch
            FROM (SELECT id FROM customers WHERE id > place ORDER BY id LIMIT 500 FOR NO KEY UPDATE) AS locked;
            EXIT WHEN batch IS NULL;
            {COPY_LIVE_SUBSCRIPTIONS.format(customers="batch")};
            place := batch[cardinality(batch)];
            COMMIT;
        END LOOP;
    END $$
"""

INDEXES = (
    (
        "ix_customers_subscription_status",
        "customers",
        ("subscription_status", "created_at", "id"),
        {"postgresql_where": "subscription_status IS NOT NULL AND test_clock_id IS NULL"},
    ),
    (
        "ix_customers_subscription_plan_id",
        "customers",
        ("subscription_plan_id", "subscription_status", "created_at", "id"),
        {"postgresql_where": "subscription_plan_id IS NOT NULL AND test_clock_id IS NULL"},
    ),
    (
        "ix_customers_with_balance",
        "customers",
        ("created_at", "id"),
        {"postgresql_where": "balance_cents > 0 AND test_clock_id IS NULL"},
    ),
    *(
        (
            f"ix_subscriptions_{column}",
            "subscriptions",
            ("status", column, "id"),
            {
                "postgresql_include": ["created_at", "plan_id"],
                "postgresql_where": f"{column} IS NOT NULL AND test_clock_id IS NULL",
            },
        )
        for column in ("current_period_end", "canceled_at", "trial_end")
    ),
)


def upgrade() -> None:
    # If a later step fails, the migration starts again from here.
    op.add_column("customers", sa.Column("subscription_status", sa.Text(), nullable=True), if_not_exists=True)
    op.add_column("customers", sa.Column("subscription_plan_id", sa.Uuid(), nullable=True), if_not_exists=True)
    for name, condition in CHECKS.items():
        # Left over from an interrupted attempt.
        op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE customers DROP CONSTRAINT IF EXISTS {name}")
        op.create_check_constraint(op.f(name), "customers", condition, postgresql_not_valid=True)
    with op.get_context().autocommit_block():
        op.execute(FILL)
        for name in CHECKS:
            op.execute(f"ALTER TABLE customers VALIDATE CONSTRAINT {name}")
        for name, table, columns, options in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from an interrupted attempt
            op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    op.drop_column("customers", "subscription_plan_id")
    op.drop_column("customers", "subscription_status")
