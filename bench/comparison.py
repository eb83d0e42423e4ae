"""Checks before any measurement that all servers return the same responses and write the same rows."""

import json
from collections.abc import Sequence
from datetime import datetime
from difflib import unified_diff
from typing import Any
from uuid import UUID

from bench.database import BenchDatabase
from bench.dialects import INSTANT, forgetting, plain
from bench.operations import Operation, Subjects
from bench.servers import Server

OUR_OWN = {"name", "email", "email_key", "invoice_prefix", "actor", "xid"}
"""Columns that differ between customers, or between writers and times."""


class Differs(Exception):
    """Servers behave differently. The message shows where."""


def check(
    database: BenchDatabase, servers: Sequence[Server], operations: Sequence[Operation], subjects: Subjects
) -> None:
    """Raises `Differs` if a server responds or writes differently from the first one."""
    for operation in operations:
        if operation.writes:
            check_writes(database, servers, operation, subjects)
        else:
            check_reads(servers, operation, subjects)


def check_reads(servers: Sequence[Server], operation: Operation, subjects: Subjects) -> None:
    for variables in operation.variables(subjects):
        first, *others = ((server, plain(server.ask(operation, variables))) for server in servers)
        for server, answer in others:
            same(f"{operation.name}: {server.kind.title} returns", first[1], answer)


def check_writes(database: BenchDatabase, servers: Sequence[Server], operation: Operation, subjects: Subjects) -> None:
    """Runs the operation on each server for a different customer, and compares responses and rows."""
    done = []
    try:
        for server, variables in zip(servers, operation.variables(subjects), strict=False):
            answer = forgetting(in_our_shape(plain(server.ask(operation, variables))))
            done.append((server, answer, comparable(database.rows_of(variables["customer"]))))
    finally:
        database.forget(subjects.subscribers)
    (_, first_answer, first_rows), *others = done
    for server, answer, rows in others:
        same(f"{operation.name}: {server.kind.title} returns", first_answer, answer)
        same(f"{operation.name}: {server.kind.title} writes", first_rows, rows)


def in_our_shape(answer: dict[str, Any]) -> dict[str, Any]:
    """Moves PostGraphile's subscription out of the invoice, and adds empty `userErrors`, which it reports as errors."""
    payload = answer["createSubscription"]
    if "subscription" in payload:
        return answer
    invoice = {key: part for key, part in payload["invoice"].items() if key != "subscription"}
    made = {"subscription": payload["invoice"]["subscription"], "invoice": invoice, "userErrors": []}
    return {"createSubscription": made}


def comparable(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Returns a customer's rows in comparable form: ids by table and position, instants as time since the first invoice
    was issued, numbers without their prefix.
    """
    keys = {"subscriptions": "id", "invoices": "id", "invoice_lines": "id", "customers": "id"}
    names = {
        row[key]: f"{table} {place}" for table, key in keys.items() for place, row in enumerate(tables[table], start=1)
    }
    since = datetime.fromisoformat(tables["invoices"][0]["issued_at"])
    return {
        table: [
            {
                column: told(value, names, since)
                for column, value in row.items()
                if column not in OUR_OWN and not (table == "events" and column == "position")
            }
            for row in rows
            # The creation of a customer is the same for all servers.
            if row.get("type") != "CUSTOMER_CREATED"
        ]
        for table, rows in tables.items()
    }


def told(value: Any, names: dict[str, str], since: datetime) -> Any:
    match value:
        case dict():
            return {key: told(part, names, since) for key, part in value.items() if key not in OUR_OWN}
        case str() if value in names:
            return names[value]
        case str() if INSTANT.fullmatch(value):
            seconds = (datetime.fromisoformat(value) - since).total_seconds()
            return "before" if seconds < 0 else seconds
        case str() if is_id(value):
            return "an id"
        case str() if value.partition("-")[2].isdigit():
            return value.partition("-")[2]
    return value


def is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def same(what: str, expected: object, found: object) -> None:
    if expected == found:
        return
    ours, theirs = (
        json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines() for value in (expected, found)
    )
    lines = list(unified_diff(ours, theirs, "ours", "theirs", lineterm=""))
    raise Differs(f"{what} something else:\n" + "\n".join(lines[:60]))
