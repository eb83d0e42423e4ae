"""numbers of events

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RESTORED = "SELECT EXISTS (SELECT FROM events WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))"


def upgrade() -> None:
    # After a restore of a backup of an older revision, both functions exist already, and start from a higher number.
    op.execute(
        """
        DO $$
        BEGIN
            IF to_regproc('event_xid') IS NULL THEN
                CREATE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE PARALLEL RESTRICTED
                RETURN pg_current_xact_id();
                CREATE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE
                RETURN pg_snapshot_xmin(pg_current_snapshot());
            END IF;
        END
        $$
        """
    )
    op.execute("ALTER TABLE events ALTER COLUMN xid SET DEFAULT event_xid()")


def downgrade() -> None:
    if not op.get_context().as_sql and op.get_bind().scalar(sa.text(RESTORED)):
        raise RuntimeError("This database was restored from a backup, which revision 0003 does not support.")
    op.execute("ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id()")
    op.execute("DROP FUNCTION event_horizon(), event_xid()")
