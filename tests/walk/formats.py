"""Formats in which the API's result and the model are compared."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.walk.model.shared import Plan
from tests.walk.model.world import CreditNote, Invoice

View = dict[str, Any]


def noted_as(note: CreditNote) -> str:
    return f"C{note.sequence:04}"


def in_order(rows: Iterable[View]) -> list[View]:
    """Sorts the rows independently of time: a clock may have been set back, which changes the API's order."""
    return sorted(rows, key=repr)


def without(row: View, name: str) -> View:
    return {key: value for key, value in row.items() if key != name}


def invoice_name(number: int | None, draft_id: str | None) -> str:
    return f"draft {draft_id}" if number is None else f"#{number}"


def named(invoice: Invoice) -> str:
    return invoice_name(invoice.sequence, invoice.id)


def instant(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def pairs(metadata: dict[str, str]) -> list[View]:
    return [{"key": key, "value": value} for key, value in sorted(metadata.items())]


def code(plan: Plan | None) -> View | None:
    return None if plan is None else {"code": plan.code}


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Describes each value in which the API's result differs from the model."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in [*found, *(key for key in wanted if key not in found)]:
            yield from differences(found.get(key, "nothing"), wanted.get(key, "nothing"), f"{path}.{key}")
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif found != wanted:
        yield f"{path}: the API shows {found!r}, the model has {wanted!r}"
