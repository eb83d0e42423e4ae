"""Invariants of credit notes, reversals and refunds."""

from db.queries.invariants.rule import Invariant, net_cents, tax_cents

CREDIT_NOTES = Invariant(
    "I4",
    "the lines of a credit note add up to its total",
    "credit notes",
    f"""
    SELECT CASE
        WHEN coalesce(lines.cents, 0) + n.rounding_cents <> n.amount_cents THEN
            format('credit note %s: lines of %s and a total of %s', n.id, coalesce(lines.cents, 0), n.amount_cents)
        WHEN coalesce(lines.tax, 0) <> n.tax_cents THEN
            format('credit note %s: taxes of %s on lines and of %s in total', n.id, coalesce(lines.tax, 0), n.tax_cents)
        WHEN n.status <> 'VOID' AND i.status IN ('DRAFT', 'VOID') THEN
            format('credit note %s: is on an invoice that is %s', n.id, i.status)
    END AS wrong
    FROM credit_notes AS n
    LEFT JOIN invoices AS i ON i.id = n.invoice_id AND i.customer_id = n.customer_id
    LEFT JOIN (
        SELECT l.credit_note_id, l.customer_id, sum({net_cents("l")} + {tax_cents("l")}) AS cents,
               sum({tax_cents("l")}) AS tax
        FROM credit_note_lines AS l
        GROUP BY l.credit_note_id, l.customer_id
    ) AS lines ON lines.credit_note_id = n.id AND lines.customer_id = n.customer_id
    """,
)

CREDIT_NOTES_OF_INVOICES = Invariant(
    "I4",
    "the credit notes of an invoice do not exceed its total",
    "invoices",
    """
    SELECT CASE
        WHEN noted.cents > greatest(0, i.amount_cents) THEN
            format('invoice %s: credit notes of %s to a total of %s', i.id, noted.cents, i.amount_cents)
    END AS wrong
    FROM (
        SELECT invoice_id, customer_id, sum(amount_cents) AS cents
        FROM credit_notes
        WHERE status <> 'VOID'
        GROUP BY invoice_id, customer_id
    ) AS noted
    JOIN invoices AS i ON i.id = noted.invoice_id AND i.customer_id = noted.customer_id
    """,
)

CREDITED_LINES = Invariant(
    "I4",
    "credit notes and proration credits do not exceed a line",
    "credited lines",
    f"""
    SELECT CASE
        WHEN noted.cents + coalesce(prorated.cents, 0) > l.amount_cents - l.discount_cents THEN
            format('line %s: credit notes of %s and proration credits of %s to an amount of %s', l.id, noted.cents,
                   coalesce(prorated.cents, 0), l.amount_cents - l.discount_cents)
        WHEN noted.discount > l.discount_cents THEN
            format('line %s: credit notes with discounts of %s to a discount of %s', l.id, noted.discount,
                   l.discount_cents)
        WHEN noted.tax > {tax_cents("l")} THEN
            format('line %s: credit notes with taxes of %s to taxes of %s', l.id, noted.tax, {tax_cents("l")})
        WHEN noted.is_elsewhere THEN format('line %s: is on another invoice than its credit note', l.id)
    END AS wrong
    FROM (
        SELECT nl.invoice_line_id, nl.customer_id, sum(nl.amount_cents - nl.discount_cents) AS cents,
               sum(nl.discount_cents) AS discount, sum({tax_cents("nl")}) AS tax,
               bool_or(n.invoice_id <> l.invoice_id) AS is_elsewhere
        FROM credit_note_lines AS nl
        JOIN credit_notes AS n ON n.id = nl.credit_note_id AND n.customer_id = nl.customer_id
        JOIN invoice_lines AS l ON l.id = nl.invoice_line_id AND l.customer_id = nl.customer_id
        WHERE n.status <> 'VOID'
        GROUP BY nl.invoice_line_id, nl.customer_id
    ) AS noted
    JOIN invoice_lines AS l ON l.id = noted.invoice_line_id AND l.customer_id = noted.customer_id
    LEFT JOIN (
        SELECT reverses_line_id, customer_id, -sum(amount_cents) AS cents
        FROM (
            SELECT l.reverses_line_id, l.customer_id, l.amount_cents
            FROM invoice_lines AS l
            JOIN invoices AS i ON i.id = l.invoice_id AND i.customer_id = l.customer_id
            WHERE l.reverses_line_id IS NOT NULL AND i.status <> 'VOID'
            UNION ALL
            SELECT reverses_line_id, customer_id, amount_cents FROM pending_lines WHERE reverses_line_id IS NOT NULL
        ) AS credits
        GROUP BY reverses_line_id, customer_id
    ) AS prorated ON prorated.reverses_line_id = l.id AND prorated.customer_id = l.customer_id
    """,
)

CREDIT_NOTES_APPLIED = Invariant(
    "I4",
    "a credit note is applied to its invoice and in the ledger",
    "credit notes",
    """
    SELECT CASE
        WHEN coalesce(allocated.cents, 0) <> CASE n.status WHEN 'VOID' THEN 0 ELSE n.applied_cents END THEN
            format('credit note %s: is %s and applied %s, with allocations of %s', n.id, n.status, n.applied_cents,
                   coalesce(allocated.cents, 0))
        WHEN allocated.is_elsewhere THEN format('credit note %s: is applied to another invoice', n.id)
        WHEN coalesce(entered.cents, 0) <>
            CASE n.status WHEN 'VOID' THEN 0 ELSE n.restored_cents + n.balance_cents END THEN
            format('credit note %s: is %s and added %s to the balance, with ledger entries of %s', n.id, n.status,
                   n.restored_cents + n.balance_cents, coalesce(entered.cents, 0))
    END AS wrong
    FROM credit_notes AS n
    LEFT JOIN (
        SELECT a.credit_note_id, a.customer_id, sum(a.amount_cents) AS cents,
               bool_or(a.invoice_id <> n.invoice_id) AS is_elsewhere
        FROM allocations AS a
        JOIN credit_notes AS n ON n.id = a.credit_note_id AND n.customer_id = a.customer_id
        WHERE a.released_at IS NULL
        GROUP BY a.credit_note_id, a.customer_id
    ) AS allocated ON allocated.credit_note_id = n.id AND allocated.customer_id = n.customer_id
    LEFT JOIN (
        SELECT credit_note_id, customer_id, sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE credit_note_id IS NOT NULL
        GROUP BY credit_note_id, customer_id
    ) AS entered ON entered.credit_note_id = n.id AND entered.customer_id = n.customer_id
    """,
)

REFUNDED_AND_REVERSED_PAYMENTS = Invariant(
    "I4",
    "a payment's refunds and reversals add up",
    "payments",
    """
    SELECT CASE
        WHEN p.reversed_cents <> coalesce(taken.cents, 0) THEN
            format('payment %s: %s reversed, with reversals of %s', p.id, p.reversed_cents, coalesce(taken.cents, 0))
        WHEN p.refunded_cents <> coalesce(sent.cents, 0) THEN
            format('payment %s: %s refunded, with refunds of %s', p.id, p.refunded_cents, coalesce(sent.cents, 0))
        WHEN coalesce(sent.from_balance, 0) <> coalesce(entered.cents, 0) THEN
            format('payment %s: refunds of %s from the balance, ledger entries of %s', p.id,
                   coalesce(sent.from_balance, 0), coalesce(entered.cents, 0))
        WHEN p.refunded_cents + p.reversed_cents > p.amount_cents THEN
            format('payment %s: %s refunded and %s reversed of %s', p.id, p.refunded_cents, p.reversed_cents,
                   p.amount_cents)
    END AS wrong
    FROM payments AS p
    LEFT JOIN (
        SELECT payment_id, customer_id, sum(amount_cents) AS cents FROM reversals GROUP BY payment_id, customer_id
    ) AS taken ON taken.payment_id = p.id AND taken.customer_id = p.customer_id
    LEFT JOIN (
        SELECT payment_id, customer_id, sum(amount_cents) AS cents,
               sum(amount_cents) FILTER (WHERE credit_note_id IS NULL) AS from_balance
        FROM refunds
        GROUP BY payment_id, customer_id
    ) AS sent ON sent.payment_id = p.id AND sent.customer_id = p.customer_id
    LEFT JOIN (
        SELECT payment_id, customer_id, -sum(amount_cents) AS cents
        FROM ledger_entries
        WHERE kind = 'REFUND'
        GROUP BY payment_id, customer_id
    ) AS entered ON entered.payment_id = p.id AND entered.customer_id = p.customer_id
    """,
)

REFUNDED_CREDIT_NOTES = Invariant(
    "I4",
    "a credit note's refunds add up",
    "credit notes",
    """
    SELECT CASE
        WHEN n.refunded_cents <> coalesce(sent.cents, 0) THEN
            format('credit note %s: %s refunded, with refunds of %s', n.id, n.refunded_cents, coalesce(sent.cents, 0))
        WHEN n.refunded_cents > n.refund_cents THEN
            format('credit note %s: %s refunded of %s to refund', n.id, n.refunded_cents, n.refund_cents)
    END AS wrong
    FROM credit_notes AS n
    LEFT JOIN (
        SELECT credit_note_id, customer_id, sum(amount_cents) AS cents
        FROM refunds
        GROUP BY credit_note_id, customer_id
    ) AS sent ON sent.credit_note_id = n.id AND sent.customer_id = n.customer_id
    """,
)

CREDIT_NOTE_NUMBERS = Invariant(
    "I7",
    "a customer's credit notes are numbered 1 to n",
    "credit notes",
    """
    SELECT CASE
        WHEN n.sequence <> n.previous + 1 THEN
            format('customer %s: credit note %s follows credit note %s', n.customer_id, n.sequence, n.previous)
        WHEN n.number IS DISTINCT FROM
            c.invoice_prefix || '-C' || lpad(n.sequence::text, greatest(4, length(n.sequence::text)), '0') THEN
            format('credit note %s: has the number %s, with the prefix %s and the sequence %s', n.id, n.number,
                   c.invoice_prefix, n.sequence)
    END AS wrong
    FROM (
        SELECT id, customer_id, number, sequence,
               lag(sequence, 1, 0) OVER (PARTITION BY customer_id ORDER BY sequence) AS previous
        FROM credit_notes
    ) AS n
    LEFT JOIN customers AS c ON c.id = n.customer_id
    """,
)
