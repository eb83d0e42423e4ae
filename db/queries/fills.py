"""SQL that fills in what servers of earlier releases do not write.

Migration 0006 fills in the histories of all subscriptions, 0020 the test clocks of all payments, and 0021 the copies of
live subscriptions. The statements are idempotent. The functions for histories take a FROM item that selects
SUBSCRIPTION_CHANGED events.
"""

from collections.abc import Iterable

ALL_CHANGES = "(SELECT * FROM events WHERE type = 'SUBSCRIPTION_CHANGED')"
CHANGES_OF_ONE = "(SELECT * FROM events WHERE type = 'SUBSCRIPTION_CHANGED' AND object_id = :subscription_id)"


def newest(number: int, event_type: str) -> str:
    """Returns a FROM item with the newest events of a type, at most `number`."""
    # BETWEEN instead of = keeps `type` in the sort order, which then matches only the index that starts with `type`.
    # The primary key on (xid, position) would be read to its end if there are few events of the type.
    of_type = f"type BETWEEN '{event_type}' AND '{event_type}'"
    return f"(SELECT * FROM events WHERE {of_type} ORDER BY type DESC, xid DESC, position DESC LIMIT {number})"  # noqa: S608


def fill_changed_periods(changes: str) -> str:
    """Returns SQL that sets `changed_at` of periods to the value that a current server writes for the changes.

    A change belongs to the last period that was invoiced before it, which the change may have ended early. A change
    that takes effect with the next period has its event right before that period's event, and belongs to no period.
    """
    return f"""
        UPDATE billing_periods AS p
        SET changed_at = c.occurred_at
        FROM (
            SELECT before.subscription_id, before.customer_id, before.ordinal, max(e.occurred_at) AS occurred_at
            FROM {changes} AS e
            CROSS JOIN LATERAL (
                SELECT p.subscription_id, p.customer_id, p.ordinal, p.ends_at < i.period_end AS was_cut
                FROM invoices AS i
                JOIN events AS made ON made.object_id = i.id AND made.version = 1
                JOIN billing_periods AS p ON p.subscription_id = i.subscription_id AND p.customer_id = i.customer_id
                  AND p.ordinal = i.period_ordinal
                WHERE i.subscription_id = e.object_id AND i.customer_id = e.customer_id AND i.kind = 'RECURRING'
                  AND made.position < e.position
                ORDER BY i.period_ordinal DESC
                LIMIT 1
            ) AS before
            WHERE before.was_cut OR NOT EXISTS (
                SELECT FROM events AS n
                WHERE n.object_id = e.object_id AND n.version = e.version + 1 AND n.xid = e.xid
                  AND n.type IN ('SUBSCRIPTION_RENEWED', 'SUBSCRIPTION_TRIAL_ENDED')
            )
            GROUP BY before.subscription_id, before.customer_id, before.ordinal
        ) AS c
        WHERE p.subscription_id = c.subscription_id AND p.customer_id = c.customer_id AND p.ordinal = c.ordinal
          AND p.changed_at IS NULL
    """  # noqa: S608


def fill_changed_trials(changes: str) -> str:
    """Returns SQL that adds trials for plans that a subscription was changed to during its trial.

    Finds only changes that no later change of the subscription has overwritten.
    """
    return f"""
        INSERT INTO trials (customer_id, plan_id, subscription_id, started_at)
        SELECT customer_id, plan_id, id, terms_at
        FROM subscriptions
        WHERE trial_start <= terms_at AND terms_at < trial_end AND id IN (SELECT object_id FROM {changes} AS e)
        ON CONFLICT (customer_id, plan_id) DO NOTHING
    """  # noqa: S608


def fill_test_clocks(payments: str) -> str:
    """Returns SQL that sets `test_clock_id` of payments to that of their customer.

    `payments` is a FROM item with the columns `id` and `customer_id` of the payments.
    """
    return f"""
        UPDATE payments AS p
        SET test_clock_id = c.test_clock_id
        FROM {payments} AS known
        JOIN customers AS c ON c.id = known.customer_id AND c.test_clock_id IS NOT NULL
        WHERE p.id = known.id AND p.customer_id = known.customer_id AND p.test_clock_id IS NULL
    """  # noqa: S608


DIFFERS = """(customers.subscription_status, customers.subscription_plan_id)
              IS DISTINCT FROM (live.status, live.plan_id)"""

COPY_LIVE_SUBSCRIPTIONS = f"""
    UPDATE customers
    SET subscription_status = live.status, subscription_plan_id = live.plan_id
    FROM customers AS theirs
    LEFT JOIN subscriptions AS live ON live.customer_id = theirs.id AND live.status <> 'CANCELED'
    WHERE customers.id = theirs.id AND theirs.id = ANY ({{customers}}) AND {DIFFERS}
"""  # noqa: S608
"""Copies status and plan of the live subscription to customers, given as an array of ids. Lock the customers before."""


def customers_with_other_copies(event_types: Iterable[str], number: int) -> str:
    """Returns SQL that selects the ids of customers whose copies differ from their live subscription.

    Looks at the customers of the newest events of each type, at most `number` of each.
    """
    recent = " UNION ".join(
        f"SELECT customer_id FROM {newest(number, each)} AS of_type_{place}"  # noqa: S608
        for place, each in enumerate(event_types)
    )
    return f"""
        SELECT customers.id
        FROM ({recent}) AS recent
        JOIN customers ON customers.id = recent.customer_id
        LEFT JOIN subscriptions AS live ON live.customer_id = customers.id AND live.status <> 'CANCELED'
        WHERE {DIFFERS}
    """  # noqa: S608


FILL_XIDS = """
    UPDATE {table} AS r
    SET xid = (
        SELECT e.xid FROM events AS e
        WHERE e.object_id = r.payment_id AND e.type = '{event}' AND e.occurred_at = r.created_at
        ORDER BY e.version
        LIMIT 1
    )
    WHERE r.xid IS NULL
"""
"""Sets the `xid` of refunds or reversals to that of their event, or of one of their events in the same second."""
