"""fill the histories of periods and trials, renew the keys of e-mail addresses

Revision 0006, after 0005, whose locks it must not hold meanwhile.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A change that comes into force with a new period is told beside the event of that period, and changes none. A change of
# the interval begins a period of its own, behind one that was cut.
CHANGED_PERIODS = """
    UPDATE billing_periods AS p
    SET changed_at = changes.occurred_at
    FROM (
        SELECT e.customer_id, e.object_id AS subscription_id, e.occurred_at
        FROM events AS e
        WHERE e.type = 'SUBSCRIPTION_CHANGED'
          AND NOT EXISTS (
              SELECT FROM events AS n
              WHERE n.object_id = e.object_id AND n.version = e.version + 1 AND n.xid = e.xid
                AND n.type IN ('SUBSCRIPTION_RENEWED', 'SUBSCRIPTION_TRIAL_ENDED')
          )
        ORDER BY e.object_id, e.version
    ) AS changes
    WHERE p.subscription_id = changes.subscription_id AND p.customer_id = changes.customer_id
      AND p.starts_at <= changes.occurred_at AND changes.occurred_at < p.ends_at
      AND NOT EXISTS (
          SELECT FROM billing_periods AS cut
          JOIN invoices AS i ON i.subscription_id = cut.subscription_id AND i.customer_id = cut.customer_id
            AND i.kind = 'RECURRING' AND i.period_ordinal = cut.ordinal
          WHERE cut.subscription_id = p.subscription_id AND cut.customer_id = p.customer_id
            AND cut.ordinal = p.ordinal - 1 AND cut.ends_at < i.period_end AND p.starts_at = changes.occurred_at
      )
"""
CUT_PERIODS = """
    UPDATE billing_periods AS p
    SET changed_at = p.ends_at
    FROM invoices AS i
    WHERE i.subscription_id = p.subscription_id AND i.customer_id = p.customer_id AND i.kind = 'RECURRING'
      AND i.period_ordinal = p.ordinal AND p.ends_at < i.period_end AND p.changed_at IS NULL
"""
TRIALS = """
    INSERT INTO trials (customer_id, plan_id, subscription_id, started_at)
    SELECT DISTINCT ON (customer_id, plan_id) customer_id, plan_id, subscription_id, started_at
    FROM (
        SELECT customer_id, plan_id, subscription_id, starts_at AS started_at
        FROM billing_periods
        WHERE kind = 'TRIAL'
        UNION ALL
        SELECT customer_id, plan_id, id, terms_at
        FROM subscriptions
        WHERE trial_start <= terms_at AND terms_at < trial_end
    ) AS trials
    ORDER BY customer_id, plan_id, started_at
    ON CONFLICT (customer_id, plan_id) DO NOTHING
"""

BEYOND_ASCII = "SELECT id, email, email_key FROM customers WHERE email ~ '[^[:ascii:]]'"
TAKEN = "SELECT EXISTS (SELECT FROM customers WHERE email_key = :key)"
SET_KEY = "UPDATE customers SET email_key = :key WHERE id = :id AND email_key = :before"


def key_of(email: str, before: str, *, folded: bool = False) -> str:
    """The key of an address: its local part in lower case and NFC, or as `folded` before; the domain stays."""
    local, _, _ = email.rpartition("@")
    _, _, domain = before.rpartition("@")
    if folded:
        local = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", local).casefold())
    else:
        local = unicodedata.normalize("NFC", local.lower())
    return f"{local}@{domain}"


def renew_keys(*, folded: bool) -> None:
    if op.get_context().as_sql:
        return
    connection = op.get_bind()
    for row in connection.execute(sa.text(BEYOND_ASCII)).all():
        key = key_of(row.email, row.email_key, folded=folded)
        if key != row.email_key:
            if connection.scalar(sa.text(TAKEN), {"key": key}):
                raise RuntimeError("There are two customers whose addresses revision 0005 takes for one.")
            connection.execute(sa.text(SET_KEY), {"key": key, "id": row.id, "before": row.email_key})


def upgrade() -> None:
    op.execute(CHANGED_PERIODS)
    op.execute(CUT_PERIODS)
    op.execute(TRIALS)
    renew_keys(folded=False)


def downgrade() -> None:
    renew_keys(folded=True)
