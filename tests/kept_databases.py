"""A database that tests use one after another: to empty it takes a fraction of the time that a new one takes.

The connections to it stay open too. So PostgreSQL, the driver and SQLAlchemy prepare each statement once, and not once
per test.
"""

from typing import Any

from sqlalchemy import TextClause, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError

from db.database import Database
from tests.support import PATIENT_DATABASE

NAMES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind::text = :kind
"""
FINGERPRINT = """
    SELECT concat_ws(' ',
        (SELECT sum(xmin::text::bigint) FROM pg_class WHERE oid >= 16384),
        (SELECT sum(xmin::text::bigint) FROM pg_attribute WHERE attrelid >= 16384),
        (SELECT sum(xmin::text::bigint) FROM pg_constraint),
        (SELECT sum(xmin::text::bigint) FROM pg_trigger),
        (SELECT sum(xmin::text::bigint) FROM pg_proc WHERE oid >= 16384),
        (SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
            WHERE datname = current_database()))
"""
"""Changes with every change of a table, index, constraint, trigger, function or setting of the database."""

END_OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND NOT pid = ANY(:own)
"""


class KeptDatabase:
    """A migrated database, with the rows that migrations insert, and the pools of connections to it.

    `watched`: see `tests.event_changes`.
    """

    def __init__(self, url: str, *, watched: bool) -> None:
        self.url = url
        self.watched = watched
        self.database = Database(url, PATIENT_DATABASE)
        self._attributes = plain_attributes(self.database)
        self._pids: set[int] = set()
        self._fingerprint = ""
        self._resets: list[TextClause] = []
        for pool in self.database.pools.values():
            event.listen(pool, "connect", self._connected)

    def _connected(self, connection: DBAPIConnection, _record: object) -> None:
        self._pids.add(connection.driver_connection.get_server_pid())

    async def begin(self) -> None:
        """Remembers the structure and the rows of the database, once they are complete."""
        async with self.database.sessions() as session:
            self._fingerprint = await session.scalar(text(FINGERPRINT)) or ""
            tables = (await session.scalars(text(NAMES), {"kind": "r"})).all()
            sequences = (await session.scalars(text(NAMES), {"kind": "S"})).all()
            rows = {name: await session.scalar(text(f"SELECT json_agg(t)::text FROM {name} AS t")) for name in tables}
        self._resets = [text(f"SELECT setval('{name}', 1, false)") for name in sequences]
        self._resets += [text(f"DELETE FROM {name}") for name in tables]
        self._resets += [
            text(f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, :rows)").bindparams(rows=rows)
            for name, rows in rows.items()
            if rows is not None
        ]

    async def empty(self) -> bool:
        """Makes all rows what they were. Returns False if the test changed more: no other may use the database then."""
        database = self.database
        for listeners in (database.listeners, database.on_retry, database.on_events):
            listeners.clear()
        for pool in database.pools.values():
            pool.waited = ()
        if plain_attributes(database) != self._attributes or any(pool.checkedout() for pool in database.pools.values()):
            return False
        try:
            async with database.sessions.begin() as session:
                await session.execute(text(END_OTHERS), {"own": [*self._pids]})
                # Neither foreign keys nor triggers matter, since all tables become what they were.
                await session.execute(text("SET LOCAL session_replication_role = replica"))
                for statement in self._resets:
                    await session.execute(statement)
                return bool(await session.scalar(text(FINGERPRINT)) == self._fingerprint)
        except SQLAlchemyError:
            return False


def plain_attributes(database: Database) -> dict[str, Any]:
    return {name: value for name, value in vars(database).items() if isinstance(value, int | float | str)}
