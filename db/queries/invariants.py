"""What must hold of all rows, each rule as one statement over all that it is about.

A statement gives a row for each row that it looked at. In its column `wrong` stands what is wrong with that one, as a
short text, and null where nothing is. Conditions that null could get past say `IS DISTINCT FROM`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Boolean, Subquery, Text, Uuid, bindparam, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule, the kind of rows that it is about (a plural), and the statement that finds what breaks it.

    With a `remark`, the statement has a boolean column `remarked` as well: how many rows it is true of is worth saying.
    """

    code: str
    name: str
    unit: str
    sql: str
    remark: str | None = None

    def looked_at(self) -> Subquery:
        """The statement, as something to select from."""
        columns = {"wrong": Text()} | ({"remarked": Boolean()} if self.remark else {})
        return text(self.sql).columns(**columns).subquery("looked_at")


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
    "the periods of a subscription are those it says it had",
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
    "each period has an invoice, and one at most not void",
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
    remark="with void ones alone",
)

NEXT_BILLING = Invariant(
    "I3",
    "a live subscription is billed next when its period ends",
    "subscriptions",
    """
    SELECT CASE
        WHEN status = 'CANCELED' AND next_billing_at IS NOT NULL THEN
            format('subscription %s: is CANCELED and billed next at %s', id, next_billing_at)
        WHEN status <> 'CANCELED' AND next_billing_at IS NULL THEN
            format('subscription %s: is %s and never billed again', id, status)
        WHEN status NOT IN ('PENDING', 'CANCELED') AND next_billing_at IS DISTINCT FROM current_period_end THEN
            format('subscription %s: is billed next at %s, its period ends at %s', id, next_billing_at,
                   current_period_end)
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

TEST_CLOCKS = Invariant(
    "I3",
    "what a customer owns is in the customer's time",
    "rows",
    """
    SELECT CASE
        WHEN owned.test_clock_id IS DISTINCT FROM c.test_clock_id THEN
            format('%s %s: has another test clock than its customer', kind, owned.id)
    END AS wrong
    FROM (
        SELECT 'subscription' AS kind, id, customer_id, test_clock_id FROM subscriptions
        UNION ALL
        SELECT 'invoice', id, customer_id, test_clock_id FROM invoices
    ) AS owned
    LEFT JOIN customers AS c ON c.id = owned.customer_id
    """,
)

TOTALS = Invariant(
    "I4",
    "lines and tax add up to the total",
    "invoices",
    """
    SELECT CASE
        WHEN coalesce(lines.cents, 0) <> i.subtotal_cents THEN
            format('invoice %s: lines of %s and a subtotal of %s', i.id, coalesce(lines.cents, 0), i.subtotal_cents)
        WHEN i.subtotal_cents + i.tax_cents <> i.amount_cents THEN
            format('invoice %s: a subtotal of %s, tax of %s and a total of %s', i.id, i.subtotal_cents, i.tax_cents,
                   i.amount_cents)
    END AS wrong
    FROM invoices AS i
    LEFT JOIN (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents FROM invoice_lines GROUP BY invoice_id, customer_id
    ) AS lines ON lines.invoice_id = i.id AND lines.customer_id = i.customer_id
    """,
)

AMOUNTS_DUE = Invariant(
    "I4",
    "what is due is the total without the allocations",
    "invoices",
    """
    SELECT CASE
        WHEN status = 'VOID' AND allocated > 0 THEN
            format('invoice %s: is VOID, and allocations of %s are not released', id, allocated)
        WHEN status = 'VOID' AND due <> 0 THEN format('invoice %s: is VOID, and %s is due', id, due)
        WHEN allocated > total THEN format('invoice %s: allocations of %s to a total of %s', id, allocated, total)
        WHEN status <> 'VOID' AND due <> total - allocated THEN
            format('invoice %s: %s is due of a total of %s with allocations of %s', id, due, total, allocated)
    END AS wrong
    FROM (
        SELECT i.id, i.status, i.amount_due_cents AS due, greatest(0, i.amount_cents) AS total,
               coalesce(live.cents, 0) AS allocated
        FROM invoices AS i
        LEFT JOIN (
            SELECT invoice_id, customer_id, sum(amount_cents) AS cents
            FROM allocations
            WHERE released_at IS NULL
            GROUP BY invoice_id, customer_id
        ) AS live ON live.invoice_id = i.id AND live.customer_id = i.customer_id
    ) AS invoices
    """,
)

PAID = Invariant(
    "I4",
    "an invoice is PAID when nothing is due, and only then",
    "invoices",
    """
    SELECT CASE
        WHEN (status = 'PAID') <> (amount_due_cents = 0) THEN
            format('invoice %s: is %s, and %s is due', id, status, amount_due_cents)
    END AS wrong
    FROM invoices
    WHERE status NOT IN ('DRAFT', 'VOID')
    """,
)

PAYMENTS = Invariant(
    "I4",
    "a payment is its allocations and what was overpaid",
    "payments",
    """
    SELECT CASE
        WHEN p.amount_cents <> coalesce(shares.cents, 0) + p.overpayment_cents THEN
            format('payment %s: %s, with allocations of %s and %s overpaid', p.id, p.amount_cents,
                   coalesce(shares.cents, 0), p.overpayment_cents)
    END AS wrong
    FROM payments AS p
    LEFT JOIN (
        SELECT payment_id, customer_id, sum(amount_cents) AS cents
        FROM allocations
        WHERE kind = 'PAYMENT'
        GROUP BY payment_id, customer_id
    ) AS shares ON shares.payment_id = p.id AND shares.customer_id = p.customer_id
    """,
)

OVERPAYMENTS = Invariant(
    "I4",
    "what was overpaid is in the ledger",
    "payments",
    """
    SELECT CASE
        WHEN p.overpayment_cents <> coalesce(entered.cents, 0) THEN
            format('payment %s: %s overpaid, ledger entries of %s', p.id, p.overpayment_cents,
                   coalesce(entered.cents, 0))
    END AS wrong
    FROM payments AS p
    LEFT JOIN (
        SELECT payment_id, customer_id, sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE kind = 'OVERPAYMENT'
        GROUP BY payment_id, customer_id
    ) AS entered ON entered.payment_id = p.id AND entered.customer_id = p.customer_id
    """,
)

CREDITS = Invariant(
    "I4",
    "a total below 0 went to other invoices or the ledger",
    "invoices",
    """
    SELECT CASE
        WHEN coalesce(allocated.cents, 0) + coalesce(entered.cents, 0) <> greatest(0, -i.amount_cents) THEN
            format('invoice %s: allocations of %s and ledger entries of %s from a total of %s', i.id,
                   coalesce(allocated.cents, 0), coalesce(entered.cents, 0), i.amount_cents)
    END AS wrong
    FROM invoices AS i
    LEFT JOIN (
        SELECT source_invoice_id, customer_id, sum(amount_cents) AS cents
        FROM allocations
        WHERE kind = 'CREDIT'
        GROUP BY source_invoice_id, customer_id
    ) AS allocated ON allocated.source_invoice_id = i.id AND allocated.customer_id = i.customer_id
    LEFT JOIN (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE kind = 'INVOICE_CREDIT'
        GROUP BY invoice_id, customer_id
    ) AS entered ON entered.invoice_id = i.id AND entered.customer_id = i.customer_id
    WHERE i.amount_cents < 0 OR allocated.cents IS NOT NULL OR entered.cents IS NOT NULL
    """,
)

BALANCE_APPLIED = Invariant(
    "I4",
    "what an invoice took of the balance left the ledger",
    "invoices",
    """
    SELECT CASE
        WHEN coalesce(allocated.cents, 0) <> coalesce(entered.cents, 0) THEN
            format('invoice %s: took %s of the balance, ledger entries of %s', invoice_id,
                   coalesce(allocated.cents, 0), -coalesce(entered.cents, 0))
    END AS wrong
    FROM (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents
        FROM allocations
        WHERE kind = 'BALANCE'
        GROUP BY invoice_id, customer_id
    ) AS allocated
    FULL JOIN (
        SELECT invoice_id, customer_id, -sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE kind = 'APPLIED'
        GROUP BY invoice_id, customer_id
    ) AS entered USING (invoice_id, customer_id)
    """,
)

GIVEN_BACK = Invariant(
    "I4",
    "what a void invoice took went back to the ledger",
    "invoices",
    """
    SELECT CASE
        WHEN i.status IS DISTINCT FROM 'VOID' THEN
            format('invoice %s: is %s, and %s was given back', invoice_id, i.status,
                   coalesce(released.cents, entered.cents))
        WHEN coalesce(released.cents, 0) <> coalesce(entered.cents, 0) THEN
            format('invoice %s: released allocations of %s, ledger entries of %s', invoice_id,
                   coalesce(released.cents, 0), coalesce(entered.cents, 0))
    END AS wrong
    FROM (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents
        FROM allocations
        WHERE released_at IS NOT NULL
        GROUP BY invoice_id, customer_id
    ) AS released
    FULL JOIN (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE kind = 'GIVEN_BACK'
        GROUP BY invoice_id, customer_id
    ) AS entered USING (invoice_id, customer_id)
    LEFT JOIN invoices AS i ON i.id = invoice_id AND i.customer_id = coalesce(released.customer_id, entered.customer_id)
    """,
)

LEDGER = Invariant(
    "I4",
    "ledger entries are numbered 1 to n and add up",
    "ledger entries",
    """
    SELECT CASE
        WHEN sequence <> previous + 1 THEN
            format('customer %s: ledger entry %s follows entry %s', customer_id, sequence, previous)
        WHEN balance_after_cents <> balance THEN
            format('customer %s: a balance of %s after ledger entry %s instead of %s', customer_id, balance_after_cents,
                   sequence, balance)
        WHEN balance < 0 THEN
            format('customer %s: a balance of %s after ledger entry %s', customer_id, balance, sequence)
    END AS wrong
    FROM (
        SELECT customer_id, sequence, balance_after_cents, lag(sequence, 1, 0) OVER ledger AS previous,
               sum(amount_cents) OVER ledger AS balance
        FROM ledger_entries
        WINDOW ledger AS (PARTITION BY customer_id ORDER BY sequence, id ROWS UNBOUNDED PRECEDING)
    ) AS entries
    """,
)

BALANCES = Invariant(
    "I4",
    "a customer's balance is the sum of the ledger",
    "customers",
    """
    SELECT CASE
        WHEN c.balance_cents <> coalesce(ledger.cents, 0) THEN
            format('customer %s: a balance of %s, ledger entries of %s', c.id, c.balance_cents,
                   coalesce(ledger.cents, 0))
        WHEN c.last_ledger_number <> coalesce(ledger.last, 0) THEN
            format('customer %s: counts %s ledger entries, the last is %s', c.id, c.last_ledger_number,
                   coalesce(ledger.last, 0))
    END AS wrong
    FROM customers AS c
    LEFT JOIN (
        SELECT customer_id, sum(amount_cents) AS cents, max(sequence) AS last FROM ledger_entries GROUP BY customer_id
    ) AS ledger ON ledger.customer_id = c.id
    """,
)

REVERSALS = Invariant(
    "I4",
    "no line is given back beyond what was billed on it",
    "reversed lines",
    """
    SELECT CASE
        WHEN billed.id IS NULL THEN format('line %s: is given back and not there', given_back.id)
        WHEN billed.is_void AND given_back.standing > 0 THEN
            format('line %s: is on a void invoice and given back', given_back.id)
        WHEN given_back.cents NOT BETWEEN 0 AND billed.amount_cents THEN
            format('line %s: %s given back of %s', given_back.id, given_back.cents, billed.amount_cents)
    END AS wrong
    FROM (
        SELECT id, customer_id, count(*) FILTER (WHERE NOT is_void) AS standing,
               -sum(amount_cents) FILTER (WHERE NOT is_void) AS cents
        FROM (
            SELECT l.reverses_line_id AS id, l.customer_id, l.amount_cents, i.status = 'VOID' AS is_void
            FROM invoice_lines AS l
            JOIN invoices AS i ON i.id = l.invoice_id AND i.customer_id = l.customer_id
            WHERE l.reverses_line_id IS NOT NULL
            UNION ALL
            SELECT reverses_line_id, customer_id, amount_cents, FALSE
            FROM pending_lines
            WHERE reverses_line_id IS NOT NULL
        ) AS reversing
        GROUP BY id, customer_id
    ) AS given_back
    LEFT JOIN (
        SELECT l.id, l.customer_id, l.amount_cents, i.status = 'VOID' AS is_void
        FROM invoice_lines AS l
        JOIN invoices AS i ON i.id = l.invoice_id AND i.customer_id = l.customer_id
        UNION ALL
        SELECT id, customer_id, amount_cents, FALSE FROM pending_lines
    ) AS billed ON billed.id = given_back.id AND billed.customer_id = given_back.customer_id
    """,
)

CURRENCIES = Invariant(
    "I4",
    "all money of a customer has the customer's currency",
    "rows",
    """
    SELECT CASE
        WHEN money.currency IS DISTINCT FROM c.currency THEN
            format('%s %s: is in %s, its customer in %s', kind, money.id, money.currency, c.currency)
    END AS wrong
    FROM (
        SELECT 'invoice' AS kind, id, customer_id, currency FROM invoices
        UNION ALL
        SELECT 'payment', id, customer_id, currency FROM payments
        UNION ALL
        SELECT 'ledger entry', id, customer_id, currency FROM ledger_entries
    ) AS money
    LEFT JOIN customers AS c ON c.id = money.customer_id
    """,
)

VERSIONS = Invariant(
    "I5",
    "events of an object are its versions 1 to n",
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

EVENTS = Invariant(
    "I5",
    "each object is as its last event left it",
    "objects",
    """
    SELECT CASE
        WHEN told.object_id IS NULL THEN format('%s %s: has no event', replace(lower(object_type), '_', ' '), object_id)
        WHEN told.type = 'INVOICE_DELETED' AND stored.object_id IS NOT NULL THEN
            format('%s %s: was deleted and is there', replace(lower(object_type), '_', ' '), object_id)
        WHEN told.type <> 'INVOICE_DELETED' AND stored.object_id IS NULL THEN
            format('%s %s: has events and is not there', replace(lower(object_type), '_', ' '), object_id)
        WHEN stored.version <> told.version THEN
            format('%s %s: is at version %s, its last event at %s', replace(lower(object_type), '_', ' '), object_id,
                   stored.version, told.version)
    END AS wrong
    FROM (
        SELECT 'CUSTOMER' AS object_type, id AS object_id, version FROM customers
        UNION ALL
        SELECT 'PLAN', id, version FROM plans
        UNION ALL
        SELECT 'SUBSCRIPTION', id, version FROM subscriptions
        UNION ALL
        SELECT 'INVOICE', id, version FROM invoices
        UNION ALL
        SELECT 'PAYMENT', id, 1 FROM payments
        UNION ALL
        SELECT 'TEST_CLOCK', id, version FROM test_clocks
    ) AS stored
    FULL JOIN (
        SELECT DISTINCT ON (object_id) object_type, object_id, version, type
        FROM events
        ORDER BY object_id, version DESC
    ) AS told USING (object_type, object_id)
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
        WHEN is_second THEN format('key %s of %s: is there twice', left(key, 40), left(api_key, 40))
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
    "a customer counts as many invoices as are numbered",
    "customers",
    """
    SELECT CASE
        WHEN c.last_invoice_number <> coalesce(numbered.last, 0) THEN
            format('customer %s: counts %s invoices, the last is %s', c.id, c.last_invoice_number,
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
    "a number is the customer's prefix and the place",
    "invoices",
    """
    SELECT CASE
        WHEN (i.status = 'DRAFT') <> (i.sequence IS NULL) OR (i.sequence IS NULL) <> (i.number IS NULL) THEN
            format('invoice %s: is %s and has the number %s', i.id, i.status, coalesce(i.number, 'null'))
        WHEN i.number IS DISTINCT FROM
            c.invoice_prefix || '-' || lpad(i.sequence::text, greatest(4, length(i.sequence::text)), '0') THEN
            format('invoice %s: has the number %s, with the prefix %s and the place %s', i.id, i.number,
                   c.invoice_prefix, i.sequence)
    END AS wrong
    FROM invoices AS i
    LEFT JOIN customers AS c ON c.id = i.customer_id
    """,
)

INVARIANTS = (
    ONE_LIVE_SUBSCRIPTION,
    PERIODS_TILE,
    PERIODS_OF_SUBSCRIPTION,
    PERIODS_INVOICED,
    NEXT_BILLING,
    TERMS,
    TEST_CLOCKS,
    TOTALS,
    AMOUNTS_DUE,
    PAID,
    PAYMENTS,
    OVERPAYMENTS,
    CREDITS,
    BALANCE_APPLIED,
    GIVEN_BACK,
    LEDGER,
    BALANCES,
    REVERSALS,
    CURRENCIES,
    VERSIONS,
    EVENTS,
    IDEMPOTENCY,
    SEQUENCES,
    LAST_NUMBERS,
    NUMBERS,
)

ACKNOWLEDGED = Invariant(
    "I1",
    "what was acknowledged is there",
    "acknowledged ids",
    """
    SELECT CASE
        WHEN NOT CASE type
            WHEN 'Customer' THEN EXISTS (SELECT FROM customers AS c WHERE c.id = said.id)
            WHEN 'Plan' THEN EXISTS (SELECT FROM plans AS p WHERE p.id = said.id)
            WHEN 'Subscription' THEN EXISTS (SELECT FROM subscriptions AS s WHERE s.id = said.id)
            WHEN 'Invoice' THEN
                EXISTS (SELECT FROM invoices AS i WHERE i.id = said.id)
                OR EXISTS (SELECT FROM events AS e WHERE e.object_id = said.id AND e.type = 'INVOICE_DELETED')
            WHEN 'Payment' THEN EXISTS (SELECT FROM payments AS p WHERE p.id = said.id)
            WHEN 'TestClock' THEN EXISTS (SELECT FROM test_clocks AS t WHERE t.id = said.id)
            ELSE FALSE
        END THEN format('%s %s: is not there', type, id)
    END AS wrong
    FROM unnest(CAST(:types AS text[]), CAST(:ids AS uuid[])) AS said (type, id)
    """,
)
ACKNOWLEDGED_TYPES = ("Customer", "Plan", "Subscription", "Invoice", "Payment", "TestClock")


async def count_wrong(session: AsyncSession | AsyncConnection, invariant: Invariant) -> tuple[int, int, int]:
    """How many rows the invariant is about, how many break it, and of how many its remark is true."""
    looked_at = invariant.looked_at()
    remarked = func.count().filter(looked_at.c.remarked) if invariant.remark else literal(0)
    statement = select(func.count(), func.count(looked_at.c.wrong), remarked).select_from(looked_at)
    rows, violations, remarks = (await session.execute(statement)).one()
    return rows, violations, remarks


async def what_is_wrong(session: AsyncSession | AsyncConnection, invariant: Invariant, most: int) -> Sequence[str]:
    """What is wrong with the first `most` rows that break the invariant, in the order of the texts."""
    wrong = invariant.looked_at().c.wrong
    return (await session.execute(select(wrong).where(wrong.is_not(None)).order_by(wrong).limit(most))).scalars().all()


async def missing(
    session: AsyncSession | AsyncConnection, types: Sequence[str], ids: Sequence[UUID], most: int
) -> tuple[int, Sequence[str]]:
    """How many of the objects, each of the type in the same place, are not there; and the first `most` of them."""
    said = (
        text(ACKNOWLEDGED.sql)
        .bindparams(bindparam("types", types, ARRAY(Text())), bindparam("ids", ids, ARRAY(Uuid())))
        .columns(wrong=Text())
        .subquery("said")
    )
    count = func.count().over()
    statement = select(count, said.c.wrong).where(said.c.wrong.is_not(None)).order_by(said.c.wrong).limit(most)
    found = (await session.execute(statement)).all()
    return (found[0][0] if found else 0), [wrong for _, wrong in found]
