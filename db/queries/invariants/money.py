"""Invariants of invoices, payments and balances."""

from db.queries.invariants.rule import Invariant, net_cents, tax_cents

TOTALS = Invariant(
    "I4",
    "lines, discounts, taxes and rounding add up to the total",
    "invoices",
    f"""
    SELECT CASE
        WHEN coalesce(lines.net, 0) <> i.subtotal_cents THEN
            format('invoice %s: lines of %s and a subtotal of %s', i.id, coalesce(lines.net, 0), i.subtotal_cents)
        WHEN coalesce(lines.discount, 0) <> i.discount_cents THEN
            format('invoice %s: discounts of %s on lines and of %s in total', i.id, coalesce(lines.discount, 0),
                   i.discount_cents)
        WHEN coalesce(applied.cents, 0) <> i.discount_cents THEN
            format('invoice %s: discounts of %s by coupon and of %s in total', i.id, coalesce(applied.cents, 0),
                   i.discount_cents)
        WHEN coalesce(lines.tax, 0) <> i.tax_cents THEN
            format('invoice %s: taxes of %s on lines and of %s in total', i.id, coalesce(lines.tax, 0), i.tax_cents)
        WHEN i.subtotal_cents + i.tax_cents + i.rounding_cents <> i.amount_cents THEN
            format('invoice %s: a subtotal of %s, tax of %s, rounding of %s and a total of %s', i.id, i.subtotal_cents,
                   i.tax_cents, i.rounding_cents, i.amount_cents)
    END AS wrong
    FROM invoices AS i
    LEFT JOIN (
        SELECT l.invoice_id, l.customer_id, sum({net_cents("l")}) AS net, sum(l.discount_cents) AS discount,
               sum({tax_cents("l")}) AS tax
        FROM invoice_lines AS l
        GROUP BY l.invoice_id, l.customer_id
    ) AS lines ON lines.invoice_id = i.id AND lines.customer_id = i.customer_id
    LEFT JOIN LATERAL (
        SELECT sum((each ->> 'amount_cents')::bigint) AS cents FROM jsonb_array_elements(i.discounts) AS each
    ) AS applied ON i.discounts IS NOT NULL
    """,
)

AMOUNTS_DUE = Invariant(
    "I4",
    "the amount due is the total minus the allocations",
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
    "a payment less its reversals is the sum of its allocations and overpayment",
    "payments",
    """
    SELECT CASE
        WHEN p.amount_cents - p.reversed_cents <>
            coalesce(shares.cents, 0) + p.overpayment_cents - coalesce(taken.cents, 0) THEN
            format('payment %s: %s less %s reversed, with allocations of %s and %s overpaid less %s', p.id,
                   p.amount_cents, p.reversed_cents, coalesce(shares.cents, 0), p.overpayment_cents,
                   coalesce(taken.cents, 0))
    END AS wrong
    FROM payments AS p
    LEFT JOIN (
        SELECT payment_id, customer_id, sum(amount_cents) AS cents
        FROM allocations
        WHERE kind = 'PAYMENT' AND released_at IS NULL
        GROUP BY payment_id, customer_id
    ) AS shares ON shares.payment_id = p.id AND shares.customer_id = p.customer_id
    LEFT JOIN (
        SELECT payment_id, customer_id, -sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE kind = 'REVERSAL'
        GROUP BY payment_id, customer_id
    ) AS taken ON taken.payment_id = p.id AND taken.customer_id = p.customer_id
    """,
)

OVERPAYMENTS = Invariant(
    "I4",
    "each overpayment is in the ledger",
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
    "a negative total paid other invoices or is in the ledger",
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
    WHERE (i.amount_cents < 0 AND i.status <> 'DRAFT') OR allocated.cents IS NOT NULL OR entered.cents IS NOT NULL
    """,
)

BALANCE_APPLIED = Invariant(
    "I4",
    "balance applied to an invoice is in the ledger",
    "invoices",
    """
    SELECT CASE
        WHEN coalesce(allocated.cents, 0) <> coalesce(entered.cents, 0) THEN
            format('invoice %s: %s of the balance applied, ledger entries of %s', invoice_id,
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

RELEASED = Invariant(
    "I4",
    "released balance and credits are back in the ledger",
    "invoices",
    """
    SELECT CASE
        WHEN i.id IS NULL THEN format('invoice %s: does not exist', invoice_id)
        WHEN released.has_credits AND i.status <> 'VOID' THEN
            format('invoice %s: is %s, but a credit was released', invoice_id, i.status)
        WHEN coalesce(released.cents, 0) <> coalesce(entered.cents, 0) THEN
            format('invoice %s: released allocations of %s, ledger entries of %s', invoice_id,
                   coalesce(released.cents, 0), coalesce(entered.cents, 0))
    END AS wrong
    FROM (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents, bool_or(kind = 'CREDIT') AS has_credits
        FROM allocations
        WHERE kind IN ('BALANCE', 'CREDIT') AND released_at IS NOT NULL
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
            format('customer %s: last_ledger_number is %s, but the last entry is %s', c.id, c.last_ledger_number,
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
    "no line is credited for more than it billed",
    "reversed lines",
    """
    SELECT CASE
        WHEN billed.id IS NULL THEN format('line %s: is credited but does not exist', given_back.id)
        WHEN billed.is_void AND given_back.standing > 0 THEN
            format('line %s: is credited but on a void invoice', given_back.id)
        WHEN given_back.cents NOT BETWEEN 0 AND billed.amount_cents THEN
            format('line %s: %s credited of %s billed', given_back.id, given_back.cents, billed.amount_cents)
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

CURRENCY_INVARIANT = Invariant(
    "I4",
    "all amounts of a customer are in the customer's currency",
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
        SELECT 'credit note', id, customer_id, currency FROM credit_notes
        UNION ALL
        SELECT 'ledger entry', id, customer_id, currency FROM ledger_entries
    ) AS money
    LEFT JOIN customers AS c ON c.id = money.customer_id
    """,
)
