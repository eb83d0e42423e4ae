"""search for customers, and by metadata

Revision 0022, after 0021. ANALYZE gathers the statistics of the searched text, without which PostgreSQL would not know
if a text is rare. The extension stays after a downgrade: others may use it.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SEARCHED_TEXT = (
    r"replace(lower((E'\n\n' || customers.name || E'\n\n' || customers.email || E'\n\n'"
    r" || coalesce(customers.external_id, '') || E'\n\n' || customers.invoice_prefix)"
    ' COLLATE "default")'
    r", E'\n\n', 'NN')"
)

INDEXES = (
    ("ix_customers_search", "customers", f"{SEARCHED_TEXT} gin_trgm_ops"),
    ("ix_customers_metadata", "customers", "metadata jsonb_path_ops"),
    ("ix_subscriptions_metadata", "subscriptions", "metadata jsonb_path_ops"),
)


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    with op.get_context().autocommit_block():
        for name, table, entries in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from a killed attempt
            op.execute(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} USING gin ({entries})"
                " WITH (fastupdate = off)"
            )
        op.execute("ANALYZE customers")


def downgrade() -> None:
    for name, table, _ in INDEXES:
        op.drop_index(name, table)
