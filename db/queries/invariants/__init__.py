"""What must hold of all rows, each rule as one statement over all that it is about.

A statement gives a row for each row that it looked at. In its column `wrong` stands what is wrong with that one, as a
short text, and null where nothing is. Conditions that null could get past say `IS DISTINCT FROM`.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from db.queries.invariants import money, records, subscriptions
from db.queries.invariants.rule import Invariant

INVARIANTS = (
    subscriptions.ONE_LIVE_SUBSCRIPTION,
    subscriptions.PERIODS_TILE,
    subscriptions.PERIODS_OF_SUBSCRIPTION,
    subscriptions.PERIODS_INVOICED,
    subscriptions.NEXT_BILLING,
    subscriptions.TERMS,
    subscriptions.TEST_CLOCKS,
    money.TOTALS,
    money.AMOUNTS_DUE,
    money.PAID,
    money.PAYMENTS,
    money.OVERPAYMENTS,
    money.CREDITS,
    money.BALANCE_APPLIED,
    money.GIVEN_BACK,
    money.LEDGER,
    money.BALANCES,
    money.REVERSALS,
    money.CURRENCIES,
    records.VERSIONS,
    records.EVENTS,
    records.FEED,
    records.IDEMPOTENCY,
    records.SEQUENCES,
    records.LAST_NUMBERS,
    records.NUMBERS,
)

ACKNOWLEDGED = Invariant(
    "I1",
    "what was acknowledged is there",
    "acknowledged ids",
    """
    SELECT CASE
        WHEN NOT CASE type
            WHEN 'Customer' THEN EXISTS (SELECT FROM customers AS c WHERE c.id = said.id)
            WHEN 'Plan' THEN EXISTS (SELECT FROM plans AS p WHERE p.id = said.id)
            WHEN 'Subscription' THEN EXISTS (SELECT FROM subscriptions AS s WHERE s.id = said.id)
            WHEN 'Invoice' THEN
                EXISTS (SELECT FROM invoices AS i WHERE i.id = said.id)
                OR EXISTS (SELECT FROM events AS e WHERE e.object_id = said.id AND e.type = 'INVOICE_DELETED')
            WHEN 'Payment' THEN EXISTS (SELECT FROM payments AS p WHERE p.id = said.id)
            WHEN 'TestClock' THEN EXISTS (SELECT FROM test_clocks AS t WHERE t.id = said.id)
            ELSE FALSE
        END THEN format('%s %s: is not there', type, id)
    END AS wrong
    FROM unnest(CAST(:types AS text[]), CAST(:ids AS uuid[])) AS said (type, id)
    """,
)
ACKNOWLEDGED_TYPES = ("Customer", "Plan", "Subscription", "Invoice", "Payment", "TestClock")


async def count_wrong(session: AsyncSession | AsyncConnection, invariant: Invariant) -> tuple[int, int, int]:
    """How many rows the invariant is about, how many break it, and of how many its remark is true."""
    looked_at = invariant.looked_at()
    remarked = func.count().filter(looked_at.c.remarked) if invariant.remark else literal(0)
    statement = select(func.count(), func.count(looked_at.c.wrong), remarked).select_from(looked_at)
    rows, violations, remarks = (await session.execute(statement)).one()
    return rows, violations, remarks


async def what_is_wrong(session: AsyncSession | AsyncConnection, invariant: Invariant, most: int) -> Sequence[str]:
    """What is wrong with the first `most` rows that break the invariant, in the order of the texts."""
    wrong = invariant.looked_at().c.wrong
    return (await session.execute(select(wrong).where(wrong.is_not(None)).order_by(wrong).limit(most))).scalars().all()


async def missing(
    session: AsyncSession | AsyncConnection, types: Sequence[str], ids: Sequence[UUID], most: int
) -> tuple[int, Sequence[str]]:
    """How many of the objects, each of the type in the same place, are not there; and the first `most` of them."""
    said = (
        text(ACKNOWLEDGED.sql)
        .bindparams(bindparam("types", types, ARRAY(Text())), bindparam("ids", ids, ARRAY(Uuid())))
        .columns(wrong=Text())
        .subquery("said")
    )
    count = func.count().over()
    statement = select(count, said.c.wrong).where(said.c.wrong.is_not(None)).order_by(said.c.wrong).limit(most)
    found = (await session.execute(statement)).all()
    return (found[0][0] if found else 0), [wrong for _, wrong in found]
