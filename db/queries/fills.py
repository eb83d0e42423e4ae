"""SQL that fills in histories which servers from before migration 0005 do not write. 0006 runs it for all changes.

Each statement takes the SUBSCRIPTION_CHANGED events to look at, as a FROM item, and does nothing when it is run again.
"""

ALL_CHANGES = "(SELECT * FROM events WHERE type = 'SUBSCRIPTION_CHANGED')"
CHANGES_OF_ONE = "(SELECT * FROM events WHERE type = 'SUBSCRIPTION_CHANGED' AND object_id = :subscription_id)"


def newest(number: int, event_type: str) -> str:
    """The newest events of a type, at most this many.

    In an order that only the index of types has: the key of events has the other one too, and is read to its end where
    there are few of the type.
    """
    of_type = f"type BETWEEN '{event_type}' AND '{event_type}'"
    return f"(SELECT * FROM events WHERE {of_type} ORDER BY type DESC, xid DESC, position DESC LIMIT {number})"  # noqa: S608


def fill_changed_periods(changes: str) -> str:
    """Sets `changed_at` of periods to what a server writes for the changes.

    A change is one of the last period that was invoiced before it, which it may have cut. One that comes into force
    with the next period is noted right before the event of that period, and changes none.
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
    """Adds the trials of plans that a subscription on trial was changed to, as far as no later change hides them."""
    return f"""
        INSERT INTO trials (customer_id, plan_id, subscription_id, started_at)
        SELECT customer_id, plan_id, id, terms_at
        FROM subscriptions
        WHERE trial_start <= terms_at AND terms_at < trial_end AND id IN (SELECT object_id FROM {changes} AS e)
        ON CONFLICT (customer_id, plan_id) DO NOTHING
    """  # noqa: S608
