"""indexes of e-mail addresses

Revision 0014, after 0013. Until 0015, the unique constraint on `email_key` alone stays in force beside the new index.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEXES = (
    (
        "uq_customers_email_key_next",
        ("email_key", "test_clock_id"),
        {"unique": True, "postgresql_nulls_not_distinct": True, "postgresql_where": "archived_at IS NULL"},
    ),
    ("ix_customers_email_key", ("email_key", "test_clock_id", "archived_at", "id"), {}),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, columns, options in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left over from a killed attempt
            op.create_index(name, "customers", columns, if_not_exists=True, postgresql_concurrently=True, **options)


def downgrade() -> None:
    for name, _, _ in INDEXES:
        op.drop_index(name, "customers")
