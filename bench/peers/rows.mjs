// Reads rows with prepared statements: one statement for many keys. Columns are named like fields.
import pg from "pg";

export const POOL_SIZE = 10;

// Returns a bigint as a number, because amounts are at most 2^53 − 1.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// The database address is in PGHOST, PGPORT, PGUSER and PGDATABASE.
export const pool = new pg.Pool({ max: POOL_SIZE });

const COLUMNS = {
  customers: `id, name, email, currency, created_at as "createdAt", version`,
  subscriptions: `id, plan_id as "planId", status, quantity, current_period_start as "currentPeriodStart",
    current_period_end as "currentPeriodEnd", next_billing_at as "nextBillingAt", created_at as "createdAt"`,
  invoices: `id, number, status, amount_cents as "amountCents", period_start as "periodStart",
    period_end as "periodEnd", due_at as "dueAt", created_at as "createdAt"`,
  plans: `id, code, name, amount_cents as "amountCents", currency, interval`,
};

// Runs a statement that is prepared once on each connection.
export const read = async (name, text, values, client = pool) => (await client.query({ name, text, values })).rows;

const one = async (table, id, client) =>
  (await read(`one ${table}`, `select ${COLUMNS[table]} from ${table} where id = $1`, [id], client))[0] ?? null;

export const customerById = (id) => one("customers", id);
export const subscriptionById = (id, client) => one("subscriptions", id, client);
export const invoiceById = (id, client) => one("invoices", id, client);

// Reads a page of a list, and one more row to know if there is a next page.
export async function page(table, first, after) {
  const [at, id] = after ? JSON.parse(Buffer.from(after, "base64url")) : [null, null];
  const beyond = after ? "and (created_at, id) > ($2, $3)" : "";
  const text = `select ${COLUMNS[table]} from ${table} where test_clock_id is null ${beyond}
    order by created_at, id limit $1`;
  const values = after ? [first + 1, at, id] : [first + 1];
  const rows = await read(`page ${table} ${after ? "after" : ""}`, text, values);
  return connection(rows, first, Boolean(after), () => count(table));
}

async function count(table) {
  const [row] = await read(`count ${table}`, `select count(*) from ${table} where test_clock_id is null`, []);
  return row.count;
}

// Reads one page for each of many parents, in one statement.
export async function pagesBy(table, parent, keys, first) {
  const text = `select parents.key as "parentKey", child.* from unnest($1::uuid[]) with ordinality as parents (key, place)
    cross join lateral (
      select ${COLUMNS[table]} from ${table} where ${parent} = parents.key order by created_at, id limit $2
    ) as child
    order by parents.place, child."createdAt", child.id`;
  const found = grouped(keys, await read(`pages ${table}`, text, [keys, first + 1]), "parentKey");
  return found.map((rows, at) => connection(rows, first, false, () => countBy(table, parent, keys[at])));
}

async function countBy(table, parent, key) {
  const [row] = await read(`count by ${table}`, `select count(*) from ${table} where ${parent} = $1`, [key]);
  return row.count;
}

export async function plansById(ids) {
  const rows = await read("plans", `select ${COLUMNS.plans} from plans where id = any($1::uuid[])`, [ids]);
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id));
}

export async function linesByInvoice(ids, client) {
  const text = `select invoice_id as "invoiceId", id, description, quantity, unit_amount_cents as "unitAmountCents",
    amount_cents as "amountCents" from invoice_lines where invoice_id = any($1::uuid[]) order by invoice_id, position`;
  return grouped(ids, await read("lines", text, [ids], client), "invoiceId");
}

export async function paymentsByInvoice(ids) {
  const text = `select distinct on (payments.created_at, payments.id, allocations.invoice_id)
      allocations.invoice_id as "invoiceId", payments.id, payments.amount_cents as "amountCents", payments.method,
      payments.received_at as "receivedAt"
    from allocations join payments
      on payments.id = allocations.payment_id and payments.customer_id = allocations.customer_id
    where allocations.invoice_id = any($1::uuid[])
    order by payments.created_at, payments.id, allocations.invoice_id`;
  return grouped(ids, await read("payments", text, [ids]), "invoiceId");
}

function grouped(keys, rows, column) {
  const found = new Map(keys.map((key) => [key, []]));
  for (const row of rows) found.get(row[column]).push(row);
  return keys.map((key) => found.get(key));
}

const cursor = (row) => Buffer.from(JSON.stringify([row.createdAt, row.id])).toString("base64url");

function connection(rows, first, hasPreviousPage, totalCount) {
  const hasNextPage = rows.length > first;
  const nodes = hasNextPage ? rows.slice(0, first) : rows;
  return { nodes, hasNextPage, hasPreviousPage, totalCount };
}

// Resolvers for the fields of each connection type.
const connectionFields = {
  edges: ({ nodes }) => nodes.map((node) => ({ node, cursor: cursor(node) })),
  pageInfo: ({ nodes, hasNextPage, hasPreviousPage }) => ({
    hasNextPage,
    hasPreviousPage,
    startCursor: nodes.length ? cursor(nodes[0]) : null,
    endCursor: nodes.length ? cursor(nodes[nodes.length - 1]) : null,
  }),
  totalCount: (source) => source.totalCount(),
};
export const connections = {
  CustomerConnection: connectionFields,
  SubscriptionConnection: connectionFields,
  InvoiceConnection: connectionFields,
};
