// Mercurius with its loaders, on Fastify. Compiles each operation at its first request.
import fastify from "fastify";
import mercurius from "mercurius";
import { sharedResolvers, typeDefs } from "./roots.mjs";
import { linesByInvoice, pagesBy, paymentsByInvoice, plansById } from "./rows.mjs";

// Each loader is called once for each field of an operation. Nothing is cached between operations.
const loader = (load) => ({ loader: load, opts: { cache: false } });

const pages = (table, parent) =>
  loader(async (queries) => {
    const { first } = queries[0].params;
    if (queries.every(({ params }) => params.first === first))
      return pagesBy(table, parent, queries.map(({ obj }) => obj.id), first);
    return Promise.all(
      queries.map(async ({ obj, params }) => (await pagesBy(table, parent, [obj.id], params.first))[0]),
    );
  });

const byId = (read) => loader((queries) => read(queries.map(({ obj }) => obj.id)));

const plan = loader(async (queries) => {
  const ids = [...new Set(queries.map(({ obj }) => obj.planId))];
  const plans = await plansById(ids);
  const found = new Map(ids.map((id, at) => [id, plans[at]]));
  return queries.map(({ obj }) => found.get(obj.planId));
});

const app = fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers: sharedResolvers,
  loaders: {
    Customer: { subscriptions: pages("subscriptions", "customer_id") },
    Subscription: { plan, invoices: pages("invoices", "subscription_id") },
    Invoice: { lines: byId((ids) => linesByInvoice(ids)), payments: byId(paymentsByInvoice) },
  },
  jit: 1,
  graphiql: false,
});
await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
