"""Fingerprints of customers: equal for twins that went through the same operations."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import RowMapping, text

from db.database import Database
from services.verify import snapshot, verify

Fingerprint: TypeAlias = dict[str, list[dict[str, Any]]]
"""All rows of one customer, by table."""

IN_ORDER = {
    "customers": "id",
    "subscriptions": "id",
    "billing_periods": "subscription_id, ordinal",
    "trials": "plan_id",
    "billing_holds": "subscription_id",
    "invoices": "sequence NULLS LAST, id",
    "invoice_lines": "(SELECT sequence FROM invoices WHERE invoices.id = invoice_id) NULLS LAST, invoice_id, position",
    "pending_lines": "id",
    "payments": "id",
    "credit_notes": "sequence",
    "credit_note_lines": "(SELECT sequence FROM credit_notes WHERE credit_notes.id = credit_note_id), position",
    "reversals": "id",
    "refunds": "id",
    "allocations": "id",
    "ledger_entries": "sequence",
    "api_keys": "created_at, id",
    "events": "position",
}
"""Tables with rows that belong to a customer, each with a deterministic order."""

OWN = frozenset({"email", "email_key", "invoice_prefix", "token_hash"})
OF_THE_TRANSACTION = frozenset({"xid", "recorded_at"})


async def fingerprints(database: Database) -> dict[UUID, Fingerprint]:
    """Returns the fingerprint of each customer in the database.

    Ids are replaced by their table and place. Columns that differ between twins are left out: the customer's own
    values, and the time and the transaction of a write.
    """
    rows_of: dict[UUID, dict[str, list[RowMapping]]] = defaultdict(lambda: {table: [] for table in IN_ORDER})
    async with snapshot(database) as session:
        for table, order in IN_ORDER.items():
            owner = "id" if table == "customers" else "customer_id"
            found = await session.execute(
                text(f"SELECT * FROM {table} WHERE {owner} IS NOT NULL ORDER BY {owner}, {order}")
            )
            for row in found.mappings():
                rows_of[row[owner]][table].append(row)
    return {customer_id: told(rows) for customer_id, rows in rows_of.items()}


def told(rows: dict[str, list[RowMapping]]) -> Fingerprint:
    [customer] = rows["customers"]
    names = {
        row["id"]: f"{table} {place}"
        for table in IN_ORDER
        for place, row in enumerate(rows[table], start=1)
        if "id" in row
    }

    def said(value: Any) -> Any:
        match value:
            case UUID():
                return names.get(value, value)
            case str():
                return value.replace(customer["email"], "…").replace(customer["invoice_prefix"], "…")
            case dict():
                return {key: said(each) for key, each in value.items()}
            case _:
                return value

    return {
        table: [{column: said(value) for column, value in row.items() if is_told(table, column)} for row in rows[table]]
        for table in IN_ORDER
    }


def is_told(table: str, column: str) -> bool:
    return column not in OWN | OF_THE_TRANSACTION and (table, column) != ("events", "position")


def differences(one: Fingerprint, other: Fingerprint) -> Iterator[str]:
    """Yields a description of each difference between two fingerprints."""
    for table in IN_ORDER:
        if len(one[table]) != len(other[table]):
            yield f"{table}: {len(one[table])} and {len(other[table])} rows"
            continue
        for place, (row, twin) in enumerate(zip(one[table], other[table], strict=True), start=1):
            for column in row:
                if row[column] != twin[column]:
                    yield f"{table} {place}, {column}: {row[column]} and {twin[column]}"


async def assert_sound(database: Database) -> None:
    """Asserts that `billing verify` finds no violation."""
    async with snapshot(database) as session:
        broken = [check.line() for check in await verify(session) if not check.holds]
    assert broken == []
