"""The names that clients see for changed columns, in events and in webhooks."""

from collections.abc import Iterable

FIELDS_OF_COLUMNS = {
    "plan_id": "plan",
    "periods_used": "periodsLeft",
    "seller_id": "seller",
    "pending_plan_id": "pendingChange",
    "pending_quantity": "pendingChange",
    "pending_since": "pendingChange",
}
"""The fields that show columns of other names."""


def fields_of(columns: Iterable[str]) -> list[str]:
    """Returns the fields that show these columns, each once."""
    return list(dict.fromkeys(FIELDS_OF_COLUMNS.get(column) or camel_case(column) for column in columns))


def camel_case(name: str) -> str:
    """Returns a name in camel case: `amount_due_cents` becomes `amountDueCents`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
