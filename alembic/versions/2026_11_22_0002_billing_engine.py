"""the billing engine

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHECKS = (
    ("customers", "balance_cents", "balance_cents BETWEEN 0 AND 9007199254740991"),
    ("customers", "balance_currency", "balance_cents = 0 OR currency IS NOT NULL"),
    ("customers", "last_ledger_number", "last_ledger_number >= 0"),
    ("customers", "net_days", "net_days BETWEEN 0 AND 365"),
    ("plans", "trial_days", "trial_days BETWEEN 0 AND 730"),
    ("plans", "net_days", "net_days BETWEEN 0 AND 365"),
    ("subscriptions", "trial", "(trial_start IS NULL) = (trial_end IS NULL) AND trial_start < trial_end"),
    ("subscriptions", "trialing", "status <> 'TRIALING' OR trial_end IS NOT NULL"),
    ("subscriptions", "terms_at", "(terms_at IS NULL) = (started_at IS NULL)"),
    (
        "subscriptions",
        "pending_change",
        "(pending_plan_id IS NULL) = (pending_quantity IS NULL) AND (pending_plan_id IS NULL) = (pending_since IS NULL) AND pending_quantity >= 1",
    ),
    ("invoices", "net_days", "net_days BETWEEN 0 AND 365"),
    ("invoices", "open", "status NOT IN ('OPEN', 'UNCOLLECTIBLE') OR amount_due_cents > 0"),
    ("invoice_lines", "reverses", "(kind = 'PRORATION_CREDIT') = (reverses_line_id IS NOT NULL)"),
)

# Data that revision 0001 cannot represent.
CANNOT_BE_SAID = (
    ("credits on invoices", "SELECT FROM invoice_lines WHERE reverses_line_id IS NOT NULL"),
    ("pending lines", "SELECT FROM pending_lines"),
    ("balances", "SELECT FROM ledger_entries"),
    ("test clocks", "SELECT FROM test_clocks"),
    (
        "partly paid invoices",
        "SELECT FROM allocations JOIN invoices ON invoices.id = invoice_id WHERE status <> 'PAID' AND released_at IS NULL",
    ),
    (
        "subscriptions on trial or about to change",
        "SELECT FROM subscriptions WHERE status IN ('PENDING', 'TRIALING') OR pending_plan_id IS NOT NULL",
    ),
)

# Backfill of payments and events, which did not exist before: each paid invoice gets a payment, and each object gets an
# event for each of its versions.
WHAT_WAS_BEFORE = (
    "ALTER TABLE payments ADD COLUMN invoice_id uuid",
    """
    INSERT INTO payments (id, customer_id, invoice_id, amount_cents, overpayment_cents, currency, method, received_at,
                          created_at)
    SELECT gen_random_uuid(), customer_id, id, amount_cents, 0, currency, 'OTHER', paid_at, paid_at
    FROM invoices WHERE status = 'PAID' AND amount_cents > 0
    """,
    """
    INSERT INTO allocations (id, customer_id, invoice_id, kind, amount_cents, payment_id, created_at)
    SELECT gen_random_uuid(), customer_id, invoice_id, 'PAYMENT', amount_cents, id, received_at FROM payments
    """,
    "ALTER TABLE payments DROP COLUMN invoice_id",
    *(
        f"""
        INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at,
                            recorded_at)
        SELECT gen_random_uuid(), {customer}, CASE nth WHEN 1 THEN '{first}' ELSE '{later}' END, '{object_type}',
               id, nth, 'migration', '{{}}', CASE nth WHEN 1 THEN created_at ELSE {changed_at} END,
               CASE nth WHEN 1 THEN created_at ELSE {changed_at} END
        FROM {table}, generate_series(1, {version}) AS nth
        """
        for object_type, table, customer, first, later, version, changed_at in (
            ("CUSTOMER", "customers", "id", "CUSTOMER_CREATED", "CUSTOMER_UPDATED", "version", "updated_at"),
            ("PLAN", "plans", "NULL", "PLAN_CREATED", "PLAN_UPDATED", "version", "updated_at"),
            (
                *("SUBSCRIPTION", "subscriptions", "customer_id", "SUBSCRIPTION_CREATED", "SUBSCRIPTION_CHANGED"),
                *("version", "updated_at"),
            ),
            ("INVOICE", "invoices", "customer_id", "INVOICE_FINALIZED", "INVOICE_PAID", "version", "updated_at"),
            ("PAYMENT", "payments", "customer_id", "PAYMENT_RECORDED", "PAYMENT_RECORDED", "1", "created_at"),
        )
    ),
)


def upgrade() -> None:
    op.create_table(
        "billing_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("renewed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("invoices", sa.Integer(), nullable=False),
        sa.Column("past_due", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.CheckConstraint("trigger IN ('SERVER', 'COMMAND', 'TEST_CLOCK')", name=op.f("ck_billing_runs_trigger")),
        sa.CheckConstraint("(finished_at IS NULL) = (milliseconds IS NULL)", name=op.f("ck_billing_runs_finished_at")),
        sa.CheckConstraint("least(renewed, failed, invoices, past_due) >= 0", name=op.f("ck_billing_runs_counts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_runs")),
    )
    op.create_index("ix_billing_runs_created_at", "billing_runs", ["created_at", "id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint(
            "object_type IN ('CUSTOMER', 'PLAN', 'SUBSCRIPTION', 'INVOICE', 'PAYMENT', 'TEST_CLOCK')",
            name=op.f("ck_events_object_type"),
        ),
        sa.CheckConstraint(
            "type IN ('CUSTOMER_CREATED', 'CUSTOMER_UPDATED', 'CUSTOMER_ARCHIVED', 'CUSTOMER_UNARCHIVED', 'CUSTOMER_BALANCE_CHANGED', 'PLAN_CREATED', 'PLAN_UPDATED', 'PLAN_ARCHIVED', 'PLAN_UNARCHIVED', 'SUBSCRIPTION_CREATED', 'SUBSCRIPTION_STARTED', 'SUBSCRIPTION_TRIAL_ENDED', 'SUBSCRIPTION_RENEWED', 'SUBSCRIPTION_CHANGED', 'SUBSCRIPTION_CHANGE_SCHEDULED', 'SUBSCRIPTION_CHANGE_WITHDRAWN', 'SUBSCRIPTION_CANCELLATION_SCHEDULED', 'SUBSCRIPTION_CANCELLATION_UNDONE', 'SUBSCRIPTION_CANCELED', 'SUBSCRIPTION_PAST_DUE', 'SUBSCRIPTION_RECOVERED', 'INVOICE_CREATED', 'INVOICE_UPDATED', 'INVOICE_DELETED', 'INVOICE_FINALIZED', 'INVOICE_PARTIALLY_PAID', 'INVOICE_PAID', 'INVOICE_VOIDED', 'INVOICE_MARKED_UNCOLLECTIBLE', 'PAYMENT_RECORDED', 'TEST_CLOCK_CREATED', 'TEST_CLOCK_ADVANCING', 'TEST_CLOCK_ADVANCED')",
            name=op.f("ck_events_type"),
        ),
        sa.CheckConstraint("char_length(actor) BETWEEN 1 AND 255", name=op.f("ck_events_actor")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_events_version")),
        sa.UniqueConstraint("object_id", "version", name="uq_events_version"),
    )
    # SQLAlchemy has no class for this type.
    op.execute("ALTER TABLE events ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()")
    op.create_index("ix_events_customer_id", "events", ["customer_id", "xid", "position"], unique=False)
    op.create_primary_key(op.f("pk_events"), "events", ["xid", "position"])
    op.create_table(
        "idempotency_keys",
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 255", name=op.f("ck_idempotency_keys_key")),
        sa.CheckConstraint("octet_length(request_hash) = 32", name=op.f("ck_idempotency_keys_request_hash")),
        sa.PrimaryKeyConstraint("api_key", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "test_clocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("frozen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("target_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'ADVANCING') = (target_at IS NOT NULL) AND target_at > frozen_at",
            name=op.f("ck_test_clocks_target_at"),
        ),
        sa.CheckConstraint("status IN ('READY', 'ADVANCING')", name=op.f("ck_test_clocks_status")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_test_clocks_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_clocks")),
    )
    op.create_index(
        "ix_test_clocks_advancing",
        "test_clocks",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'ADVANCING'"),
    )
    op.create_index("ix_test_clocks_created_at", "test_clocks", ["created_at", "id"], unique=False)
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("overpayment_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "method IN ('BANK_TRANSFER', 'CARD', 'DIRECT_DEBIT', 'CASH', 'CHECK', 'OTHER')",
            name=op.f("ck_payments_method"),
        ),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_payments_positive")),
        sa.CheckConstraint("amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_payments_amount_cents")),
        sa.CheckConstraint("char_length(reference) BETWEEN 1 AND 255", name=op.f("ck_payments_reference")),
        sa.CheckConstraint("overpayment_cents BETWEEN 0 AND amount_cents", name=op.f("ck_payments_overpayment_cents")),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"], ["customers.id", "customers.currency"], name="fk_payments_customer_currency"
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_customer_id", "payments", ["customer_id", "created_at", "id"], unique=False)
    op.create_table(
        "billing_holds",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("retry_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("attempts >= 1", name=op.f("ck_billing_holds_attempts")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 1000", name=op.f("ck_billing_holds_reason")),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_billing_holds_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "customer_id", name=op.f("pk_billing_holds")),
    )
    op.create_table(
        "pending_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("period_ordinal", sa.Integer(), nullable=True),
        sa.Column("period_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("period_end", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reverses_line_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('RECURRING', 'TRIAL', 'PRORATION_CREDIT', 'PRORATION_CHARGE', 'ONE_OFF')",
            name=op.f("ck_pending_lines_kind"),
        ),
        sa.CheckConstraint(
            "amount_cents BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("ck_pending_lines_amount_cents")
        ),
        sa.CheckConstraint("char_length(description) BETWEEN 1 AND 500", name=op.f("ck_pending_lines_description")),
        sa.CheckConstraint("period_start <= period_end", name=op.f("ck_pending_lines_period")),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_pending_lines_quantity")),
        sa.CheckConstraint(
            "unit_amount_cents BETWEEN -9007199254740991 AND 9007199254740991",
            name=op.f("ck_pending_lines_unit_amount_cents"),
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_pending_lines_plan_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id", "customer_id"],
            ["subscriptions.id", "subscriptions.customer_id"],
            name=op.f("fk_pending_lines_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_pending_lines")),
    )
    op.create_index(
        "ix_pending_lines_reverses_line_id",
        "pending_lines",
        ["reverses_line_id"],
        unique=False,
        postgresql_where=sa.text("reverses_line_id IS NOT NULL"),
    )
    op.create_index("ix_pending_lines_subscription_id", "pending_lines", ["subscription_id", "id"], unique=False)
    op.create_table(
        "allocations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("source_invoice_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("released_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'PAYMENT') = (payment_id IS NOT NULL) AND (kind = 'CREDIT') = (source_invoice_id IS NOT NULL)",
            name=op.f("ck_allocations_source"),
        ),
        sa.CheckConstraint("kind <> 'PAYMENT' OR released_at IS NULL", name=op.f("ck_allocations_released_at")),
        sa.CheckConstraint("kind IN ('PAYMENT', 'BALANCE', 'CREDIT')", name=op.f("ck_allocations_kind")),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_allocations_positive")),
        sa.CheckConstraint("amount_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_allocations_amount_cents")),
        sa.ForeignKeyConstraint(
            ["invoice_id", "customer_id"],
            ["invoices.id", "invoices.customer_id"],
            name=op.f("fk_allocations_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id", "customer_id"],
            ["payments.id", "payments.customer_id"],
            name=op.f("fk_allocations_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["source_invoice_id", "customer_id"],
            ["invoices.id", "invoices.customer_id"],
            name=op.f("fk_allocations_source_invoice_id"),
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_allocations")),
    )
    op.create_index("ix_allocations_invoice_id", "allocations", ["invoice_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_allocations_payment_id",
        "allocations",
        ["payment_id"],
        unique=False,
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )
    op.create_index(
        "ix_allocations_source_invoice_id",
        "allocations",
        ["source_invoice_id"],
        unique=False,
        postgresql_where=sa.text("source_invoice_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'APPLIED') = (amount_cents < 0)", name=op.f("ck_ledger_entries_sign")),
        sa.CheckConstraint("(kind = 'OVERPAYMENT') = (invoice_id IS NULL)", name=op.f("ck_ledger_entries_invoice")),
        sa.CheckConstraint("(kind = 'OVERPAYMENT') = (payment_id IS NOT NULL)", name=op.f("ck_ledger_entries_payment")),
        sa.CheckConstraint(
            "kind IN ('OVERPAYMENT', 'INVOICE_CREDIT', 'APPLIED', 'GIVEN_BACK')", name=op.f("ck_ledger_entries_kind")
        ),
        sa.CheckConstraint("amount_cents <> 0", name=op.f("ck_ledger_entries_not_zero")),
        sa.CheckConstraint(
            "amount_cents BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("ck_ledger_entries_amount_cents")
        ),
        sa.CheckConstraint(
            "balance_after_cents BETWEEN 0 AND 9007199254740991", name=op.f("ck_ledger_entries_balance_after_cents")
        ),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_ledger_entries_sequence")),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["customers.id", "customers.currency"],
            name="fk_ledger_entries_customer_currency",
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id", "customer_id"],
            ["invoices.id", "invoices.customer_id"],
            name=op.f("fk_ledger_entries_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id", "customer_id"],
            ["payments.id", "payments.customer_id"],
            name=op.f("fk_ledger_entries_payment_id"),
        ),
        sa.PrimaryKeyConstraint("id", "customer_id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("customer_id", "sequence", name="uq_ledger_entries_sequence"),
    )
    op.create_index(
        "ix_ledger_entries_customer_id", "ledger_entries", ["customer_id", "created_at", "id"], unique=False
    )
    op.add_column("customers", sa.Column("balance_cents", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("customers", sa.Column("last_ledger_number", sa.Integer(), server_default="0", nullable=False))
    op.add_column("customers", sa.Column("net_days", sa.Integer(), nullable=True))
    op.add_column("customers", sa.Column("test_clock_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_customers_test_clock_id",
        "customers",
        ["test_clock_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NOT NULL"),
    )
    op.create_foreign_key(op.f("fk_customers_test_clock_id"), "customers", "test_clocks", ["test_clock_id"], ["id"])
    op.add_column("invoice_lines", sa.Column("reverses_line_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_invoice_lines_reverses_line_id",
        "invoice_lines",
        ["reverses_line_id"],
        unique=False,
        postgresql_where=sa.text("reverses_line_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_invoice_lines_reverses_line_id"),
        "invoice_lines",
        "invoice_lines",
        ["reverses_line_id", "customer_id"],
        ["id", "customer_id"],
    )
    op.add_column("invoices", sa.Column("net_days", sa.Integer(), nullable=True))
    op.add_column("invoices", sa.Column("replaces_id", sa.Uuid(), nullable=True))
    op.add_column("invoices", sa.Column("test_clock_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_invoices_unpaid",
        "invoices",
        ["customer_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('OPEN', 'UNCOLLECTIBLE')"),
    )
    op.create_index(
        "ix_invoices_test_clock_id",
        "invoices",
        ["test_clock_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NOT NULL"),
    )
    op.create_index(
        "ix_invoices_overdue",
        "invoices",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'OPEN' AND test_clock_id IS NULL"),
    )
    op.create_index(
        "uq_invoices_replaces_id",
        "invoices",
        ["replaces_id", "customer_id"],
        unique=True,
        postgresql_where=sa.text("replaces_id IS NOT NULL"),
    )
    # Redundant: the foreign key of customer and currency includes it.
    op.drop_constraint(op.f("fk_invoices_customer_id"), "invoices", type_="foreignkey")
    op.execute("ALTER TABLE customers SET (fillfactor = 85)")
    op.create_foreign_key(
        op.f("fk_invoices_replaces_id"), "invoices", "invoices", ["replaces_id", "customer_id"], ["id", "customer_id"]
    )
    op.create_foreign_key(op.f("fk_invoices_test_clock_id"), "invoices", "test_clocks", ["test_clock_id"], ["id"])
    op.add_column("plans", sa.Column("trial_days", sa.Integer(), server_default="0", nullable=False))
    op.add_column("plans", sa.Column("net_days", sa.Integer(), nullable=True))
    op.add_column("subscriptions", sa.Column("trial_start", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("trial_end", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("terms_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("pending_plan_id", sa.Uuid(), nullable=True))
    op.add_column("subscriptions", sa.Column("pending_quantity", sa.Integer(), nullable=True))
    op.add_column("subscriptions", sa.Column("pending_since", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("test_clock_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_subscriptions_test_clock_id",
        "subscriptions",
        ["test_clock_id", "next_billing_at"],
        unique=False,
        postgresql_where=sa.text("test_clock_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_subscriptions_test_clock_id"), "subscriptions", "test_clocks", ["test_clock_id"], ["id"]
    )
    op.create_foreign_key(
        op.f("fk_subscriptions_pending_plan_id"), "subscriptions", "plans", ["pending_plan_id"], ["id"]
    )
    op.drop_index("ix_subscriptions_due", table_name="subscriptions")
    op.create_index(
        "ix_subscriptions_due",
        "subscriptions",
        ["next_billing_at"],
        unique=False,
        postgresql_where=sa.text("next_billing_at IS NOT NULL AND test_clock_id IS NULL"),
    )
    op.execute("UPDATE subscriptions SET terms_at = current_period_start")
    for table, name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.drop_constraint(op.f("ck_invoices_paid"), "invoices")
    op.create_check_constraint(
        op.f("ck_invoices_paid"), "invoices", "status NOT IN ('PAID', 'VOID') OR amount_due_cents = 0"
    )
    for statement in WHAT_WAS_BEFORE:
        op.execute(statement)


def downgrade() -> None:
    for what, found in () if op.get_context().as_sql else CANNOT_BE_SAID:
        if op.get_bind().scalar(sa.text(f"SELECT EXISTS ({found})")):
            raise RuntimeError(
                f"This database has {what}, which revision 0001 cannot represent. It stays at revision 0002."
            )
    op.drop_constraint(op.f("ck_invoices_paid"), "invoices")
    op.create_check_constraint(op.f("ck_invoices_paid"), "invoices", "status <> 'PAID' OR amount_due_cents = 0")
    for table, name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.drop_index("ix_subscriptions_due", table_name="subscriptions")
    op.create_index(
        "ix_subscriptions_due",
        "subscriptions",
        ["next_billing_at"],
        unique=False,
        postgresql_where=sa.text("next_billing_at IS NOT NULL"),
    )
    op.drop_constraint(op.f("fk_subscriptions_pending_plan_id"), "subscriptions", type_="foreignkey")
    op.drop_constraint(op.f("fk_subscriptions_test_clock_id"), "subscriptions", type_="foreignkey")
    op.drop_index(
        "ix_subscriptions_test_clock_id",
        table_name="subscriptions",
        postgresql_where=sa.text("test_clock_id IS NOT NULL"),
    )
    op.drop_column("subscriptions", "test_clock_id")
    op.drop_column("subscriptions", "pending_since")
    op.drop_column("subscriptions", "pending_quantity")
    op.drop_column("subscriptions", "pending_plan_id")
    op.drop_column("subscriptions", "terms_at")
    op.drop_column("subscriptions", "trial_end")
    op.drop_column("subscriptions", "trial_start")
    op.drop_column("plans", "net_days")
    op.drop_column("plans", "trial_days")
    op.drop_constraint(op.f("fk_invoices_test_clock_id"), "invoices", type_="foreignkey")
    op.drop_constraint(op.f("fk_invoices_replaces_id"), "invoices", type_="foreignkey")
    op.execute("ALTER TABLE customers RESET (fillfactor)")
    op.create_foreign_key(op.f("fk_invoices_customer_id"), "invoices", "customers", ["customer_id"], ["id"])
    op.drop_index("uq_invoices_replaces_id", table_name="invoices", postgresql_where=sa.text("replaces_id IS NOT NULL"))
    op.drop_index(
        "ix_invoices_test_clock_id",
        table_name="invoices",
        postgresql_where=sa.text("test_clock_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_invoices_overdue",
        table_name="invoices",
        postgresql_where=sa.text("status = 'OPEN' AND test_clock_id IS NULL"),
    )
    op.drop_index(
        "ix_invoices_unpaid", table_name="invoices", postgresql_where=sa.text("status IN ('OPEN', 'UNCOLLECTIBLE')")
    )
    op.drop_column("invoices", "test_clock_id")
    op.drop_column("invoices", "replaces_id")
    op.drop_column("invoices", "net_days")
    op.drop_constraint(op.f("fk_invoice_lines_reverses_line_id"), "invoice_lines", type_="foreignkey")
    op.drop_index(
        "ix_invoice_lines_reverses_line_id",
        table_name="invoice_lines",
        postgresql_where=sa.text("reverses_line_id IS NOT NULL"),
    )
    op.drop_column("invoice_lines", "reverses_line_id")
    op.drop_constraint(op.f("fk_customers_test_clock_id"), "customers", type_="foreignkey")
    op.drop_index(
        "ix_customers_test_clock_id", table_name="customers", postgresql_where=sa.text("test_clock_id IS NOT NULL")
    )
    op.drop_column("customers", "test_clock_id")
    op.drop_column("customers", "net_days")
    op.drop_column("customers", "last_ledger_number")
    op.drop_column("customers", "balance_cents")
    op.drop_index("ix_ledger_entries_customer_id", table_name="ledger_entries")
    op.drop_table("ledger_entries")
    op.drop_index(
        "ix_allocations_source_invoice_id",
        table_name="allocations",
        postgresql_where=sa.text("source_invoice_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_allocations_payment_id", table_name="allocations", postgresql_where=sa.text("payment_id IS NOT NULL")
    )
    op.drop_index("ix_allocations_invoice_id", table_name="allocations")
    op.drop_table("allocations")
    op.drop_index("ix_pending_lines_subscription_id", table_name="pending_lines")
    op.drop_index(
        "ix_pending_lines_reverses_line_id",
        table_name="pending_lines",
        postgresql_where=sa.text("reverses_line_id IS NOT NULL"),
    )
    op.drop_table("pending_lines")
    op.drop_table("billing_holds")
    op.drop_index("ix_payments_customer_id", table_name="payments")
    op.drop_table("payments")
    op.drop_index("ix_test_clocks_created_at", table_name="test_clocks")
    op.drop_index(
        "ix_test_clocks_advancing", table_name="test_clocks", postgresql_where=sa.text("status = 'ADVANCING'")
    )
    op.drop_table("test_clocks")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_events_customer_id", table_name="events")
    op.drop_table("events")
    op.drop_index("ix_billing_runs_created_at", table_name="billing_runs")
    op.drop_table("billing_runs")
