-- What revision 0001 may hold: a customer with two invoices, of which the first is paid.
INSERT INTO customers (id, name, email, email_key, currency, invoice_prefix, last_invoice_number, metadata, version,
                       created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'Ada', 'ada@example.com', 'ada@example.com', 'EUR', 'ADA', 2, '{}', 3,
        '2026-01-01Z', '2026-01-03Z');
INSERT INTO plans (id, code, name, amount_cents, currency, interval, interval_count, metadata, version, created_at,
                   updated_at)
VALUES ('00000000-0000-7000-8000-000000000002', 'pro', 'Pro', 2900, 'EUR', 'DAY', 30, '{}', 1, '2026-01-01Z',
        '2026-01-01Z');
INSERT INTO subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
                           current_period_start, current_period_end, next_billing_at, cancel_at_period_end, metadata,
                           version, created_at, updated_at)
SELECT '00000000-0000-7000-8000-000000000003', customers.id, plans.id, 1, 'ACTIVE', '2026-01-02Z', 0, '2026-01-02Z',
       '2026-02-01Z', '2026-03-03Z', '2026-03-03Z', false, '{}', 2, '2026-01-02Z', '2026-01-04Z'
FROM customers, plans;
INSERT INTO billing_periods
SELECT id, customer_id, ordinal, nullif(ordinal - 1, -1), 'BILLING', timestamptz '2026-01-02Z' + ordinal * interval '30 d',
       timestamptz '2026-01-02Z' + (ordinal + 1) * interval '30 d', plan_id, 1
FROM subscriptions, generate_series(0, 1) AS ordinal;
INSERT INTO invoices (id, customer_id, subscription_id, period_ordinal, kind, status, sequence, number, currency,
                      subtotal_cents, tax_cents, amount_cents, amount_due_cents, bill_to, period_start, period_end,
                      issued_at, due_at, paid_at, version, created_at, updated_at)
SELECT gen_random_uuid(), customer_id, subscription_id, ordinal, 'RECURRING', CASE ordinal WHEN 0 THEN 'PAID' ELSE 'OPEN' END,
       ordinal + 1, 'ADA-000' || ordinal + 1, 'EUR', 2900, 0, 2900, ordinal * 2900, '{"name": "Ada"}', starts_at, ends_at,
       starts_at, starts_at + interval '14 d', CASE ordinal WHEN 0 THEN starts_at + interval '3 d' END,
       2 - ordinal, starts_at, starts_at
FROM billing_periods;
INSERT INTO invoice_lines (id, customer_id, invoice_id, position, kind, description, plan_id, quantity,
                           unit_amount_cents, amount_cents, period_ordinal, period_start, period_end)
SELECT gen_random_uuid(), customer_id, invoices.id, 1, 'RECURRING', 'Pro', plans.id, 1, 2900, 2900, period_ordinal,
       period_start, period_end
FROM invoices, plans
