// Apollo Server with dataloaders, on Express.
import { ApolloServer } from "@apollo/server";
import { expressMiddleware } from "@as-integrations/express5";
import DataLoader from "dataloader";
import express from "express";
import { sharedResolvers, typeDefs } from "./roots.mjs";
import { linesByInvoice, pagesBy, paymentsByInvoice, plansById } from "./rows.mjs";

// One loader for each page size that a request asks for.
const pages = (table, parent) => {
  const loaders = new Map();
  return (first) => {
    if (!loaders.has(first)) loaders.set(first, new DataLoader((keys) => pagesBy(table, parent, keys, first)));
    return loaders.get(first);
  };
};

const context = async () => ({
  subscriptions: pages("subscriptions", "customer_id"),
  invoices: pages("invoices", "subscription_id"),
  plans: new DataLoader(plansById),
  lines: new DataLoader((ids) => linesByInvoice(ids)),
  payments: new DataLoader(paymentsByInvoice),
});

const resolvers = {
  ...sharedResolvers,
  Customer: { subscriptions: ({ id }, { first }, { subscriptions }) => subscriptions(first).load(id) },
  Subscription: {
    plan: ({ planId }, _, { plans }) => plans.load(planId),
    invoices: ({ id }, { first }, { invoices }) => invoices(first).load(id),
  },
  Invoice: {
    lines: ({ id }, _, { lines }) => lines.load(id),
    payments: ({ id }, _, { payments }) => payments.load(id),
  },
};

const server = new ApolloServer({ typeDefs, resolvers });
await server.start();
const app = express();
app.use("/graphql", express.json(), expressMiddleware(server, { context }));
app.listen(Number(process.env.PORT), "127.0.0.1");
