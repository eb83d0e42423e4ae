"""The declaration of an invariant."""

from dataclasses import dataclass

from sqlalchemy import Boolean, Subquery, Text, text


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule about stored rows, and the SQL statement that checks it.

    `unit` is the plural name of the rows. With a `remark`, the statement also has a boolean column `remarked`, and the
    report says how many rows the remark applies to.
    """

    code: str
    name: str
    unit: str
    sql: str
    remark: str | None = None

    def looked_at(self) -> Subquery:
        """Returns the statement as a subquery."""
        columns = {"wrong": Text()} | ({"remarked": Boolean()} if self.remark else {})
        return text(self.sql).columns(**columns).subquery("looked_at")


def tax_cents(row: str) -> str:
    """Returns the SQL expression for the sum of the taxes of a line, which is the row `row`."""
    return f"""coalesce(
        (SELECT sum((each ->> 'amount_cents')::bigint) FROM jsonb_array_elements({row}.tax -> 'amounts') AS each), 0
    )"""


def net_cents(row: str) -> str:
    """Returns the SQL expression for the net amount of a line: after its discount, without tax."""
    included = f"CASE WHEN {row}.tax ->> 'behavior' = 'INCLUSIVE' THEN {tax_cents(row)} ELSE 0 END"
    return f"({row}.amount_cents - {row}.discount_cents - {included})"
