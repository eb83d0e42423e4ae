SELECT json_build_object('customer', (
  SELECT json_build_object('id', c.id, 'name', c.name, 'email', c.email, 'subscriptions', s.documents)
  FROM customers c
  CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_object('id', s.id, 'status', s.status,
      'plan', json_build_object('id', p.id, 'name', p.name), 'invoices', i.documents)
      ORDER BY s.created_at, s.id), '[]') AS documents
    FROM (SELECT * FROM subscriptions WHERE customer_id = c.id ORDER BY created_at, id LIMIT 20) s
    JOIN plans p ON p.id = s.plan_id
    CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(json_build_object('id', i.id, 'number', i.number, 'status', i.status,
        'amountCents', i.amount_cents) ORDER BY i.created_at, i.id), '[]') AS documents
      FROM (SELECT * FROM invoices WHERE subscription_id = s.id ORDER BY created_at, id LIMIT 20) i
    ) i
  ) s
  WHERE c.id = $1
))::text
