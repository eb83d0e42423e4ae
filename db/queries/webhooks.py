"""Statements of webhooks. Those that change deliveries need the lock on the endpoint's row in `webhook_progress`."""

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from billing.enums import ObjectType
from db.models.types import TransactionId


def with_types(sql: str, *xids: str, arrays: tuple[str, ...] = ()) -> TextClause:
    """Returns a statement with parameters that are transaction ids, and lists of them."""
    return text(sql).bindparams(
        *(bindparam(name, type_=TransactionId()) for name in xids),
        *(bindparam(name, type_=ARRAY(TransactionId())) for name in arrays),
    )


LOCK_PROGRESS = text(
    """
    SELECT *, set_config('enable_sort', 'off', TRUE) AS enable_sort, set_config('jit', 'off', TRUE) AS jit
    FROM webhook_progress WHERE endpoint_id = :endpoint_id FOR UPDATE
    """
)
"""Locks and returns an endpoint's progress.

Until the end of the transaction, PostgreSQL reads in the order of an index where it can. When an endpoint has just
stopped working, the statistics do not show its backlog yet. Then a claim would read and sort it for each delivery.
A sort that is needed anyway counts as very expensive before PostgreSQL 18, so statements must not be compiled for it.
"""

FEED_AFTER = """
    SELECT e.id, e.type, e.object_type, e.object_id, e.version, e.customer_id, e.actor, e.changes, e.occurred_at,
           e.recorded_at, e.xid, e.position,
           e.object_type = '{test_clock}' OR c.test_clock_id IS NOT NULL AS on_test_clock
    FROM events AS e
    LEFT JOIN customers AS c ON c.id = e.customer_id
    WHERE (e.xid, e.position) > (:xid, :position) AND e.xid < event_horizon() {until}
    ORDER BY e.xid, e.position
    LIMIT :most
"""

NEW_EVENTS = with_types(FEED_AFTER.format(test_clock=ObjectType.TEST_CLOCK, until=""), "xid")
"""The next events of the feed after a place in it."""

EVENTS_TO_REPLAY = with_types(
    FEED_AFTER.format(
        test_clock=ObjectType.TEST_CLOCK, until="AND (e.xid, e.position) <= (:until_xid, :until_position)"
    ),
    *("xid", "until_xid"),
)
"""The next events of the feed after a place in it, up to another place."""

ADD_DELIVERIES = """
    INSERT INTO webhook_deliveries AS d (
        id, endpoint_id, message_id, event_id, type, object_id, xid, position, body, status, attempts, recorded_at,
        created_at, next_attempt_at
    )
    SELECT new.id, :endpoint_id, new.event_id, new.event_id, new.type, new.object_id, new.xid, new.position, new.body,
           'PENDING', 0, new.recorded_at, :now, :now
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:event_ids AS uuid[]), CAST(:types AS text[]), CAST(:object_ids AS uuid[]),
        :xids, CAST(:positions AS bigint[]), CAST(:bodies AS text[]), CAST(:recorded AS timestamptz[])
    ) AS new (id, event_id, type, object_id, xid, position, body, recorded_at)
    ON CONFLICT (endpoint_id, message_id) {conflict}
"""

AGAIN = """
    SET status = 'PENDING', attempts = 0, next_attempt_at = :now, finished_at = NULL, first_attempt_at = NULL
"""

NEW_DELIVERIES = with_types(ADD_DELIVERIES.format(conflict="DO NOTHING"), arrays=("xids",))
REPLAYED_DELIVERIES = with_types(
    ADD_DELIVERIES.format(conflict=f"DO UPDATE {AGAIN} WHERE d.status <> 'PENDING'"), arrays=("xids",)
)
"""Adds deliveries. Those that exist keep their message and are made again."""

REPLAY_BY_ID = text(
    f"UPDATE webhook_deliveries {AGAIN} WHERE endpoint_id = :endpoint_id AND id = ANY(:ids) AND status <> 'PENDING'"
)

START_AGAIN = text(
    """
    UPDATE webhook_deliveries
    SET attempts = 0, first_attempt_at = NULL, next_attempt_at = :now, claimed_until = NULL
    WHERE endpoint_id = :endpoint_id AND status = 'PENDING'
    """
)
SKIP = with_types(
    """
    DELETE FROM webhook_deliveries
    WHERE endpoint_id = :endpoint_id AND status = 'PENDING' AND (xid, position) <= (:xid, :position)
    """,
    "xid",
)
"""Deletes the pending deliveries up to a place in the feed."""

MOVE = with_types(
    "UPDATE webhook_progress SET xid = :xid, position = :position WHERE endpoint_id = :endpoint_id", "xid"
)
MOVE_REPLAY = with_types(
    "UPDATE webhook_progress SET replay_xid = :xid, replay_position = :position WHERE endpoint_id = :endpoint_id",
    "xid",
)
END_REPLAY = text(
    """
    UPDATE webhook_progress
    SET replay_xid = NULL, replay_position = NULL, replay_until_xid = NULL, replay_until_position = NULL
    WHERE endpoint_id = :endpoint_id
    """
)

CLAIM = """
    UPDATE webhook_deliveries AS claimed SET claimed_until = :until
    FROM (
        SELECT d.id
        FROM webhook_deliveries AS d
        WHERE d.endpoint_id = :endpoint_id AND d.status = 'PENDING' AND d.next_attempt_at <= :now
          AND (d.claimed_until IS NULL OR d.claimed_until <= :now)
          AND (d.xid, d.position) <= (
            SELECT first.xid, first.position
            FROM webhook_deliveries AS first
            WHERE first.endpoint_id = d.endpoint_id AND first.object_id = d.object_id AND first.status = 'PENDING'
            ORDER BY first.xid, first.position
            LIMIT 1
          )
        ORDER BY {order}
        LIMIT :most
    ) AS due
    WHERE claimed.id = due.id
    RETURNING claimed.id, claimed.message_id, claimed.body, claimed.attempts, claimed.claimed_until,
      claimed.xid, claimed.position
"""

CLAIM_DUE = text(CLAIM.format(order="d.next_attempt_at, d.xid, d.position"))
CLAIM_OLDEST = text(CLAIM.format(order="d.xid, d.position"))
"""Claims deliveries whose time has come. No delivery is made before an earlier one about the same object is finished.
Unlike `NOT EXISTS` or `=`, the comparison does not look selective to the planner, so it does not sort all that is due.

The oldest first, if the endpoint is braked: otherwise it would take long until one of many deliveries had failed for
the last time.
"""

IS_CLAIMED = text(
    """
    SELECT EXISTS (
        SELECT FROM webhook_deliveries
        WHERE endpoint_id = :endpoint_id AND status = 'PENDING' AND claimed_until > :now
    )
    """
)

RECORD_ATTEMPTS = text(
    """
    UPDATE webhook_deliveries AS d
    SET status = new.status, attempts = d.attempts + 1, first_attempt_at = coalesce(d.first_attempt_at, new.at),
        last_attempt_at = new.at, next_attempt_at = new.next_attempt_at, claimed_until = NULL,
        finished_at = CASE WHEN new.status <> 'PENDING' THEN new.at END, response_status = new.response_status,
        response_head = new.response_head, error = new.error
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:claims AS timestamptz[]), CAST(:statuses AS text[]), CAST(:at AS timestamptz[]),
        CAST(:next AS timestamptz[]), CAST(:response_statuses AS integer[]), CAST(:heads AS text[]),
        CAST(:errors AS text[])
    ) AS new (id, claimed_until, status, at, next_attempt_at, response_status, response_head, error)
    WHERE d.id = new.id AND d.status = 'PENDING' AND d.claimed_until = new.claimed_until
    RETURNING d.id, d.status, d.first_attempt_at
    """
)
"""Records attempts, except those of deliveries that another process has claimed meanwhile."""

RELEASE = text(
    """
    UPDATE webhook_deliveries AS d SET claimed_until = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:claims AS timestamptz[])) AS mine (id, claimed_until)
    WHERE d.id = mine.id AND d.status = 'PENDING' AND d.claimed_until = mine.claimed_until
    """
)

SET_PACE = text(
    """
    UPDATE webhook_progress
    SET failures = :failures, paused_until = :paused_until, succeeded_at = coalesce(:succeeded_at, succeeded_at)
    WHERE endpoint_id = :endpoint_id
    """
)

ENDPOINTS_WITH_WORK = text(
    """
    SELECT e.id
    FROM webhook_endpoints AS e
    JOIN webhook_progress AS p ON p.endpoint_id = e.id
    WHERE e.status = 'ENABLED' AND (p.paused_until IS NULL OR p.paused_until <= :now) AND (
        p.replay_xid IS NOT NULL
        OR EXISTS (
            SELECT FROM events AS v
            WHERE (v.xid, v.position) > (p.xid, p.position) AND v.xid < event_horizon()
        )
        OR EXISTS (
            SELECT FROM webhook_deliveries AS d
            WHERE d.endpoint_id = e.id AND d.status = 'PENDING' AND d.next_attempt_at <= :now
              AND (d.claimed_until IS NULL OR d.claimed_until <= :now)
        )
    )
    """
)

LAGS = text(
    """
    SELECT e.id, e.status, least(
        (SELECT min(d.recorded_at) FROM webhook_deliveries AS d WHERE d.endpoint_id = e.id AND d.status = 'PENDING'),
        (
            SELECT v.recorded_at FROM events AS v
            WHERE (v.xid, v.position) > (p.xid, p.position) AND v.xid < event_horizon()
            ORDER BY v.xid, v.position
            LIMIT 1
        )
    ) AS since
    FROM webhook_endpoints AS e
    JOIN webhook_progress AS p ON p.endpoint_id = e.id
    """
)
"""The status of each endpoint, and since when it waits for an event. Null if it waits for none."""

PRUNE = text(
    """
    DELETE FROM webhook_deliveries WHERE finished_at < :before AND id IN (
        SELECT id FROM webhook_deliveries WHERE finished_at < :before ORDER BY finished_at LIMIT :most
    )
    """
)
PRUNE_DELETED = text(
    """
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT d.id FROM webhook_deliveries AS d
        WHERE d.endpoint_id IN (
            SELECT p.endpoint_id FROM webhook_progress AS p
            WHERE NOT EXISTS (SELECT FROM webhook_endpoints AS e WHERE e.id = p.endpoint_id)
        )
        LIMIT :most
    )
    """
)
PRUNE_PROGRESS = text(
    """
    DELETE FROM webhook_progress AS p
    WHERE NOT EXISTS (SELECT FROM webhook_endpoints AS e WHERE e.id = p.endpoint_id)
      AND NOT EXISTS (SELECT FROM webhook_deliveries AS d WHERE d.endpoint_id = p.endpoint_id)
    """
)
