"""Invariants of subscriptions and their periods."""

from db.queries.invariants.rule import Invariant

ONE_LIVE_SUBSCRIPTION = Invariant(
    "I2",
    "a customer has at most one live subscription",
    "customers",
    """
    SELECT CASE
        WHEN count(*) > 1 THEN format('customer %s: %s live subscriptions', customer_id, count(*))
    END AS wrong
    FROM subscriptions
    WHERE status <> 'CANCELED'
    GROUP BY customer_id
    """,
)

PERIODS_TILE = Invariant(
    "I3",
    "each period begins where the one before ends",
    "periods",
    """
    SELECT CASE
        WHEN ordinal <> previous + 1 THEN
            format('subscription %s: period %s follows period %s', subscription_id, ordinal, previous)
        WHEN starts_at <> previous_end THEN
            format('subscription %s: period %s does not begin where period %s ends', subscription_id, ordinal, previous)
        WHEN ends_at < starts_at THEN
            format('subscription %s: period %s ends before it begins', subscription_id, ordinal)
    END AS wrong
    FROM (
        SELECT subscription_id, ordinal, starts_at, ends_at,
               lag(ordinal, 1, -1) OVER timeline AS previous, lag(ends_at) OVER timeline AS previous_end
        FROM billing_periods
        WINDOW timeline AS (PARTITION BY subscription_id, customer_id ORDER BY ordinal)
    ) AS periods
    """,
)

PERIODS_OF_SUBSCRIPTION = Invariant(
    "I3",
    "a subscription's periods match its status and dates",
    "subscriptions",
    """
    SELECT CASE
        WHEN s.status = 'PENDING' AND bounds.last IS NOT NULL THEN
            format('subscription %s: is PENDING and has periods', s.id)
        WHEN s.status NOT IN ('PENDING', 'CANCELED') AND bounds.last IS NULL THEN
            format('subscription %s: is %s and has no period', s.id, s.status)
        WHEN first.starts_at IS DISTINCT FROM s.started_at THEN
            format('subscription %s: its first period does not begin when it started', s.id)
        WHEN last.starts_at IS DISTINCT FROM s.current_period_start
          OR last.ends_at IS DISTINCT FROM s.current_period_end THEN
            format('subscription %s: its last period is not its current one', s.id)
        WHEN s.ended_at > last.ends_at THEN
            format('subscription %s: it ended after its last period', s.id)
    END AS wrong
    FROM subscriptions AS s
    LEFT JOIN (
        SELECT subscription_id, customer_id, min(ordinal) AS first, max(ordinal) AS last
        FROM billing_periods
        GROUP BY subscription_id, customer_id
    ) AS bounds ON bounds.subscription_id = s.id AND bounds.customer_id = s.customer_id
    LEFT JOIN billing_periods AS first
        ON first.subscription_id = s.id AND first.customer_id = s.customer_id AND first.ordinal = bounds.first
    LEFT JOIN billing_periods AS last
        ON last.subscription_id = s.id AND last.customer_id = s.customer_id AND last.ordinal = bounds.last
    """,
)

PERIODS_INVOICED = Invariant(
    "I3",
    "each period has an invoice, and at most one not void",
    "periods",
    """
    SELECT CASE
        WHEN billed.invoices IS NULL THEN
            format('subscription %s: period %s has no invoice', p.subscription_id, p.ordinal)
        WHEN billed.standing > 1 THEN
            format('subscription %s: period %s has %s invoices that are not void',
                   p.subscription_id, p.ordinal, billed.standing)
    END AS wrong, billed.standing = 0 AS remarked
    FROM billing_periods AS p
    LEFT JOIN (
        SELECT subscription_id, customer_id, period_ordinal, count(*) AS invoices,
               count(*) FILTER (WHERE status <> 'VOID') AS standing
        FROM invoices
        WHERE kind = 'RECURRING'
        GROUP BY subscription_id, customer_id, period_ordinal
    ) AS billed
        ON billed.subscription_id = p.subscription_id
        AND billed.customer_id = p.customer_id
        AND billed.period_ordinal = p.ordinal
    """,
    remark="with only void invoices",
)

NEXT_BILLING = Invariant(
    "I3",
    "a live subscription is next billed when its period ends, or when it is set to cancel before",
    "subscriptions",
    """
    SELECT CASE
        WHEN status = 'CANCELED' AND next_billing_at IS NOT NULL THEN
            format('subscription %s: is CANCELED but would be billed next at %s', id, next_billing_at)
        WHEN status <> 'CANCELED' AND next_billing_at IS NULL THEN
            format('subscription %s: is %s but has no next billing date', id, status)
        WHEN status NOT IN ('PENDING', 'CANCELED')
          AND next_billing_at IS DISTINCT FROM LEAST(current_period_end, cancel_at) THEN
            format('subscription %s: is billed next at %s, but its period or its cancellation is at %s', id,
                   next_billing_at, LEAST(current_period_end, cancel_at))
    END AS wrong
    FROM subscriptions
    """,
)

TERMS = Invariant(
    "I3",
    "a subscription has a plan and a quantity",
    "subscriptions",
    """
    SELECT CASE
        WHEN p.id IS NULL THEN format('subscription %s: has no plan', s.id)
        WHEN s.quantity IS NULL THEN format('subscription %s: has no quantity', s.id)
    END AS wrong
    FROM subscriptions AS s
    LEFT JOIN plans AS p ON p.id = s.plan_id
    """,
)

LIVE_SUBSCRIPTION_COPIES = Invariant(
    "I3",
    "a customer has the status and plan of its subscription",
    "customers",
    """
    SELECT CASE
        WHEN c.subscription_status IS NULL AND live.id IS NOT NULL THEN
            format('customer %s: lacks the status and plan of subscription %s', c.id, live.id)
        WHEN c.subscription_status IS NOT NULL AND live.id IS NULL THEN
            format('customer %s: has the subscription status %s, but no live subscription', c.id, c.subscription_status)
        WHEN c.subscription_status IS DISTINCT FROM live.status THEN
            format('customer %s: has the status %s, subscription %s is %s', c.id, c.subscription_status, live.id,
                   live.status)
        WHEN c.subscription_plan_id IS DISTINCT FROM live.plan_id THEN
            format('customer %s: has another plan than subscription %s', c.id, live.id)
    END AS wrong
    FROM customers AS c
    LEFT JOIN LATERAL (
        SELECT id, status, plan_id
        FROM subscriptions
        WHERE customer_id = c.id AND status <> 'CANCELED'
        ORDER BY status = c.subscription_status DESC, plan_id = c.subscription_plan_id DESC
        LIMIT 1
    ) AS live ON TRUE
    """,
)

TEST_CLOCKS = Invariant(
    "I3",
    "a customer's objects are on the customer's test clock",
    "rows",
    """
    SELECT CASE
        WHEN owned.test_clock_id IS DISTINCT FROM c.test_clock_id THEN
            format('%s %s: is on a different test clock than its customer', kind, owned.id)
    END AS wrong
    FROM (
        SELECT 'subscription' AS kind, id, customer_id, test_clock_id FROM subscriptions
        UNION ALL
        SELECT 'invoice', id, customer_id, test_clock_id FROM invoices
        UNION ALL
        -- Null until the next tick if a server from before migration 0020 wrote it.
        SELECT 'payment', id, customer_id, test_clock_id FROM payments WHERE test_clock_id IS NOT NULL
    ) AS owned
    LEFT JOIN customers AS c ON c.id = owned.customer_id
    """,
)
