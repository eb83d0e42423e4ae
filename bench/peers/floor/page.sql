WITH rows AS (
  SELECT *, row_number() OVER (ORDER BY created_at, id) AS place,
    encode(convert_to(json_build_array(created_at, id)::text, 'UTF8'), 'base64') AS cursor
  FROM (SELECT * FROM invoices WHERE test_clock_id IS NULL ORDER BY created_at, id LIMIT $1 + 1) i
)
SELECT json_build_object('invoices', json_build_object(
  'totalCount', (SELECT count(*) FROM invoices WHERE test_clock_id IS NULL),
  'pageInfo', json_build_object('hasNextPage', count(*) > $1, 'hasPreviousPage', false,
    'startCursor', min(cursor) FILTER (WHERE place = 1),
    'endCursor', min(cursor) FILTER (WHERE place = least($1, (SELECT count(*) FROM rows)))),
  'edges', coalesce(json_agg(json_build_object('cursor', cursor, 'node', json_build_object('id', id, 'number', number,
    'status', status, 'amountCents', amount_cents, 'dueAt', due_at)) ORDER BY place) FILTER (WHERE place <= $1), '[]')
))::text
FROM rows
