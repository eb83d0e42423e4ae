"""Invariants of events, idempotency keys and invoice numbers."""

from billing.enums import EventType
from db.models.base import listed
from db.models.kinds import KINDS
from db.queries.invariants.rule import Invariant

VERSIONS = Invariant(
    "I5",
    "the events of an object have versions 1 to n",
    "events",
    """
    SELECT CASE
        WHEN version <> previous + 1 THEN
            format('%s %s: version %s follows version %s', replace(lower(object_type), '_', ' '), object_id, version,
                   previous)
    END AS wrong
    FROM (
        SELECT object_type, object_id, version,
               lag(version, 1, 0) OVER (PARTITION BY object_id ORDER BY version) AS previous
        FROM events
    ) AS versions
    """,
)

OBJECTS = " UNION ALL ".join(
    f"SELECT '{kind.name}' AS kind, '{kind.type}' AS object_type, id AS object_id, {kind.version_sql} AS version"
    f" FROM {kind.table}"
    for kind in KINDS
)
"""A SELECT of all objects of all kinds, with their versions."""

DELETIONS = listed(type_ for type_ in EventType if type_.endswith("_DELETED"))

EVENTS = Invariant(
    "I5",
    "each object is at the version of its last event",
    "objects",
    f"""
    SELECT CASE
        WHEN told.object_id IS NULL THEN format('%s %s: has no event', replace(lower(object_type), '_', ' '), object_id)
        WHEN told.type IN ({DELETIONS}) AND stored.object_id IS NOT NULL THEN
            format('%s %s: was deleted but exists', replace(lower(object_type), '_', ' '), object_id)
        WHEN told.type NOT IN ({DELETIONS}) AND stored.object_id IS NULL THEN
            format('%s %s: has events but does not exist', replace(lower(object_type), '_', ' '), object_id)
        WHEN stored.version <> told.version THEN
            format('%s %s: is at version %s, its last event at %s', replace(lower(object_type), '_', ' '), object_id,
                   stored.version, told.version)
    END AS wrong
    FROM ({OBJECTS}) AS stored
    FULL JOIN (
        SELECT DISTINCT ON (object_id) object_type, object_id, version, type
        FROM events
        ORDER BY object_id, version DESC
    ) AS told USING (object_type, object_id)
    """,
)

FEED = Invariant(
    "I5",
    "no event is hidden by a future transaction number",
    "events",
    """
    SELECT CASE
        WHEN number >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
          AND number IS DISTINCT FROM pg_current_xact_id_if_assigned()::text::bigint THEN
            format('%s %s: version %s is hidden until the server has made %s transactions',
                   replace(lower(object_type), '_', ' '), object_id, version, number)
    END AS wrong
    FROM (
        SELECT object_type, object_id, version, xid::text::bigint - shift AS number
        FROM events
        CROSS JOIN (
            SELECT event_horizon()::text::bigint - pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS shift
        ) AS since_a_restore
    ) AS events
    """,
)

IDEMPOTENCY = Invariant(
    "I6",
    "each idempotency key has one result",
    "keys",
    """
    SELECT CASE
        WHEN result IS NULL THEN format('key %s of %s: has no result', left(key, 40), left(api_key, 40))
        WHEN octet_length(request_hash) IS DISTINCT FROM 32 THEN
            format('key %s of %s: has no hash of its request', left(key, 40), left(api_key, 40))
        WHEN is_second THEN format('key %s of %s: exists twice', left(key, 40), left(api_key, 40))
    END AS wrong
    FROM (
        SELECT api_key, key, result, request_hash,
               row_number() OVER (PARTITION BY api_key, key) > 1 AS is_second
        FROM idempotency_keys
    ) AS keys
    """,
)

SEQUENCES = Invariant(
    "I7",
    "a customer's invoices are numbered 1 to n",
    "invoices",
    """
    SELECT CASE
        WHEN sequence <> previous + 1 THEN
            format('customer %s: invoice %s follows invoice %s', customer_id, sequence, previous)
    END AS wrong
    FROM (
        SELECT customer_id, sequence, lag(sequence, 1, 0) OVER (PARTITION BY customer_id ORDER BY sequence) AS previous
        FROM invoices
        WHERE sequence IS NOT NULL
    ) AS numbered
    """,
)

LAST_NUMBERS = Invariant(
    "I7",
    "a customer's invoice counter is the last number used",
    "customers",
    """
    SELECT CASE
        WHEN c.last_invoice_number <> coalesce(numbered.last, 0) THEN
            format('customer %s: last_invoice_number is %s, but the last invoice is %s', c.id, c.last_invoice_number,
                   coalesce(numbered.last, 0))
    END AS wrong
    FROM customers AS c
    LEFT JOIN (
        SELECT customer_id, max(sequence) AS last FROM invoices GROUP BY customer_id
    ) AS numbered ON numbered.customer_id = c.id
    """,
)

NUMBERS = Invariant(
    "I7",
    "an invoice number is the prefix and the sequence",
    "invoices",
    """
    SELECT CASE
        WHEN (i.status = 'DRAFT') <> (i.sequence IS NULL) OR (i.sequence IS NULL) <> (i.number IS NULL) THEN
            format('invoice %s: is %s and has the number %s', i.id, i.status, coalesce(i.number, 'null'))
        WHEN i.number IS DISTINCT FROM
            c.invoice_prefix || '-' || lpad(i.sequence::text, greatest(4, length(i.sequence::text)), '0') THEN
            format('invoice %s: has the number %s, with the prefix %s and the sequence %s', i.id, i.number,
                   c.invoice_prefix, i.sequence)
    END AS wrong
    FROM invoices AS i
    LEFT JOIN customers AS c ON c.id = i.customer_id
    """,
)
