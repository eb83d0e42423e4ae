-- createSubscription for PostGraphile. Writes the same rows as the product for a customer without a balance and a paid
-- plan without a trial. Rejects all other customers and plans.
CREATE SCHEMA IF NOT EXISTS bench;

CREATE OR REPLACE FUNCTION bench.create_subscription(customer_id uuid, plan_id uuid) RETURNS public.invoices
LANGUAGE plpgsql VOLATILE STRICT AS $$
#variable_conflict use_column
DECLARE
  customer public.customers;
  plan public.plans;
  invoice public.invoices;
  at timestamptz;
  ends_at timestamptz;
  subscription_id uuid := uuidv7();
  sequence integer;
  mrr_cents bigint;
BEGIN
  SELECT * INTO customer FROM public.customers WHERE id = create_subscription.customer_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'There is no customer with this id.' USING ERRCODE = 'P0001'; END IF;
  IF customer.archived_at IS NOT NULL THEN RAISE EXCEPTION 'This customer is archived.'; END IF;
  SELECT * INTO plan FROM public.plans WHERE id = create_subscription.plan_id;
  IF NOT FOUND THEN RAISE EXCEPTION 'There is no plan with this id.'; END IF;
  IF plan.archived_at IS NOT NULL THEN RAISE EXCEPTION 'This plan is archived.'; END IF;
  IF customer.currency <> plan.currency THEN RAISE EXCEPTION 'This customer is billed in %.', customer.currency; END IF;
  PERFORM FROM public.subscriptions s WHERE s.customer_id = customer.id AND s.status <> 'CANCELED';
  IF FOUND THEN RAISE EXCEPTION 'This customer already has a live subscription.'; END IF;
  IF customer.balance_cents > 0 OR customer.test_clock_id IS NOT NULL OR plan.trial_days > 0 OR plan.amount_cents = 0 THEN
    RAISE EXCEPTION 'Not in the bench.';
  END IF;

  at := greatest(date_trunc('second', now()), customer.updated_at);
  ends_at := (at AT TIME ZONE 'UTC' + make_interval(
    years => CASE plan.interval WHEN 'YEAR' THEN plan.interval_count ELSE 0 END,
    months => CASE plan.interval WHEN 'MONTH' THEN plan.interval_count ELSE 0 END,
    weeks => CASE plan.interval WHEN 'WEEK' THEN plan.interval_count ELSE 0 END,
    days => CASE plan.interval WHEN 'DAY' THEN plan.interval_count ELSE 0 END
  )) AT TIME ZONE 'UTC';
  sequence := customer.last_invoice_number + 1;
  mrr_cents := round(plan.amount_cents * 2629746::numeric / (plan.interval_count * CASE plan.interval
    WHEN 'DAY' THEN 86400 WHEN 'WEEK' THEN 604800 WHEN 'MONTH' THEN 2629746 ELSE 31556952 END))::bigint;

  INSERT INTO public.subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
    current_period_start, current_period_end, next_billing_at, cancel_at_period_end, terms_at, metadata, version,
    created_at, updated_at, mrr_cents, counted_status)
  VALUES (subscription_id, customer.id, plan.id, 1, 'ACTIVE', at, 0, at, at, ends_at, ends_at, false, at, '{}', 1, at, at,
    mrr_cents, 'ACTIVE');

  INSERT INTO public.mrr_movements (customer_id, sequence, subscription_id, currency, at, mrr_cents, new_cents,
    expansion_cents, contraction_cents, churned_cents, reactivated_cents, active, trialing, past_due, after_cents,
    month_start_cents, first_at)
  VALUES (customer.id, 1, subscription_id, plan.currency, at, mrr_cents, mrr_cents, 0, 0, 0, 0, 1, 0, 0, mrr_cents, 0, at);

  UPDATE public.customers SET
    currency = plan.currency,
    last_invoice_number = sequence,
    subscription_status = 'ACTIVE',
    subscription_plan_id = plan.id,
    version = customer.version + (customer.currency IS NULL)::integer,
    updated_at = CASE WHEN customer.currency IS NULL THEN at ELSE customer.updated_at END
  WHERE id = customer.id;

  INSERT INTO public.billing_periods (subscription_id, customer_id, ordinal, kind, starts_at, ends_at, plan_id, quantity)
  VALUES (subscription_id, customer.id, 0, 'BILLING', at, ends_at, plan.id, 1);

  INSERT INTO public.invoices (id, customer_id, subscription_id, period_ordinal, kind, status, sequence, number, currency,
    subtotal_cents, tax_cents, amount_cents, amount_due_cents, bill_to, period_start, period_end, issued_at, due_at,
    tax_date, version, created_at, updated_at)
  VALUES (uuidv7(), customer.id, subscription_id, 0, 'RECURRING', 'OPEN', sequence,
    customer.invoice_prefix || '-' || lpad(sequence::text, greatest(4, length(sequence::text)), '0'), plan.currency,
    plan.amount_cents, 0, plan.amount_cents, plan.amount_cents,
    jsonb_build_object('name', customer.name, 'email', customer.email, 'address', customer.address,
      'tax_id', customer.tax_id),
    at, ends_at, at, at + make_interval(days => coalesce(customer.net_days, plan.net_days, 14)), at, 1, at, at)
  RETURNING * INTO invoice;

  INSERT INTO public.invoice_lines (id, customer_id, invoice_id, position, kind, description, plan_id, quantity,
    unit_amount_cents, amount_cents, period_ordinal, period_start, period_end)
  VALUES (uuidv7(), customer.id, invoice.id, 1, 'RECURRING', plan.name, plan.id, 1, plan.amount_cents,
    plan.amount_cents, 0, at, ends_at);

  IF customer.currency IS NULL THEN
    INSERT INTO public.events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at,
      recorded_at)
    VALUES (uuidv7(), customer.id, 'CUSTOMER_UPDATED', 'CUSTOMER', customer.id, customer.version + 1, 'bench',
      '{currency}', at, at);
  END IF;
  INSERT INTO public.events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at,
    recorded_at)
  VALUES
    (uuidv7(), customer.id, 'SUBSCRIPTION_CREATED', 'SUBSCRIPTION', subscription_id, 1, 'bench', '{}', at, at),
    (uuidv7(), customer.id, 'INVOICE_FINALIZED', 'INVOICE', invoice.id, 1, 'bench', '{}', at, at);
  RETURN invoice;
END
$$;
