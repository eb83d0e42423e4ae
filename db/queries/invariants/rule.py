"""A rule about rows."""

from dataclasses import dataclass

from sqlalchemy import Boolean, Subquery, Text, text


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule, the kind of rows that it is about (a plural), and the statement that finds what breaks it.

    With a `remark`, the statement has a boolean column `remarked` as well: how many rows it is true of is worth saying.
    """

    code: str
    name: str
    unit: str
    sql: str
    remark: str | None = None

    def looked_at(self) -> Subquery:
        """The statement, as something to select from."""
        columns = {"wrong": Text()} | ({"remarked": Boolean()} if self.remark else {})
        return text(self.sql).columns(**columns).subquery("looked_at")
