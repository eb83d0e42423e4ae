"""Invariants of the figures: MRR movements, and their sums by day."""

from db.queries.figures import SUMMED, changes
from db.queries.invariants.rule import Invariant

COUNTED = Invariant(
    "I8",
    "a subscription counts as what its MRR movements add up to",
    "subscriptions",
    """
    SELECT CASE
        WHEN coalesce(s.mrr_cents, 0) <> coalesce(m.mrr_cents, 0) THEN
            format('subscription %s: counts with %s, but its movements add up to %s', s.id, coalesce(s.mrr_cents, 0),
                   coalesce(m.mrr_cents, 0))
        WHEN (coalesce(m.active, 0), coalesce(m.trialing, 0), coalesce(m.past_due, 0)) <> (
            (coalesce(s.counted_status, '') = 'ACTIVE')::int, (coalesce(s.counted_status, '') = 'TRIALING')::int,
            (coalesce(s.counted_status, '') = 'PAST_DUE')::int
        ) THEN
            format('subscription %s: counts as %s, but its movements do not', s.id, s.counted_status)
    END AS wrong
    FROM subscriptions AS s
    LEFT JOIN (
        SELECT subscription_id, customer_id, sum(mrr_cents) AS mrr_cents, sum(active) AS active,
               sum(trialing) AS trialing, sum(past_due) AS past_due
        FROM mrr_movements
        GROUP BY subscription_id, customer_id
    ) AS m ON m.subscription_id = s.id AND m.customer_id = s.customer_id
    """,
)

MOVEMENTS = Invariant(
    "I8",
    "each MRR movement begins where the one before ends",
    "MRR movements",
    """
    SELECT CASE
        WHEN sequence <> previous + 1 THEN
            format('customer %s: MRR movement %s follows movement %s', customer_id, sequence, previous)
        WHEN at < previous_at THEN
            format('customer %s: MRR movement %s is earlier than the one before', customer_id, sequence)
        WHEN after_cents <> before_cents + mrr_cents THEN
            format('customer %s: MRR movement %s ends at %s, not at %s', customer_id, sequence, after_cents,
                   before_cents + mrr_cents)
        WHEN month_start_cents <> CASE WHEN is_same_month THEN previous_start ELSE before_cents END THEN
            format('customer %s: MRR movement %s has a wrong start of its month', customer_id, sequence)
        WHEN first_at IS DISTINCT FROM coalesce(previous_first_at, CASE WHEN after_cents > 0 THEN at END) THEN
            format('customer %s: MRR movement %s has a wrong time of the first MRR', customer_id, sequence)
        WHEN currency <> previous_currency THEN
            format('customer %s: MRR movement %s is in another currency', customer_id, sequence)
    END AS wrong
    FROM (
        SELECT *, lag(sequence, 1, 0) OVER life AS previous, lag(at) OVER life AS previous_at,
               lag(after_cents, 1, 0::bigint) OVER life AS before_cents,
               coalesce(date_trunc('month', at, 'UTC') = date_trunc('month', lag(at) OVER life, 'UTC'), false)
                   AS is_same_month,
               lag(month_start_cents) OVER life AS previous_start, lag(first_at) OVER life AS previous_first_at,
               lag(currency) OVER life AS previous_currency
        FROM mrr_movements
        WINDOW life AS (PARTITION BY customer_id ORDER BY sequence)
    ) AS movements
    """,
)

KINDS = Invariant(
    "I8",
    "the MRR movement of a customer in a month is of one kind",
    "months",
    """
    SELECT CASE
        WHEN (new, expansion, contraction, churned, reactivated) <> CASE
            WHEN start = 0 AND NOT returns THEN (change, 0::numeric, 0::numeric, 0::numeric, 0::numeric)
            WHEN start = 0 THEN (0::numeric, 0::numeric, 0::numeric, 0::numeric, change)
            WHEN start + change = 0 THEN (0::numeric, 0::numeric, 0::numeric, -change, 0::numeric)
            WHEN change > 0 THEN (0::numeric, change, 0::numeric, 0::numeric, 0::numeric)
            ELSE (0::numeric, 0::numeric, -change, 0::numeric, 0::numeric)
        END THEN
            format('customer %s: in the month from %s, its MRR movement from %s by %s is of another kind', customer_id,
                   month::date, start, change)
    END AS wrong
    FROM (
        SELECT customer_id, date_trunc('month', at, 'UTC') AS month, min(month_start_cents) AS start,
               sum(mrr_cents) AS change, sum(new_cents) AS new, sum(expansion_cents) AS expansion,
               sum(contraction_cents) AS contraction, sum(churned_cents) AS churned,
               sum(reactivated_cents) AS reactivated,
               coalesce(min(first_at) < date_trunc('month', min(at), 'UTC'), false) AS returns
        FROM mrr_movements
        GROUP BY 1, 2
    ) AS months
    """,
)

DAYS = Invariant(
    "I8",
    "the figures of a day are the sums of what was written",
    "days",
    f"""
    SELECT CASE
        WHEN ({", ".join(f"coalesce(d.{name}, 0)" for name in SUMMED)})
          <> ({", ".join(f"coalesce(w.{name}, 0)" for name in SUMMED)}) THEN
            format('%s on %s: the figures of the day are not what was written', coalesce(d.currency, w.currency),
                   coalesce(d.day, w.day))
    END AS wrong
    FROM daily_figures AS d
    FULL JOIN (
        SELECT currency, day, {", ".join(f"sum({name}) AS {name}" for name in SUMMED)}
        FROM ({changes("< (SELECT below_xid FROM figures_watermark)")}) AS each
        GROUP BY currency, day
    ) AS w ON w.currency = d.currency AND w.day = d.day
    """,
)
