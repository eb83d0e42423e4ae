"""fill the histories of periods and trials, renew the keys of e-mail addresses

Revision 0006, after 0005. Separate from 0005 so that the locks of that migration are not held meanwhile.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

from db.queries.fills import ALL_CHANGES, fill_changed_periods, fill_changed_trials

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TRIAL_PERIODS = """
    INSERT INTO trials (customer_id, plan_id, subscription_id, started_at)
    SELECT DISTINCT ON (customer_id, plan_id) customer_id, plan_id, subscription_id, starts_at
    FROM billing_periods
    WHERE kind = 'TRIAL'
    ORDER BY customer_id, plan_id, starts_at
    ON CONFLICT (customer_id, plan_id) DO NOTHING
"""

BEYOND_ASCII = "SELECT id, email, email_key FROM customers WHERE email ~ '[^[:ascii:]]'"
TAKEN = "SELECT EXISTS (SELECT FROM customers WHERE email_key = :key)"
SET_KEY = "UPDATE customers SET email_key = :key WHERE id = :id AND email_key = :before"


def key_of(email: str, before: str, *, folded: bool = False) -> str:
    """Returns the key of an e-mail address. The domain is that of the key `before`.

    The local part is in lower case and NFC, or if `folded`, casefolded and in NFKC as before this revision.
    """
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
                raise RuntimeError("Two customers have e-mail addresses that revision 0005 treats as equal.")
            connection.execute(sa.text(SET_KEY), {"key": key, "id": row.id, "before": row.email_key})


def upgrade() -> None:
    op.execute(fill_changed_periods(ALL_CHANGES))
    op.execute(TRIAL_PERIODS)
    op.execute(fill_changed_trials(ALL_CHANGES))
    renew_keys(folded=False)


def downgrade() -> None:
    renew_keys(folded=True)
