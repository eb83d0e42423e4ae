"""Reads of the figures of the business, and the statements that add them up by day.

`daily_figures` contain what transactions below a watermark have written. A read adds what later ones have written, so
it is exact at any time. Objects on test clocks are left out.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType
from billing.figures import OVERDUE_DAYS, Outstanding, Overdue, Sums
from db.models.types import TransactionId

ROWS_PER_READ = 20
"""Number of rows that each read of figures is charged as, because it adds up more rows than it returns."""

MOVED = (
    *("mrr_cents", "new_cents", "expansion_cents", "contraction_cents", "churned_cents", "reactivated_cents"),
    *("active", "trialing", "past_due"),
)
SUMMED = (*MOVED, "invoiced_cents", "collected_cents")
"""Columns that add up, as in `Sums`."""


def amounts(**known: str) -> str:
    """Returns the SQL for the columns of `SUMMED`, which are 0 except the `known` ones."""
    return ", ".join(f"{known.get(name, '0')} AS {name}" for name in SUMMED)


RETURNS = ((EventType.PAYMENT_REVERSED, "reversals"), (EventType.PAYMENT_REFUNDED, "refunds"))
COUNTED = (
    EventType.INVOICE_FINALIZED,
    EventType.INVOICE_VOIDED,
    EventType.PAYMENT_RECORDED,
    *(type_ for type_, _ in RETURNS),
)
"""Events that change a figure other than the MRR."""


def of_events(type_: EventType, columns: str, table: str, joined: str = "") -> str:
    """Returns a SELECT of the objects of the listed events of a type: one look-up by primary key for each event.

    LIMIT keeps PostgreSQL from reading the whole table instead.
    """
    return f"""
        SELECT o.currency, {columns}
        FROM listed AS e
        CROSS JOIN LATERAL (
            SELECT * FROM {table} WHERE id = e.object_id AND customer_id = e.customer_id LIMIT 1
        ) AS o
        {joined}
        WHERE e.type = '{type_}' AND o.test_clock_id IS NULL
    """  # noqa: S608


def day_of(instant: str) -> str:
    return f"CAST({instant} AT TIME ZONE 'UTC' AS date) AS day"


def changes(*conditions: str) -> str:
    """Returns a SELECT, in parentheses, of all that transactions have changed, as rows like those of `daily_figures`.

    `conditions` on the column `xid` choose the transactions. Their events are read once.
    """
    within = " AND ".join(f"e.xid {condition}" for condition in conditions)
    types = ", ".join(f"'{type_}'" for type_ in COUNTED)
    returned = amounts(collected_cents="-r.amount_cents")
    mrr = amounts(**{name: name for name in MOVED})
    parts = (
        f"SELECT currency, {day_of('at')}, {mrr} FROM mrr_movements AS e WHERE {within}",  # noqa: S608
        of_events(
            EventType.INVOICE_FINALIZED,
            f"{day_of('o.issued_at')}, {amounts(invoiced_cents='o.amount_cents')}",
            "invoices",
        ),
        of_events(
            EventType.INVOICE_VOIDED,
            f"{day_of('e.occurred_at')}, {amounts(invoiced_cents='-o.amount_cents')}",
            "invoices",
        ),
        of_events(
            EventType.PAYMENT_RECORDED,
            f"{day_of('o.received_at')}, {amounts(collected_cents='o.amount_cents')}",
            "payments",
        ),
        *(
            of_events(
                type_,
                f"{day_of('r.created_at')}, {returned}",
                "payments",
                f"JOIN {table} AS r ON r.payment_id = o.id AND r.customer_id = o.customer_id AND r.xid = e.xid",
            )
            for type_, table in RETURNS
        ),
    )
    return f"""(
        WITH listed AS MATERIALIZED (
            SELECT e.type, e.object_id, e.customer_id, e.xid, e.occurred_at FROM events AS e
            WHERE {within} AND e.type IN ({types})
        )
        {" UNION ALL ".join(parts)}
    )"""  # noqa: S608


def with_xids(sql: str, *names: str) -> TextClause:
    return text(sql).bindparams(*(bindparam(name, type_=TransactionId()) for name in names))


LATER = changes(">= :below")
WATERMARK = text("SELECT below_xid FROM figures_watermark")


def from_watermark(columns: str, sums: str) -> TextClause:
    """Returns a statement for `columns` of `sums`, with the watermark as first column of each row.

    `sums` must contain everything below the watermark :below. If the watermark has moved meanwhile, there is one row,
    without sums.
    """
    return with_xids(
        f"SELECT w.below_xid, {columns} FROM figures_watermark AS w LEFT JOIN ({sums}) AS s ON w.below_xid = :below",  # noqa: S608
        "below",
    )


SUMS = from_watermark(
    f"s.currency, s.month, {', '.join(SUMMED)}",
    f"""
    SELECT currency, date_trunc('month', day)::date AS month, {", ".join(f"sum({name}) AS {name}" for name in SUMMED)}
    FROM (SELECT currency, day, {", ".join(SUMMED)} FROM daily_figures UNION ALL {LATER}) AS each
    GROUP BY 1, 2
    ORDER BY 1, 2
    """,  # noqa: S608
)

MRR_AT = from_watermark(
    "s.currency, s.mrr_cents",
    """
    SELECT currency, sum(mrr_cents) AS mrr_cents
    FROM (
        SELECT currency, mrr_cents FROM daily_figures WHERE day < :day
        UNION ALL
        SELECT currency, mrr_cents FROM mrr_movements WHERE at >= :midnight AND at <= :at
        UNION ALL
        SELECT currency, mrr_cents FROM mrr_movements WHERE xid >= :below AND at < :midnight
    ) AS each
    GROUP BY currency
    """,
)

UNPAID = "status = 'OPEN' AND test_clock_id IS NULL"


def sum_of_range(place: str, *conditions: str) -> str:
    """Returns a SELECT of the total and number of open invoices in c.currency and a range of due dates, and its place.

    Separate sums without GROUP BY take about a third of the time of one sum grouped by currency and range.
    """
    where = " AND ".join((UNPAID, "currency = c.currency", *conditions))
    return f"SELECT {place} AS place, sum(amount_due_cents) AS cents, count(*) AS number FROM invoices WHERE {where}"  # noqa: S608


OUTSTANDING = text(
    f"""
    WITH RECURSIVE currencies AS (
        SELECT (SELECT min(currency) FROM invoices WHERE {UNPAID}) AS currency
        UNION ALL
        SELECT (SELECT min(currency) FROM invoices WHERE {UNPAID} AND currency > before.currency)
        FROM currencies AS before WHERE before.currency IS NOT NULL
    )
    SELECT c.currency, place, cents, number
    FROM currencies AS c
    CROSS JOIN LATERAL (
        {
        " UNION ALL ".join(
            (
                sum_of_range("NULL", "due_at >= :cutoff"),
                *(
                    sum_of_range(
                        str(place),
                        "due_at < :cutoff" if place == 0 else f"due_at < :since_{place - 1}",
                        *([] if most is None else [f"due_at >= :since_{place}"]),
                    )
                    for place, (_, most) in enumerate(OVERDUE_DAYS)
                ),
            )
        )
    }
    ) AS sums
    WHERE number > 0
    """  # noqa: S608
)
"""Sums by currency and place in `OVERDUE_DAYS`, null for what is not overdue. Reads only an index, once."""

SumsByMonth = dict[str, dict[datetime, Sums]]
"""Sums by currency, in alphabetical order, and by month."""


async def sums_by_month(session: AsyncSession) -> SumsByMonth:
    """Returns the sums of all months with changes."""
    found: defaultdict[str, dict[datetime, Sums]] = defaultdict(dict)
    for currency, month, *sums in await read_from_watermark(session, SUMS):
        found[currency][datetime(month.year, month.month, 1, tzinfo=UTC)] = Sums(*map(int, sums))
    return found


async def mrr_at(session: AsyncSession, at: datetime) -> dict[str, int]:
    """Returns the MRR at an instant, by currency."""
    found = await read_from_watermark(session, MRR_AT, at=at, midnight=datetime.combine(at, time(), UTC), day=at.date())
    return {currency: int(cents) for currency, cents in found}


async def read_from_watermark(
    session: AsyncSession, statement: TextClause, **values: datetime | date
) -> Sequence[Sequence[Any]]:
    """Returns the rows of a statement from `from_watermark`, without the watermark."""
    below = await session.scalar(WATERMARK)
    while True:
        rows = (await session.execute(statement, {"below": below, **values})).all()
        if rows[0][0] == below:
            # A single row without a currency stands for no rows.
            return [row[1:] for row in rows if row[1] is not None]
        below = rows[0][0]


async def outstanding(session: AsyncSession, cutoff: datetime) -> dict[str, Outstanding]:
    """Returns what is due on OPEN invoices, by currency. Those due before `cutoff` are overdue."""
    since = {
        f"since_{place}": cutoff - timedelta(days=most)
        for place, (_, most) in enumerate(OVERDUE_DAYS)
        if most is not None
    }
    found: defaultdict[str, dict[int | None, tuple[int, int]]] = defaultdict(dict)
    for currency, place, cents, invoices in await session.execute(OUTSTANDING, {"cutoff": cutoff, **since}):
        found[currency][place] = int(cents), invoices
    return {
        currency: Outstanding(
            sum(cents for cents, _ in by_place.values()),
            [Overdue(least, most, *by_place.get(place, (0, 0))) for place, (least, most) in enumerate(OVERDUE_DAYS)],
        )
        for currency, by_place in found.items()
    }


LOCK = text("SELECT below_xid FROM figures_watermark FOR UPDATE SKIP LOCKED")

NEXT_WATERMARK = with_xids(
    """
    SELECT event_horizon() AS horizon,
        (SELECT min(xid) FROM (
            (SELECT xid FROM events WHERE xid >= :below ORDER BY xid, position OFFSET :rows LIMIT 1)
            UNION ALL
            (SELECT xid FROM mrr_movements WHERE xid >= :below ORDER BY xid OFFSET :rows LIMIT 1)
        ) AS later) AS full_at,
        (SELECT min(xid) FROM (
            (SELECT xid FROM events WHERE xid >= :below ORDER BY xid, position LIMIT 1)
            UNION ALL
            (SELECT xid FROM mrr_movements WHERE xid >= :below ORDER BY xid LIMIT 1)
        ) AS later) AS first
    """,
    "below",
)

ADD_UP = with_xids(
    f"""
    INSERT INTO daily_figures AS d (currency, day, {", ".join(SUMMED)})
    SELECT currency, day, {", ".join(f"sum({name})" for name in SUMMED)}
    FROM {changes(">= :below", "< :until")} AS each
    GROUP BY currency, day
    ON CONFLICT (currency, day) DO UPDATE SET {", ".join(f"{name} = d.{name} + excluded.{name}" for name in SUMMED)}
    """,  # noqa: S608
    "below",
    "until",
)

MOVE = with_xids("UPDATE figures_watermark SET below_xid = :until", "until")


async def add_up_next(session: AsyncSession, rows: int) -> bool:
    """Adds what the next transactions wrote to the days, about `rows` rows, and moves the watermark.

    Returns False if nothing is left, or if another worker is doing it. A transaction is never split.
    """
    below = await session.scalar(LOCK)
    if below is None:
        return False
    horizon, full_at, first = (await session.execute(NEXT_WATERMARK, {"below": below, "rows": rows})).one()
    if first is None or first >= horizon:
        return False
    until = horizon if full_at is None else min(horizon, max(full_at, first + 1))
    await session.execute(ADD_UP, {"below": below, "until": until})
    await session.execute(MOVE, {"until": until})
    return bool(until < horizon)
