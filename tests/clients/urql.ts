// The main job with urql. Documents and types are generated from `operations.graphql`.
import { Client, cacheExchange, fetchExchange } from '@urql/core';
import type { OperationResult } from '@urql/core';
import {
  CreateCustomerDocument,
  CreatePlanDocument,
  CreateSubscriptionDocument,
  CustomerWithInvoicesDocument,
  SubscriptionsOfPlanDocument,
} from './generated/graphql.js';
import type { CreateSubscriptionInput, UserErrorCode } from './generated/graphql.js';

export function connect(url: string): Client {
  // urql sends short queries by GET, and mutations by POST: the server accepts both.
  return new Client({ url, exchanges: [cacheExchange, fetchExchange] });
}

/** Returns the object of a mutation or query. If it is null, throws the user errors, which say why. */
function given<T>(it: T | null | undefined, userErrors: readonly { code: UserErrorCode; message: string }[] = []): T {
  if (it != null) return it;
  throw new Error(userErrors.map(({ code, message }) => `${code}: ${message}`).join(' ') || 'Not found.');
}

/** Returns the data of a result, or throws its error: urql itself does not throw. */
function data<T>({ data, error }: OperationResult<T>): T {
  if (error) throw error;
  return given(data);
}

export async function mainJob(url: string): Promise<object> {
  const client = connect(url);

  async function createCustomer(name: string): Promise<string> {
    const input = { name, email: `${crypto.randomUUID()}@example.com` };
    const { createCustomer } = data(await client.mutation(CreateCustomerDocument, { input }));
    return given(createCustomer.customer, createCustomer.userErrors).id;
  }

  async function createPlan(): Promise<string> {
    const input = { code: crypto.randomUUID(), name: 'Pro', amountCents: 2900, currency: 'EUR' };
    const { createPlan } = data(await client.mutation(CreatePlanDocument, { input }));
    return given(createPlan.plan, createPlan.userErrors).id;
  }

  async function createSubscription(input: CreateSubscriptionInput) {
    return data(await client.mutation(CreateSubscriptionDocument, { input })).createSubscription;
  }

  const planId = await createPlan();
  const customerId = await createCustomer('Ada Lovelace');

  // Generate the key before the first attempt, and send the same key with every retry.
  const input = { customerId, planId, quantity: 2, idempotencyKey: crypto.randomUUID() };
  const created = await createSubscription(input);
  const retried = await createSubscription(input);

  const refused = await createSubscription({ customerId, planId });

  const nested = data(await client.query(CustomerWithInvoicesDocument, { id: customerId }));

  for (const name of ['Grace Hopper', 'Joan Clarke']) {
    await createSubscription({ customerId: await createCustomer(name), planId });
  }
  async function subscriptionsOfPlan(after: string | null) {
    const found = data(await client.query(SubscriptionsOfPlanDocument, { id: planId, first: 2, after }));
    return given(found.plan).subscriptions;
  }

  const first = await subscriptionsOfPlan(null);
  const next = await subscriptionsOfPlan(first.pageInfo.endCursor);
  const whole = new Set([...first.edges, ...next.edges].map(({ node }) => node.id));

  const { error } = await client.query(SubscriptionsOfPlanDocument, { id: planId, first: 2, after: 'x' });
  const failed = error?.graphQLErrors[0]?.extensions['code'];

  const sizes = [first.edges.length, next.edges.length, whole.size];
  return { created, retried, refused, customer: nested.customer, sizes, failed };
}
