// The schema, scalars and root fields that Apollo and Mercurius share.
import { readFileSync } from "node:fs";
import { GraphQLScalarType } from "graphql";
import { createSubscription } from "./billing.mjs";
import { connections, customerById, page } from "./rows.mjs";

export const typeDefs = readFileSync(new URL("schema.graphql", import.meta.url), "utf8");

export const sharedResolvers = {
  DateTime: new GraphQLScalarType({ name: "DateTime", serialize: (value) => value.toISOString() }),
  Cents: new GraphQLScalarType({ name: "Cents", serialize: (value) => value }),
  ...connections,
  Query: {
    customer: (_, { id }) => customerById(id),
    customers: (_, { first, after }) => page("customers", first, after),
    invoices: (_, { first, after }) => page("invoices", first, after),
  },
  Mutation: {
    createSubscription: (_, { input }) => createSubscription(input.customerId, input.planId),
  },
};
