"""Reads of the figures of the business. Objects on test clocks are left out."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.figures import OVERDUE_DAYS, Outstanding, Overdue, Sums
from billing.periods import NOMINAL_MONTH
from billing.settling import overdue_cutoff

ROWS_PER_READ = 20
"""Number of rows that each read of figures is charged as, because it adds up more rows than it returns."""

MRR = f"""
    SELECT p.currency, s.status, coalesce(s.trial_end, s.started_at) AS starts_at, s.ended_at,
        round(
            p.amount_cents::numeric * s.quantity * CASE p.interval WHEN 'YEAR' THEN 1 WHEN 'MONTH' THEN 12
                WHEN 'WEEK' THEN {NOMINAL_MONTH}::numeric ELSE {NOMINAL_MONTH}::numeric END
            / (p.interval_count * CASE p.interval WHEN 'YEAR' THEN 12 WHEN 'MONTH' THEN 12 WHEN 'WEEK' THEN 604800
                ELSE 86400 END)
        )::bigint AS mrr_cents
    FROM subscriptions AS s
    JOIN plans AS p ON p.id = s.plan_id
    WHERE s.test_clock_id IS NULL AND s.started_at IS NOT NULL
"""  # noqa: S608

SUMS = text(
    f"""
    WITH mrr AS ({MRR}), changes AS (
        SELECT currency, starts_at AS at, mrr_cents, mrr_cents AS new_cents, 0 AS churned_cents, 0 AS active,
            0 AS trialing, 0 AS past_due, 0 AS invoiced_cents, 0 AS collected_cents
        FROM mrr WHERE status <> 'TRIALING'
        UNION ALL
        SELECT currency, ended_at, -mrr_cents, 0, mrr_cents, 0, 0, 0, 0, 0 FROM mrr WHERE status = 'CANCELED'
        UNION ALL
        SELECT currency, starts_at, 0, 0, 0, (status = 'ACTIVE')::int, (status = 'TRIALING')::int,
            (status = 'PAST_DUE')::int, 0, 0 FROM mrr
        UNION ALL
        SELECT currency, issued_at, 0, 0, 0, 0, 0, 0, amount_cents, 0 FROM invoices
        WHERE test_clock_id IS NULL AND status NOT IN ('DRAFT', 'VOID')
        UNION ALL
        SELECT currency, received_at, 0, 0, 0, 0, 0, 0, 0, amount_cents - refunded_cents - reversed_cents
        FROM payments WHERE test_clock_id IS NULL
    )
    SELECT currency, date_trunc('month', at, 'UTC') AS month, sum(mrr_cents)::bigint AS mrr_cents,
        sum(new_cents)::bigint AS new_cents, 0 AS expansion_cents, 0 AS contraction_cents,
        sum(churned_cents)::bigint AS churned_cents, 0 AS reactivated_cents, sum(active)::bigint AS active,
        sum(trialing)::bigint AS trialing, sum(past_due)::bigint AS past_due,
        sum(invoiced_cents)::bigint AS invoiced_cents, sum(collected_cents)::bigint AS collected_cents
    FROM changes
    GROUP BY 1, 2
    ORDER BY 1, 2
    """  # noqa: S608
)

MRR_AT = text(
    f"""
    WITH mrr AS ({MRR})
    SELECT currency, sum(mrr_cents)::bigint AS mrr_cents
    FROM mrr
    WHERE starts_at <= :at AND (ended_at IS NULL OR ended_at > :at)
    GROUP BY currency
    """  # noqa: S608
)

AGES = ", ".join(
    f"sum(amount_due_cents) FILTER (WHERE {age}) AS cents_{place}, count(*) FILTER (WHERE {age}) AS invoices_{place}"
    for place, age in enumerate(
        f"due_at < :end_{place}" + ("" if most is None else f" AND due_at >= :start_{place}")
        for place, (least, most) in enumerate(OVERDUE_DAYS)
    )
)
OUTSTANDING = text(
    f"""
    SELECT currency, sum(amount_due_cents) AS cents, {AGES}
    FROM invoices
    WHERE status = 'OPEN' AND test_clock_id IS NULL
    GROUP BY currency
    """  # noqa: S608
)

SumsByMonth = dict[str, dict[datetime, Sums]]
"""Sums by currency, in alphabetical order, and by month."""


async def sums_by_month(session: AsyncSession) -> SumsByMonth:
    """Returns the sums of all months with changes."""
    found: defaultdict[str, dict[datetime, Sums]] = defaultdict(dict)
    for currency, month, *sums in await session.execute(SUMS):
        found[currency][month.astimezone(UTC)] = Sums(*sums)
    return found


async def mrr_at(session: AsyncSession, at: datetime) -> dict[str, int]:
    """Returns the MRR at an instant, by currency."""
    return dict(tuple(row) for row in await session.execute(MRR_AT, {"at": at}))


async def outstanding(session: AsyncSession, now: datetime) -> dict[str, Outstanding]:
    """Returns what is due on OPEN invoices, by currency."""
    today = overdue_cutoff(now)
    values: dict[str, Any] = {}
    for place, (least, most) in enumerate(OVERDUE_DAYS):
        values[f"end_{place}"] = today - timedelta(days=least - 1)
        if most is not None:
            values[f"start_{place}"] = today - timedelta(days=most)
    return {
        currency: Outstanding(
            int(cents),
            [
                Overdue(least, most, int(ages[2 * place] or 0), ages[2 * place + 1])
                for place, (least, most) in enumerate(OVERDUE_DAYS)
            ],
        )
        for currency, cents, *ages in await session.execute(OUTSTANDING, values)
    }
