"""The invariants of the design, checked on a live database.

The constraints of the tables hold many of them. They are checked all the same: a constraint that was dropped, a row
that was mended by hand, a backup of another day would not be noticed otherwise.
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
from db.queries.invariants import ACKNOWLEDGED, ACKNOWLEDGED_TYPES, INVARIANTS, count_wrong, missing, what_is_wrong
from db.queries.invariants.rule import Invariant

NAME_WIDTH = max(len(invariant.name) for invariant in (*INVARIANTS, ACKNOWLEDGED))


class AcknowledgedLineError(ValueError):
    """A line of what was acknowledged is none. The message is one line for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one invariant: `rows` were looked at, `violations` of them break it, a few are `examples`."""

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
        """The check in a line, ready to print; below it, indented, a line for each example."""
        looked_at = with_unit(self.rows, self.unit)
        found = looked_at if self.holds else f"{with_thousands(self.violations)} of {looked_at}"
        said = f"{self.code}  {'ok' if self.holds else 'VIOLATED':8}  {self.name:{NAME_WIDTH}}  {found}{self.remark}"
        more = self.violations - len(self.examples)
        rest = [f"… and {with_thousands(more)} more"] if self.examples and more else []
        return "\n".join([said, *(f"        {example}" for example in (*self.examples, *rest))])


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """A session that sees the database as it is at its first statement, changes nothing, and takes its time."""
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with AsyncSession(engine) as session:
        await session.execute(text(NO_TIMEOUTS))
        yield session


async def verify(session: AsyncSession | AsyncConnection) -> list[Check]:
    """Checks all invariants but I1: one statement for each, and one more where it is broken.

    In a `snapshot`, or rows that are written meanwhile may look broken.
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
        examples=tuple(await what_is_wrong(session, invariant, MAX_EXAMPLES)) if violations else (),
        remark=f", {with_thousands(remarked)} {invariant.remark}" if remarked else "",
    )


async def verify_acknowledged(session: AsyncSession | AsyncConnection, lines: Iterable[str]) -> Check:
    """Checks I1: that all is there that a client was told is. Drafts that were deleted are not missed.

    A line is a JSON object such as `{"type": "Invoice", "id": "0197…", "version": 2}`: what came later may have raised
    the version, which may be left out. Raises `AcknowledgedLineError`.
    """
    said = [acknowledged(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    violations, examples = await missing(
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
    """What a client was told is there: an object, which has come to a version."""

    type: str
    id: UUID
    version: int


def acknowledged(number: int, line: str) -> Acknowledged:
    """What a line says was acknowledged. Raises `AcknowledgedLineError`."""
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
    """`1 invoice`, `1 ledger entry`, `12 345 invoices`."""
    if number == 1:
        unit = f"{unit.removesuffix('ies')}y" if unit.endswith("ies") else unit.removesuffix("s")
    return f"{with_thousands(number)} {unit}"
