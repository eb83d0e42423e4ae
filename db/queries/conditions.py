"""Conditions of lists: what clients filter by, as SQL."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.models import Base, BillingHold, Customer
from db.models.customers import searchable


class InvoiceNumberSearch(NamedTuple):
    """A search for a text or an invoice number: two patterns, and the least sequence that the number may have."""

    text: str
    prefix: str
    sequence: int


Value: TypeAlias = str | int | bool | datetime | UUID | tuple[str, ...] | InvoiceNumberSearch | None
Operator: TypeAlias = Literal[
    "=",
    "in",
    "is not",
    ">=",
    "<",
    "is null",
    "is not null",
    "is positive",
    "is zero",
    "is held",
    "is not held",
    "settled",
    "has pairs",
    "like",
    "like or numbered",
]
Conditions: TypeAlias = tuple[tuple[str, Operator], ...]
"""The columns and operators of conditions, without values."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a column. "is not" also selects rows in which the column is null. "is held" applies to the id of a
    subscription: there is a billing hold.

    "settled" applies to the id of the transaction that wrote a row: this transaction and all older ones have ended. A
    settled row stays settled, and no row can appear before it any longer. "has pairs" applies to a JSON object; the
    value is a JSON object too. "like" and, with an `InvoiceNumberSearch`, "like or numbered" apply to
    `Customer.searched_text`.
    """

    column: str
    operator: Operator
    value: Value = None

    @property
    def allowed(self) -> tuple[Value, ...]:
        """The distinct values that a row may have. Only for "=" and "in"."""
        return tuple(dict.fromkeys(self.value)) if isinstance(self.value, tuple) else (self.value,)


def has_hold(subscription_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Returns the condition for subscriptions with a billing hold. There are few holds."""
    return exists().where(BillingHold.subscription_id == subscription_id)


OPERATORS: dict[Operator, Callable[[Any, BindParameter[Any]], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "in": lambda column, values: column == any_(cast("ColumnElement[Any]", values)),
    "is not": lambda column, value: column.is_distinct_from(value),
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "is null": lambda column, _: column.is_(None),
    "is not null": lambda column, _: column.is_not(None),
    # Literals, not parameters: otherwise PostgreSQL cannot use a partial index with the condition.
    "is positive": lambda column, _: column > literal_column("0"),
    "is zero": lambda column, _: column == literal_column("0"),
    "is held": lambda column, _: has_hold(column),
    "is not held": lambda column, _: ~has_hold(column),
    "settled": lambda column, _: column < func.event_horizon(),
    "has pairs": lambda column, value: column.contains(value),
    "like": lambda column, value: column.like(searchable(value)),
}


def like_or_numbered(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Returns the condition of an `InvoiceNumberSearch` whose parameters start with `name`."""
    text, prefix = (searchable(bindparam(f"{name}_{part}", type_=Text())) for part in ("text", "prefix"))
    last_number = Customer.last_invoice_number >= bindparam(f"{name}_sequence", type_=Integer())
    return or_(column.like(text), and_(column.like(prefix), last_number))


SEARCHES = ("like", "like or numbered")

WITHOUT_VALUE = ("is null", "is not null", "is positive", "is zero", "is held", "is not held", "settled")


def operators_of(conditions: Sequence[Condition]) -> Conditions:
    return tuple((condition.column, condition.operator) for condition in conditions)


def condition_values(conditions: Sequence[Condition]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for number, condition in enumerate(conditions):
        name, value = f"condition_{number}", condition.value
        if isinstance(value, InvoiceNumberSearch):
            values |= {f"{name}_text": value.text, f"{name}_prefix": value.prefix, f"{name}_sequence": value.sequence}
        else:
            values[name] = value
    return values


def conditions_on(
    model: type[Base], conditions: Conditions, columns: Collection[str] | None = None
) -> list[ColumnElement[bool]]:
    """Returns the SQL conditions; if `columns` is given, only those on these columns."""
    found = []
    for number, (name, operator) in enumerate(conditions):
        if columns is not None and name not in columns:
            continue
        column = getattr(model, name)
        if operator == "like or numbered":
            found.append(like_or_numbered(column, f"condition_{number}"))
            continue
        type_ = ARRAY(column.type) if operator == "in" else column.type
        found.append(OPERATORS[operator](column, bindparam(f"condition_{number}", type_=type_)))
    return found
