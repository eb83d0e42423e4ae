SELECT json_build_object('customers', coalesce(json_agg(c.document ORDER BY c.created_at, c.id), '[]'))::text
FROM (
  SELECT c.created_at, c.id, json_build_object('id', c.id, 'name', c.name, 'email', c.email, 'currency', c.currency,
    'createdAt', c.created_at, 'version', c.version, 'subscriptions', s.documents) AS document
  FROM (SELECT * FROM customers WHERE test_clock_id IS NULL ORDER BY created_at, id LIMIT $1) c
  CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_object('id', s.id, 'status', s.status, 'quantity', s.quantity,
      'currentPeriodStart', s.current_period_start, 'currentPeriodEnd', s.current_period_end,
      'nextBillingAt', s.next_billing_at,
      'plan', json_build_object('id', p.id, 'code', p.code, 'name', p.name, 'amountCents', p.amount_cents,
        'currency', p.currency, 'interval', p.interval),
      'invoices', i.documents) ORDER BY s.created_at, s.id), '[]') AS documents
    FROM (SELECT * FROM subscriptions WHERE customer_id = c.id ORDER BY created_at, id LIMIT 10) s
    JOIN plans p ON p.id = s.plan_id
    CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(json_build_object('id', i.id, 'number', i.number, 'status', i.status,
        'amountCents', i.amount_cents, 'periodStart', i.period_start, 'periodEnd', i.period_end)
        ORDER BY i.created_at, i.id), '[]') AS documents
      FROM (SELECT * FROM invoices WHERE subscription_id = s.id ORDER BY created_at, id LIMIT 12) i
    ) i
  ) s
) c
