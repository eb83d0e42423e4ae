"""Invariants of the stored data, each checked by one SQL statement.

A statement returns a row for each row that it checks. The column `wrong` describes the violation, or is null if there
is none. Comparisons with columns that may be null use `IS DISTINCT FROM`, so that null does not hide a violation.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Integer, Text, Uuid, bindparam, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from db.models.kinds import KINDS
from db.queries.invariants import corrections, discounts, figures, money, records, subscriptions, taxes
from db.queries.invariants.rule import Invariant

INVARIANTS = (
    subscriptions.ONE_LIVE_SUBSCRIPTION,
    subscriptions.PERIODS_TILE,
    subscriptions.PERIODS_OF_SUBSCRIPTION,
    subscriptions.PERIODS_INVOICED,
    subscriptions.NEXT_BILLING,
    subscriptions.TERMS,
    subscriptions.LIVE_SUBSCRIPTION_COPIES,
    subscriptions.TEST_CLOCKS,
    money.TOTALS,
    taxes.TAX_GROUPS,
    discounts.PERIODS_USED,
    discounts.REDEMPTIONS,
    money.AMOUNTS_DUE,
    money.PAID,
    money.PAYMENTS,
    money.OVERPAYMENTS,
    money.CREDITS,
    money.BALANCE_APPLIED,
    money.RELEASED,
    money.LEDGER,
    money.BALANCES,
    money.REVERSALS,
    money.CURRENCY_INVARIANT,
    corrections.CREDIT_NOTES,
    taxes.CREDITED_TAX_GROUPS,
    corrections.CREDIT_NOTES_OF_INVOICES,
    corrections.CREDITED_LINES,
    corrections.CREDIT_NOTES_APPLIED,
    corrections.REFUNDED_AND_REVERSED_PAYMENTS,
    corrections.REFUNDED_CREDIT_NOTES,
    records.VERSIONS,
    records.EVENTS,
    records.FEED,
    records.IDEMPOTENCY,
    records.SEQUENCES,
    records.LAST_NUMBERS,
    records.NUMBERS,
    corrections.CREDIT_NOTE_NUMBERS,
    figures.COUNTED,
    figures.MOVEMENTS,
    figures.KINDS,
    figures.DAYS,
)

ACKNOWLEDGED = Invariant(
    "I1",
    "acknowledged objects exist",
    "acknowledged ids",
    f"""
    SELECT CASE
        WHEN stored.version IS NULL THEN format('%s %s: does not exist', said.type, said.id)
        WHEN stored.version < said.version THEN
            format('%s %s: is at version %s, but version %s was acknowledged', said.type, said.id, stored.version,
                   said.version)
    END AS wrong
    FROM unnest(CAST(:types AS text[]), CAST(:ids AS uuid[]), CAST(:versions AS integer[]))
        AS said (type, id, version)
    LEFT JOIN LATERAL (
        SELECT version FROM ({records.OBJECTS}) AS objects WHERE kind = said.type AND object_id = said.id
        UNION ALL
        SELECT version FROM events
        WHERE object_id = said.id AND type IN ({records.DELETIONS})
    ) AS stored ON TRUE
    """,
)
ACKNOWLEDGED_TYPES = tuple(kind.name for kind in KINDS)


async def count_wrong(session: AsyncSession | AsyncConnection, invariant: Invariant) -> tuple[int, int, int]:
    """Returns the number of rows that were checked, that violate the invariant, and that its remark applies to."""
    looked_at = invariant.looked_at()
    remarked = func.count().filter(looked_at.c.remarked) if invariant.remark else literal(0)
    statement = select(func.count(), func.count(looked_at.c.wrong), remarked).select_from(looked_at)
    rows, violations, remarks = (await session.execute(statement)).one()
    return rows, violations, remarks


async def read_violations(session: AsyncSession | AsyncConnection, invariant: Invariant, most: int) -> Sequence[str]:
    """Returns descriptions of violations, at most `most`, in alphabetical order."""
    wrong = invariant.looked_at().c.wrong
    return (await session.execute(select(wrong).where(wrong.is_not(None)).order_by(wrong).limit(most))).scalars().all()


async def read_missing(
    session: AsyncSession | AsyncConnection,
    types: Sequence[str],
    ids: Sequence[UUID],
    versions: Sequence[int],
    most: int,
) -> tuple[int, Sequence[str]]:
    """Returns the number of objects that are missing or at an older version, and at most `most` descriptions.

    `types`, `ids` and `versions` have one entry for each object.
    """
    said = (
        text(ACKNOWLEDGED.sql)
        .bindparams(
            bindparam("types", types, ARRAY(Text())),
            bindparam("ids", ids, ARRAY(Uuid())),
            bindparam("versions", versions, ARRAY(Integer())),
        )
        .columns(wrong=Text())
        .subquery("said")
    )
    count = func.count().over()
    statement = select(count, said.c.wrong).where(said.c.wrong.is_not(None)).order_by(said.c.wrong).limit(most)
    found = (await session.execute(statement)).all()
    return (found[0][0] if found else 0), [wrong for _, wrong in found]
