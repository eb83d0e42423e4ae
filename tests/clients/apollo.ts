// The main job with Apollo Client 4. Documents and types are generated from `operations.graphql`.
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';
import {
  CreateCustomerDocument,
  CreatePlanDocument,
  CreateSubscriptionDocument,
  CustomerWithInvoicesDocument,
  SubscriptionsOfPlanDocument,
} from './generated/graphql.js';
import type { CreateSubscriptionInput, UserErrorCode } from './generated/graphql.js';

export function connect(uri: string): ApolloClient {
  // `fetchMore` appends to the cached list. There is one list per filter and order.
  const lists = relayStylePagination(['filter', 'orderBy']);
  const cache = new InMemoryCache({ typePolicies: { Plan: { fields: { subscriptions: lists } } } });
  return new ApolloClient({ link: new HttpLink({ uri }), cache });
}

/** Returns the object of a mutation or query. If it is null, throws the user errors, which say why. */
function given<T>(it: T | null | undefined, userErrors: readonly { code: UserErrorCode; message: string }[] = []): T {
  if (it != null) return it;
  throw new Error(userErrors.map(({ code, message }) => `${code}: ${message}`).join(' ') || 'Not found.');
}

/** Returns the error code of a failed request. */
function codeOf(error: unknown): unknown {
  if (CombinedGraphQLErrors.is(error)) return error.errors[0]?.extensions?.['code'];
  throw error;
}

export async function mainJob(uri: string): Promise<object> {
  const client = connect(uri);

  async function createCustomer(name: string): Promise<string> {
    const input = { name, email: `${crypto.randomUUID()}@example.com` };
    const { data } = await client.mutate({ mutation: CreateCustomerDocument, variables: { input } });
    return given(data?.createCustomer.customer, data?.createCustomer.userErrors).id;
  }

  async function createPlan(): Promise<string> {
    const input = { code: crypto.randomUUID(), name: 'Pro', amountCents: 2900, currency: 'EUR' };
    const { data } = await client.mutate({ mutation: CreatePlanDocument, variables: { input } });
    return given(data?.createPlan.plan, data?.createPlan.userErrors).id;
  }

  async function createSubscription(input: CreateSubscriptionInput) {
    const { data } = await client.mutate({ mutation: CreateSubscriptionDocument, variables: { input } });
    return given(data).createSubscription;
  }

  const planId = await createPlan();
  const customerId = await createCustomer('Ada Lovelace');

  // Generate the key before the first attempt, and send the same key with every retry.
  const input = { customerId, planId, quantity: 2, idempotencyKey: crypto.randomUUID() };
  const created = await createSubscription(input);
  const retried = await createSubscription(input);

  const refused = await createSubscription({ customerId, planId });

  const nested = await client.query({ query: CustomerWithInvoicesDocument, variables: { id: customerId } });

  for (const name of ['Grace Hopper', 'Joan Clarke']) {
    await createSubscription({ customerId: await createCustomer(name), planId });
  }
  const variables = { id: planId, first: 2 };
  const first = await client.query({ query: SubscriptionsOfPlanDocument, variables });
  const list = client.watchQuery({ query: SubscriptionsOfPlanDocument, variables });
  const { endCursor } = given(first.data?.plan).subscriptions.pageInfo;
  const next = await list.fetchMore({ variables: { after: endCursor } });
  const whole = list.getCurrentResult();

  const failed = await client
    .query({ query: SubscriptionsOfPlanDocument, variables: { ...variables, after: 'x' }, fetchPolicy: 'network-only' })
    .catch(codeOf);

  const sizes = [first, next, whole].map(({ data }) => data?.plan?.subscriptions?.edges?.length);
  return { created, retried, refused, customer: nested.data?.customer, sizes, failed };
}
