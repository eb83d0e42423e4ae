"""webhook endpoints and deliveries

Revision 0049, after 0048. All tables are new.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.models.types import TransactionId

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)
IS_PENDING = sa.text("status = 'PENDING'")


def checks(table: str, **conditions: str) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in conditions.items()]


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("test_clocks", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_expires_at", TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        *checks(
            "webhook_endpoints",
            url="char_length(url) BETWEEN 1 AND 2048",
            description="char_length(description) BETWEEN 1 AND 255",
            status="status IN ('ENABLED', 'DISABLED')",
            disabled_reason="disabled_reason IN ('REQUESTED', 'GONE', 'FAILING')",
            disabled=(
                "(status = 'DISABLED') = (disabled_reason IS NOT NULL)"
                " AND (status = 'DISABLED') = (disabled_at IS NOT NULL)"
            ),
            secret="octet_length(secret) BETWEEN 24 AND 64",  # noqa: S106 - a condition, no secret
            previous_secret="(previous_secret IS NULL) = (previous_secret_expires_at IS NULL)",  # noqa: S106
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index("ix_webhook_endpoints_created_at", "webhook_endpoints", ["created_at", "id"])
    op.create_table(
        "webhook_progress",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("xid", TransactionId(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("replay_xid", TransactionId(), nullable=True),
        sa.Column("replay_position", sa.BigInteger(), nullable=True),
        sa.Column("replay_until_xid", TransactionId(), nullable=True),
        sa.Column("replay_until_position", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", TIME, nullable=True),
        sa.Column("succeeded_at", TIME, nullable=True),
        *checks(
            "webhook_progress",
            replay="num_nonnulls(replay_xid, replay_position, replay_until_xid, replay_until_position) IN (0, 4)",
            failures="failures >= 0",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", name=op.f("pk_webhook_progress")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("xid", TransactionId(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        *(
            sa.Column(name, TIME, nullable=True)
            for name in (*("first_attempt_at", "last_attempt_at", "next_attempt_at", "claimed_until", "finished_at"),)
        ),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_head", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        *checks(
            "webhook_deliveries",
            status="status IN ('PENDING', 'SUCCEEDED', 'FAILED')",
            attempts="attempts >= 0",
            body="octet_length(body) BETWEEN 1 AND 20000",
            next_attempt_at="(status = 'PENDING') = (next_attempt_at IS NOT NULL)",
            finished_at="(status = 'PENDING') = (finished_at IS NULL)",
            claimed_until="claimed_until IS NULL OR status = 'PENDING'",
            response_head="char_length(response_head) <= 1000",
            error="char_length(error) BETWEEN 1 AND 500",
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_progress.endpoint_id"], name=op.f("fk_webhook_deliveries_endpoint_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("endpoint_id", "message_id", name=op.f("uq_webhook_deliveries_endpoint_id")),
    )
    table = "webhook_deliveries"
    op.create_index("ix_webhook_deliveries_created_at", table, ["endpoint_id", "created_at", "id"])
    op.create_index("ix_webhook_deliveries_status", table, ["endpoint_id", "status", "created_at", "id"])
    op.create_index(
        "ix_webhook_deliveries_due",
        table,
        ["endpoint_id", "next_attempt_at", "xid", "position"],
        postgresql_where=IS_PENDING,
    )
    op.create_index(
        "ix_webhook_deliveries_object",
        table,
        ["endpoint_id", "object_id", "xid", "position"],
        postgresql_where=IS_PENDING,
    )
    op.create_index(
        "ix_webhook_deliveries_finished_at",
        table,
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )


def downgrade() -> None:
    for table in ("webhook_deliveries", "webhook_progress", "webhook_endpoints"):
        op.drop_table(table)
