"""Invariants of coupons and discounts."""

from db.queries.invariants.rule import Invariant

PERIODS_USED = Invariant(
    "I4",
    "`periods_used` of discounts matches their invoices",
    "discounts",
    """
    SELECT CASE
        WHEN coalesce(used.periods, 0) <> d.periods_used THEN
            format('discount %s: its invoices use %s periods, but periods_used is %s', d.id, coalesce(used.periods, 0),
                   d.periods_used)
    END AS wrong
    FROM discounts AS d
    LEFT JOIN (
        SELECT (applied ->> 'discount_id')::uuid AS discount_id, i.customer_id,
               count(DISTINCT (coalesce(i.subscription_id, i.id), ordinal)) AS periods
        FROM invoices AS i,
             jsonb_array_elements(i.discounts) AS applied,
             jsonb_array_elements_text(applied -> 'ordinals') AS ordinal
        WHERE i.discounts IS NOT NULL AND i.status NOT IN ('DRAFT', 'VOID')
        GROUP BY 1, i.customer_id
    ) AS used ON used.discount_id = d.id AND used.customer_id = d.customer_id
    WHERE d.periods IS NOT NULL
    """,
)

REDEMPTIONS = Invariant(
    "I4",
    "`redeemed` of coupons with a limit matches their discounts",
    "coupons",
    """
    SELECT CASE
        WHEN count(d.id) <> c.redeemed THEN
            format('coupon %s: there are %s redemptions in real time, but redeemed is %s', c.id, count(d.id),
                   c.redeemed)
        WHEN c.redeemed > c.max_redemptions THEN
            format('coupon %s: redeemed is %s, but max_redemptions is %s', c.id, c.redeemed, c.max_redemptions)
    END AS wrong
    FROM coupons AS c
    LEFT JOIN (
        SELECT d.id, d.coupon_id FROM discounts AS d
        JOIN customers ON customers.id = d.customer_id AND customers.test_clock_id IS NULL
    ) AS d ON d.coupon_id = c.id
    WHERE c.max_redemptions IS NOT NULL
    GROUP BY c.id, c.redeemed, c.max_redemptions
    """,
)
