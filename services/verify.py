"""Checks of the invariants on a live database.

Constraints enforce many invariants. The checks also find damage from dropped constraints, manual edits and old backups.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from billing.limits import MAX_EXAMPLES, with_thousands
from db.database import NO_TIMEOUTS, Database
from db.queries.invariants import (
    ACKNOWLEDGED,
    ACKNOWLEDGED_TYPES,
    INVARIANTS,
    count_wrong,
    read_missing,
    read_violations,
)
from db.queries.invariants.rule import Invariant

NAME_WIDTH = max(len(invariant.name) for invariant in (*INVARIANTS, ACKNOWLEDGED))


class AcknowledgedLineError(ValueError):
    """A malformed line in the list of acknowledged objects. The message is a single line, for the user."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result for one invariant: the numbers of rows checked and of violations, and a few examples."""

    code: str
    name: str
    unit: str
    rows: int
    violations: int
    examples: tuple[str, ...] = ()
    remark: str = ""

    @property
    def holds(self) -> bool:
        return self.violations == 0

    def line(self) -> str:
        """Returns the result as one line of text, followed by an indented line for each example."""
        looked_at = with_unit(self.rows, self.unit)
        found = looked_at if self.holds else f"{with_thousands(self.violations)} of {looked_at}"
        said = f"{self.code}  {'ok' if self.holds else 'VIOLATED':8}  {self.name:{NAME_WIDTH}}  {found}{self.remark}"
        more = self.violations - len(self.examples)
        rest = [f"… and {with_thousands(more)} more"] if self.examples and more else []
        return "\n".join([said, *(f"        {example}" for example in (*self.examples, *rest))])


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """Opens a read-only session without timeouts that sees the database as of its first statement."""
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with AsyncSession(engine) as session:
        await session.execute(text(NO_TIMEOUTS))
        yield session


async def verify(session: AsyncSession | AsyncConnection) -> list[Check]:
    """Checks all invariants except I1, with one statement for each and a second one for each that is violated.

    Use a session from `snapshot`: otherwise concurrent writes may look like violations.
    """
    return [await check(session, invariant) for invariant in INVARIANTS]


async def check(session: AsyncSession | AsyncConnection, invariant: Invariant) -> Check:
    rows, violations, remarked = await count_wrong(session, invariant)
    return Check(
        code=invariant.code,
        name=invariant.name,
        unit=invariant.unit,
        rows=rows,
        violations=violations,
        examples=tuple(await read_violations(session, invariant, MAX_EXAMPLES)) if violations else (),
        remark=f", {with_thousands(remarked)} {invariant.remark}" if remarked else "",
    )


async def verify_acknowledged(session: AsyncSession | AsyncConnection, lines: Iterable[str]) -> Check:
    """Checks I1: all objects that clients were told about exist. Deleted drafts do not count as missing.

    Each line is a JSON object such as `{"type": "Invoice", "id": "0197…", "version": 2}`. The stored version may be
    higher; `version` defaults to 1. Raises `AcknowledgedLineError`.
    """
    said = [acknowledged(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    violations, examples = await read_missing(
        session,
        types=[each.type for each in said],
        ids=[each.id for each in said],
        versions=[each.version for each in said],
        most=MAX_EXAMPLES,
    )
    return Check(
        code=ACKNOWLEDGED.code,
        name=ACKNOWLEDGED.name,
        unit=ACKNOWLEDGED.unit,
        rows=len(said),
        violations=violations,
        examples=tuple(examples),
    )


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An object of which a client was told, with its version at that time."""

    type: str
    id: UUID
    version: int


def acknowledged(number: int, line: str) -> Acknowledged:
    """Parses a line of the list. Raises `AcknowledgedLineError`."""
    try:
        said = json.loads(line)
        type_, id_, version = said["type"], UUID(said["id"]), said.get("version", 1)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AcknowledgedLineError(f"Line {number} is not a JSON object with a type and an id.") from error
    if type_ not in ACKNOWLEDGED_TYPES:
        raise AcknowledgedLineError(
            f"Line {number} has the unknown type {type_!r}; known types: {', '.join(ACKNOWLEDGED_TYPES)}."
        )
    if type(version) is not int or not 0 < version < 2**31:
        raise AcknowledgedLineError(f"Line {number} has the version {version!r}, which is not a whole number above 0.")
    return Acknowledged(type_, id_, version)


def with_unit(number: int, unit: str) -> str:
    """Returns a number with its unit in singular or plural: `1 invoice`, `1 ledger entry`, `12 345 invoices`."""
    if number == 1:
        unit = f"{unit.removesuffix('ies')}y" if unit.endswith("ies") else unit.removesuffix("s")
    return f"{with_thousands(number)} {unit}"
