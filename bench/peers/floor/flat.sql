SELECT json_build_object('invoices', coalesce(json_agg(json_build_object('id', i.id, 'number', i.number,
  'status', i.status, 'amountCents', i.amount_cents, 'periodStart', i.period_start, 'periodEnd', i.period_end)
  ORDER BY i.created_at, i.id), '[]'))::text
FROM (SELECT * FROM invoices WHERE test_clock_id IS NULL ORDER BY created_at, id LIMIT $1) i
