SELECT json_build_object('customers', coalesce(json_agg(c.document ORDER BY c.created_at, c.id), '[]'))::text
FROM (
  SELECT c.created_at, c.id,
    json_build_object('id', c.id, 'name', c.name, 'subscriptions', s.documents) AS document
  FROM (SELECT * FROM customers WHERE test_clock_id IS NULL ORDER BY created_at, id LIMIT $1) c
  CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_object('id', s.id, 'status', s.status, 'invoices', i.documents)
      ORDER BY s.created_at, s.id), '[]') AS documents
    FROM (SELECT * FROM subscriptions WHERE customer_id = c.id ORDER BY created_at, id LIMIT 10) s
    CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(json_build_object('id', i.id, 'number', i.number, 'amountCents', i.amount_cents,
        'lines', l.documents, 'payments', p.documents) ORDER BY i.created_at, i.id), '[]') AS documents
      FROM (SELECT * FROM invoices WHERE subscription_id = s.id ORDER BY created_at, id LIMIT 12) i
      CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object('id', l.id, 'description', l.description, 'quantity', l.quantity,
          'unitAmountCents', l.unit_amount_cents, 'amountCents', l.amount_cents) ORDER BY l.position), '[]') AS documents
        FROM invoice_lines l WHERE l.invoice_id = i.id
      ) l
      CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object('id', p.id, 'amountCents', p.amount_cents, 'method', p.method,
          'receivedAt', p.received_at) ORDER BY p.created_at, p.id), '[]') AS documents
        FROM (
          SELECT DISTINCT p.* FROM allocations a
          JOIN payments p ON p.id = a.payment_id AND p.customer_id = a.customer_id
          WHERE a.invoice_id = i.id
        ) p
      ) p
    ) i
  ) s
) c
