WITH customer AS (
  SELECT *, greatest(date_trunc('second', now()), updated_at) AS at FROM customers
  WHERE id = $1 AND archived_at IS NULL AND balance_cents = 0 AND test_clock_id IS NULL
  FOR NO KEY UPDATE
), terms AS (
  SELECT c.at, c.id AS customer_id, p.id AS plan_id, p.name, p.currency, p.amount_cents,
    c.last_invoice_number + 1 AS sequence, c.currency IS NULL AS is_first, c.version,
    (c.at AT TIME ZONE 'UTC' + make_interval(
      years => CASE p.interval WHEN 'YEAR' THEN p.interval_count ELSE 0 END,
      months => CASE p.interval WHEN 'MONTH' THEN p.interval_count ELSE 0 END,
      weeks => CASE p.interval WHEN 'WEEK' THEN p.interval_count ELSE 0 END,
      days => CASE p.interval WHEN 'DAY' THEN p.interval_count ELSE 0 END)) AT TIME ZONE 'UTC' AS ends_at,
    round(p.amount_cents * 2629746::numeric / (p.interval_count * CASE p.interval
      WHEN 'DAY' THEN 86400 WHEN 'WEEK' THEN 604800 WHEN 'MONTH' THEN 2629746 ELSE 31556952 END))::bigint AS mrr_cents,
    c.at + make_interval(days => coalesce(c.net_days, p.net_days, 14)) AS due_at,
    uuidv7() AS subscription_id, uuidv7() AS invoice_id, uuidv7() AS line_id, c.invoice_prefix,
    jsonb_build_object('name', c.name, 'email', c.email, 'address', c.address, 'tax_id', c.tax_id) AS bill_to
  FROM customer c CROSS JOIN plans p
  WHERE p.id = $2 AND p.archived_at IS NULL AND p.trial_days = 0 AND p.amount_cents > 0
    AND coalesce(c.currency, p.currency) = p.currency
), subscription AS (
  INSERT INTO subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
    current_period_start, current_period_end, next_billing_at, cancel_at_period_end, terms_at, metadata, version,
    created_at, updated_at, mrr_cents, counted_status)
  SELECT subscription_id, customer_id, plan_id, 1, 'ACTIVE', at, 0, at, at, ends_at, ends_at, false, at, '{}', 1, at, at,
    mrr_cents, 'ACTIVE'
  FROM terms RETURNING *
), movement AS (
  INSERT INTO mrr_movements (customer_id, sequence, subscription_id, currency, at, mrr_cents, new_cents, expansion_cents,
    contraction_cents, churned_cents, reactivated_cents, active, trialing, past_due, after_cents, month_start_cents,
    first_at)
  SELECT customer_id, 1, subscription_id, currency, at, mrr_cents, mrr_cents, 0, 0, 0, 0, 1, 0, 0, mrr_cents, 0, at
  FROM terms
), counted AS (
  UPDATE customers SET currency = t.currency, last_invoice_number = t.sequence, subscription_status = 'ACTIVE',
    subscription_plan_id = t.plan_id,
    version = t.version + t.is_first::integer,
    updated_at = CASE WHEN t.is_first THEN t.at ELSE customers.updated_at END
  FROM terms t WHERE customers.id = t.customer_id
), period AS (
  INSERT INTO billing_periods (subscription_id, customer_id, ordinal, kind, starts_at, ends_at, plan_id, quantity)
  SELECT subscription_id, customer_id, 0, 'BILLING', at, ends_at, plan_id, 1 FROM terms
), invoice AS (
  INSERT INTO invoices (id, customer_id, subscription_id, period_ordinal, kind, status, sequence, number, currency,
    subtotal_cents, tax_cents, amount_cents, amount_due_cents, bill_to, period_start, period_end, issued_at, due_at,
    tax_date, version, created_at, updated_at)
  SELECT invoice_id, customer_id, subscription_id, 0, 'RECURRING', 'OPEN', sequence,
    invoice_prefix || '-' || lpad(sequence::text, greatest(4, length(sequence::text)), '0'), currency, amount_cents, 0,
    amount_cents, amount_cents, bill_to, at, ends_at, at, due_at, at, 1, at, at
  FROM terms RETURNING *
), line AS (
  INSERT INTO invoice_lines (id, customer_id, invoice_id, position, kind, description, plan_id, quantity,
    unit_amount_cents, amount_cents, period_ordinal, period_start, period_end)
  SELECT line_id, customer_id, invoice_id, 1, 'RECURRING', name, plan_id, 1, amount_cents, amount_cents, 0, at, ends_at
  FROM terms RETURNING *
), event AS (
  INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at, recorded_at)
  SELECT uuidv7(), t.customer_id, e.type, e.object_type, e.object_id, e.version, 'bench', e.changes, t.at, t.at
  FROM terms t CROSS JOIN LATERAL (VALUES
    (1, 'CUSTOMER_UPDATED', 'CUSTOMER', t.customer_id, t.version + 1, '{currency}'::text[]),
    (2, 'SUBSCRIPTION_CREATED', 'SUBSCRIPTION', t.subscription_id, 1, '{}'),
    (3, 'INVOICE_FINALIZED', 'INVOICE', t.invoice_id, 1, '{}')
  ) AS e (place, type, object_type, object_id, version, changes)
  WHERE t.is_first OR e.place > 1
  ORDER BY e.place
)
SELECT json_build_object('createSubscription', json_build_object(
  'subscription', json_build_object('id', s.id, 'status', s.status, 'currentPeriodEnd', s.current_period_end),
  'invoice', json_build_object('id', i.id, 'number', i.number, 'status', i.status, 'amountCents', i.amount_cents,
    'periodStart', i.period_start, 'periodEnd', i.period_end,
    'lines', json_build_array(json_build_object('id', l.id, 'description', l.description, 'quantity', l.quantity,
      'unitAmountCents', l.unit_amount_cents, 'amountCents', l.amount_cents))),
  'userErrors', '[]'::json))::text
FROM subscription s CROSS JOIN invoice i CROSS JOIN line l
