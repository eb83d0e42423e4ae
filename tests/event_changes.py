"""Compares the changes that events name with those that PostgreSQL triggers see."""

from collections.abc import Mapping

from graphql import GraphQLObjectType
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from db.models.base import Base, table_of
from db.models.kinds import KINDS
from graph.execution import ATTRIBUTE, READS
from graph.schema.root import core_schema

UNNAMED = {"version", "updated_at"}
"""Columns that every change sets and no event names."""

NO_COLUMNS = {"lines"}
"""Changes that events name and that are in other tables."""

COLUMN_OF_PART = {
    ("CUSTOMER", "tax_status"): "tax_profile",
    ("CUSTOMER", "tax_exemption_reason"): "tax_profile",
    ("CUSTOMER", "tax_ids"): "tax_profile",
    ("CUSTOMER", "tax_rates"): "tax_profile",
    ("PLAN", "tax_rates"): "tax",
}
"""Changes that events name more precisely than by the column that contains them."""

KINDS_THAT_CHANGE: dict[str, type[Base]] = {
    kind.type.value: kind.model for kind in KINDS if "version" in table_of(kind.model).c
}

WATCH = (
    "CREATE TABLE changes_seen (transaction xid8, kind text, id uuid, before int, after int, columns text[])",
    """
    CREATE FUNCTION see_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO changes_seen
        SELECT pg_current_xact_id(), TG_ARGV[0], NEW.id, OLD.version, NEW.version, array_agg(key)
        FROM jsonb_each(to_jsonb(NEW))
        WHERE value IS DISTINCT FROM to_jsonb(OLD) -> key;
        RETURN NULL;
    END $$
    """,
    *(
        f"CREATE TRIGGER see_change AFTER UPDATE ON {model.__tablename__}"
        f" FOR EACH ROW EXECUTE FUNCTION see_change('{kind}')"
        for kind, model in KINDS_THAT_CHANGE.items()
    ),
)

SEEN = """
    SELECT seen.*, array_agg(type ORDER BY version) AS types, array(
        SELECT DISTINCT name
        FROM events, unnest(changes) AS name
        WHERE object_id = seen.id AND version > before AND version <= after
    ) AS named
    FROM (
        SELECT kind, id, min(before) AS before, max(after) AS after, array_agg(DISTINCT name) AS columns
        FROM changes_seen, unnest(columns) AS name
        GROUP BY transaction, kind, id
    ) AS seen
    LEFT JOIN events ON object_id = seen.id AND version > before AND version <= after
    GROUP BY seen.kind, seen.id, seen.before, seen.after, seen.columns
"""


def fields_by_column(kind: str) -> dict[str, set[str]]:
    """For each column that the API shows of a kind of object, the fields of its type that show it."""
    type_ = core_schema.type_map[kind.title().replace("_", "")]
    assert isinstance(type_, GraphQLObjectType)
    found: dict[str, set[str]] = {}
    for name, field in type_.fields.items():
        for column in {field.extensions.get(ATTRIBUTE), *field.extensions.get(READS, ())} - {None, "id"}:
            found.setdefault(column.removeprefix("custom_"), set()).add(name)
    return found


async def watch_changes(connection: AsyncConnection | AsyncSession) -> None:
    """Has a database write down which columns of which object each transaction changes."""
    for statement in WATCH:
        await connection.execute(text(statement))


async def wrongly_named(connection: AsyncConnection | AsyncSession) -> list[str]:
    """Returns the events since `watch_changes` that do not name exactly the changed columns that the API shows.

    Where a transaction makes several versions of an object, their events may name a column that is in the end what it
    was in the beginning.
    """
    shown: Mapping[str, set[str]] = {kind: {*fields_by_column(kind)} - UNNAMED for kind in KINDS_THAT_CHANGE}
    wrong = []
    for seen in await connection.execute(text(SEEN)):
        changed = shown[seen.kind].intersection(seen.columns)
        named = {COLUMN_OF_PART.get((seen.kind, name), name) for name in seen.named} - NO_COLUMNS
        unnamed, untrue = changed - named, named - changed if seen.after == seen.before + 1 else set()
        if unnamed or untrue:
            wrong.append(f"{seen.types} of {seen.kind} {seen.id}: unnamed {sorted(unnamed)}, untrue {sorted(untrue)}")
    return sorted(wrong)
