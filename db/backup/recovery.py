"""The use of a database that is in an earlier state than its clients remember."""

from datetime import datetime

from sqlalchemy import text

from db.backup.errors import BackupError
from db.database import single_connection
from db.migrations import current_revision

RATE_BITS = 31
"""The event numbers of such a database start at the seconds since 1970, times 2 to this power.

See `prepare_for_use`.
"""

STATE_OF = "SELECT recorded_at FROM events ORDER BY xid DESC LIMIT 1"


async def recover(url: str, now: datetime) -> datetime:
    """Prepares a database that PostgreSQL has recovered to an earlier state. Returns the time of its last event.

    Waits for transactions that write events. Without events, the time is `now`. Raises `BackupError` if there are no
    billing tables.
    """
    async with single_connection(url) as connection, connection.begin():
        if await current_revision(connection) is None:
            raise BackupError("This database has no billing tables: there is nothing to prepare.")
        state_of = now
        # Old revisions have no events.
        if await connection.scalar(text("SELECT to_regclass('events') IS NOT NULL")):
            await connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
            state_of = await connection.scalar(text(STATE_OF)) or now
        await connection.exec_driver_sql(prepare_for_use(state_of, now))
    return state_of


def prepare_for_use(taken_at: datetime, now: datetime) -> str:
    """Returns SQL that prepares a database that is in the state of `taken_at` for use from `now` on.

    - Event numbers: the event feed is ordered by transaction ids, and these start again from the beginning in a new
      server, and from an earlier one in a server that was recovered. Old events would stay hidden until the server
      reaches their ids, and new events would sort before events that clients have already read. So the numbers
      continue from one that no older database can have reached: the seconds since 1970, shifted left by `RATE_BITS`.
      To exceed it, a database would need a transaction every half nanosecond. Clients continue from their cursors,
      even from later ones, and miss nothing.
    - Customer sessions are deleted, because some may have been revoked since. Customers need new ones.
    - Idempotency keys expire as usual. The time from then to now does not count, because nobody could use the keys: a
      client that retries a request still gets the original result.
    """
    lost = f"'{now.isoformat()}'::timestamptz - '{taken_at.isoformat()}'::timestamptz"
    return f"""
DO $live_on$
DECLARE
    first bigint := {int(now.timestamp())};
    shift bigint;
    last bigint;
BEGIN
    IF to_regclass('events') IS NOT NULL THEN
        SELECT xid::text::bigint INTO last FROM events ORDER BY xid DESC LIMIT 1;
        first := greatest(first, (last >> {RATE_BITS}) + 1);
        IF to_regproc('event_horizon') IS NOT NULL THEN
            last := event_horizon()::text::bigint;
            first := greatest(first, (last >> {RATE_BITS}) + 1);
        END IF;
        shift := (first << {RATE_BITS}) - pg_current_xact_id()::text::bigint;
        EXECUTE format('CREATE OR REPLACE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE PARALLEL RESTRICTED '
            'RETURN (pg_current_xact_id()::text::bigint + %s)::text::xid8', shift);
        EXECUTE format('CREATE OR REPLACE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE '
            'RETURN (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + %s)::text::xid8', shift);
    END IF;
    IF to_regclass('api_keys') IS NOT NULL THEN
        DELETE FROM api_keys WHERE scope = 'CUSTOMER';
    END IF;
    IF to_regclass('idempotency_keys') IS NOT NULL THEN
        UPDATE idempotency_keys
        SET created_at = created_at + greatest(interval '0', {lost});
    END IF;
END $live_on$;"""  # noqa: S608
