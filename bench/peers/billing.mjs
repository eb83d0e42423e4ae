// createSubscription for Apollo and Mercurius: one transaction of prepared statements. Writes the same rows as the product
// for a customer without a balance and a paid plan without a trial. Rejects all other customers and plans.
import { randomUUID } from "node:crypto";
import { invoiceById, pool, read, subscriptionById } from "./rows.mjs";

const NET_DAYS = 14;
const DAY = 86_400_000;
const NOMINAL_MONTH = 2_629_746;

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export async function createSubscription(customerId, planId) {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const [subscription, invoice] = await subscribe(client, customerId, planId);
    await client.query("commit");
    return {
      subscription: await subscriptionById(subscription, client),
      invoice: await invoiceById(invoice, client),
      userErrors: [],
    };
  } catch (error) {
    await client.query("rollback");
    if (error instanceof Refusal) return { userErrors: [{ code: error.code, message: error.message }] };
    throw error;
  } finally {
    client.release();
  }
}

async function subscribe(client, customerId, planId) {
  const customer = await billable(client, customerId);
  const plan = await open(client, planId, customer);
  const at = new Date(Math.max(Math.floor(Date.now() / 1000) * 1000, customer.updated_at.getTime()));
  const end = after(at, plan);
  const subscription = { id: randomUUID(), customer, plan, at, end, mrr: mrrOf(plan) };
  await insertSubscription(client, subscription);
  await insertMovement(client, subscription);
  await updateCustomer(client, subscription);
  await insertPeriod(client, subscription);
  const invoice = await insertInvoice(client, subscription);
  await insertEvents(client, subscription, invoice);
  return [subscription.id, invoice];
}

async function billable(client, id) {
  const [customer] = await read("lock", "select * from customers where id = $1 for no key update", [id], client);
  if (!customer) throw new Refusal("CUSTOMER_NOT_FOUND", "There is no customer with this id.");
  if (customer.archived_at) throw new Refusal("CUSTOMER_ARCHIVED", "This customer is archived.");
  if (customer.balance_cents || customer.test_clock_id) throw new Error("Not in the bench.");
  const live = "select id from subscriptions where customer_id = $1 and status <> 'CANCELED'";
  if ((await read("live", live, [id], client)).length)
    throw new Refusal("CUSTOMER_ALREADY_SUBSCRIBED", "This customer already has a live subscription.");
  return customer;
}

async function open(client, id, customer) {
  const [plan] = await read("plan", "select * from plans where id = $1", [id], client);
  if (!plan) throw new Refusal("PLAN_NOT_FOUND", "There is no plan with this id.");
  if (plan.archived_at) throw new Refusal("PLAN_ARCHIVED", "This plan is archived.");
  if (customer.currency && customer.currency !== plan.currency)
    throw new Refusal("CURRENCY_MISMATCH", `This customer is billed in ${customer.currency}.`);
  if (plan.trial_days || !plan.amount_cents) throw new Error("Not in the bench.");
  return plan;
}

// Returns the end of a period. In a month without its day, it ends on the last day.
function after(at, { interval, interval_count: count }) {
  if (interval === "DAY" || interval === "WEEK") return new Date(at.getTime() + count * (interval === "WEEK" ? 7 : 1) * DAY);
  const end = new Date(at);
  end.setUTCMonth(at.getUTCMonth() + count * (interval === "YEAR" ? 12 : 1));
  if (end.getUTCDate() !== at.getUTCDate()) end.setUTCDate(0);
  return end;
}

// Returns the price of an average month.
function mrrOf({ amount_cents: cents, interval, interval_count: count }) {
  const seconds = { DAY: 86_400, WEEK: 604_800, MONTH: NOMINAL_MONTH, YEAR: 12 * NOMINAL_MONTH }[interval];
  return Math.round((cents * NOMINAL_MONTH) / (count * seconds));
}

const insertMovement = (client, { id, customer, plan, at, mrr }) =>
  read(
    "insert movement",
    `insert into mrr_movements (customer_id, sequence, subscription_id, currency, at, mrr_cents, new_cents,
       expansion_cents, contraction_cents, churned_cents, reactivated_cents, active, trialing, past_due, after_cents,
       month_start_cents, first_at)
     values ($1, 1, $2, $3, $4, $5, $5, 0, 0, 0, 0, 1, 0, 0, $5, 0, $4)`,
    [customer.id, id, plan.currency, at, mrr],
    client,
  );

const insertSubscription = (client, { id, customer, plan, at, end, mrr }) =>
  read(
    "insert subscription",
    `insert into subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
       current_period_start, current_period_end, next_billing_at, cancel_at_period_end, terms_at, metadata, version,
       created_at, updated_at, mrr_cents, counted_status)
     values ($1, $2, $3, 1, 'ACTIVE', $4, 0, $4, $4, $5, $5, false, $4, '{}', 1, $4, $4, $6, 'ACTIVE')`,
    [id, customer.id, plan.id, at, end, mrr],
    client,
  );

const updateCustomer = (client, { customer, plan, at }) =>
  read(
    "update customer",
    `update customers set currency = $2, last_invoice_number = $3, version = $4, updated_at = $5,
       subscription_status = 'ACTIVE', subscription_plan_id = $6 where id = $1`,
    [
      customer.id,
      plan.currency,
      customer.last_invoice_number + 1,
      customer.currency ? customer.version : customer.version + 1,
      customer.currency ? customer.updated_at : at,
      plan.id,
    ],
    client,
  );

const insertPeriod = (client, { id, customer, plan, at, end }) =>
  read(
    "insert period",
    `insert into billing_periods (subscription_id, customer_id, ordinal, kind, starts_at, ends_at, plan_id, quantity)
     values ($1, $2, 0, 'BILLING', $3, $4, $5, 1)`,
    [id, customer.id, at, end, plan.id],
    client,
  );

async function insertInvoice(client, { id, customer, plan, at, end }) {
  const invoice = randomUUID();
  const sequence = customer.last_invoice_number + 1;
  const { name, email, address, tax_id } = customer;
  await read(
    "insert invoice",
    `insert into invoices (id, customer_id, subscription_id, period_ordinal, kind, status, sequence, number, currency,
       subtotal_cents, tax_cents, amount_cents, amount_due_cents, bill_to, period_start, period_end, issued_at, due_at,
       tax_date, version, created_at, updated_at)
     values ($1, $2, $3, 0, 'RECURRING', 'OPEN', $4, $5, $6, $7, 0, $7, $7, $8, $9, $10, $9, $11, $9, 1, $9, $9)`,
    [
      invoice,
      customer.id,
      id,
      sequence,
      `${customer.invoice_prefix}-${String(sequence).padStart(4, "0")}`,
      plan.currency,
      plan.amount_cents,
      JSON.stringify({ name, email, address, tax_id }),
      at,
      end,
      new Date(at.getTime() + (customer.net_days ?? plan.net_days ?? NET_DAYS) * DAY),
    ],
    client,
  );
  await read(
    "insert line",
    `insert into invoice_lines (id, customer_id, invoice_id, position, kind, description, plan_id, quantity,
       unit_amount_cents, amount_cents, period_ordinal, period_start, period_end)
     values ($1, $2, $3, 1, 'RECURRING', $4, $5, 1, $6, $6, 0, $7, $8)`,
    [randomUUID(), customer.id, invoice, plan.name, plan.id, plan.amount_cents, at, end],
    client,
  );
  return invoice;
}

function insertEvents(client, { id, customer, at }, invoice) {
  const events = [
    ["SUBSCRIPTION_CREATED", "SUBSCRIPTION", id, 1, ""],
    ["INVOICE_FINALIZED", "INVOICE", invoice, 1, ""],
  ];
  if (!customer.currency)
    events.unshift(["CUSTOMER_UPDATED", "CUSTOMER", customer.id, customer.version + 1, "currency"]);
  const column = (place) => events.map((event) => event[place]);
  return read(
    "insert events",
    `insert into events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at, recorded_at)
     select e.id, $1, e.type, e.object_type, e.object_id, e.version, 'bench', string_to_array(e.changes, ','), $2, $2
     from unnest($3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::int[], $8::text[])
       as e (id, type, object_type, object_id, version, changes)`,
    [customer.id, at, events.map(() => randomUUID()), column(0), column(1), column(2), column(3), column(4)],
    client,
  );
}
