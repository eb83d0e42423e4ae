// The main job with Relay. The Relay compiler generates the documents and their types in `__generated__`.
import { Environment, Network, commitMutation, fetchQuery, graphql } from 'relay-runtime';
import { getFragment, getSingularSelector } from 'relay-runtime';
import type { FetchFunction, GraphQLTaggedNode, MutationParameters } from 'relay-runtime';
import type { billingCreateCustomerMutation } from './__generated__/billingCreateCustomerMutation.graphql';
import type { billingCreatePlanMutation } from './__generated__/billingCreatePlanMutation.graphql';
import type {
  CreateSubscriptionInput,
  billingCreateSubscriptionMutation,
} from './__generated__/billingCreateSubscriptionMutation.graphql';
import type { billingCustomerQuery } from './__generated__/billingCustomerQuery.graphql';
import type { billingPlanQuery } from './__generated__/billingPlanQuery.graphql';
import nextPageQuery from './__generated__/billingNextPageQuery.graphql';
import type { billingNextPageQuery } from './__generated__/billingNextPageQuery.graphql';
import type { billing_subscriptions$key } from './__generated__/billing_subscriptions.graphql';

const createCustomerMutation = graphql`
  mutation billingCreateCustomerMutation($input: CreateCustomerInput!) {
    createCustomer(input: $input) { customer { id } userErrors { code message field } }
  }
`;

const createPlanMutation = graphql`
  mutation billingCreatePlanMutation($input: CreatePlanInput!) {
    createPlan(input: $input) { plan { id } userErrors { code message field } }
  }
`;

const createSubscriptionMutation = graphql`
  mutation billingCreateSubscriptionMutation($input: CreateSubscriptionInput!) {
    createSubscription(input: $input) {
      subscription { id status }
      invoice { id number status currency amountCents amountDueCents }
      userErrors { code message field }
    }
  }
`;

const customerQuery = graphql`
  query billingCustomerQuery($id: ID!) {
    customer(id: $id) {
      id
      subscriptions(first: 5) {
        nodes { id invoices(first: 12) { nodes { id number lines { id description amountCents } } } }
      }
    }
  }
`;

const planQuery = graphql`
  query billingPlanQuery($id: ID!) {
    plan(id: $id) { ...billing_subscriptions @arguments(count: 2) }
  }
`;

const subscriptionsFragment = graphql`
  fragment billing_subscriptions on Plan
  @refetchable(queryName: "billingNextPageQuery")
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" }) {
    subscriptions(first: $count, after: $cursor) @connection(key: "billing_subscriptions") {
      edges { node { id customer { name } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

/** A request that failed with errors. Relay itself reports errors only if there is no data at all. */
class RequestFailed extends Error {
  constructor(message: string, readonly code: string) {
    super(message);
  }
}

export function connect(url: string): Environment {
  const send: FetchFunction = async ({ text, name }, variables) => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query: text, operationName: name, variables }),
    });
    const document = await answer.json();
    const [error] = document.errors ?? [];
    if (error) throw new RequestFailed(error.message, error.extensions.code);
    return document;
  };
  return new Environment({ network: Network.create(send) });
}

/** Returns the object of a mutation or query. If it is null, throws the user errors, which say why. */
function given<T>(it: T | null | undefined, userErrors: readonly { code: string; message: string }[] = []): T {
  if (it != null) return it;
  throw new Error(userErrors.map(({ code, message }) => `${code}: ${message}`).join(' ') || 'Not found.');
}

export async function mainJob(url: string): Promise<object> {
  const environment = connect(url);

  function mutate<Operation extends MutationParameters>(
    mutation: GraphQLTaggedNode,
    variables: Operation['variables'],
  ): Promise<Operation['response']> {
    return new Promise((onCompleted, onError) =>
      commitMutation<Operation>(environment, { mutation, variables, onCompleted, onError }),
    );
  }

  /** Returns a fragment's data from the store. */
  function read<Data>(fragment: GraphQLTaggedNode, key: { readonly ' $data'?: Data }): Data {
    return environment.lookup(getSingularSelector(getFragment(fragment), key)).data as Data;
  }

  async function createCustomer(name: string): Promise<string> {
    const input = { name, email: `${crypto.randomUUID()}@example.com` };
    const { createCustomer } = await mutate<billingCreateCustomerMutation>(createCustomerMutation, { input });
    return given(createCustomer.customer, createCustomer.userErrors).id;
  }

  async function createPlan(): Promise<string> {
    const input = { code: crypto.randomUUID(), name: 'Pro', amountCents: 2900, currency: 'EUR' };
    const { createPlan } = await mutate<billingCreatePlanMutation>(createPlanMutation, { input });
    return given(createPlan.plan, createPlan.userErrors).id;
  }

  async function createSubscription(input: CreateSubscriptionInput) {
    const answer = await mutate<billingCreateSubscriptionMutation>(createSubscriptionMutation, { input });
    return answer.createSubscription;
  }

  const planId = await createPlan();
  const customerId = await createCustomer('Ada Lovelace');

  // Generate the key before the first attempt, and send the same key with every retry.
  const input = { customerId, planId, quantity: 2, idempotencyKey: crypto.randomUUID() };
  const created = await createSubscription(input);
  const retried = await createSubscription(input);

  const refused = await createSubscription({ customerId, planId });

  const nested = await fetchQuery<billingCustomerQuery>(environment, customerQuery, { id: customerId }).toPromise();

  for (const name of ['Grace Hopper', 'Joan Clarke']) {
    await createSubscription({ customerId: await createCustomer(name), planId });
  }
  const found = await fetchQuery<billingPlanQuery>(environment, planQuery, { id: planId }).toPromise();
  const plan: billing_subscriptions$key = given(found?.plan);
  const first = read(subscriptionsFragment, plan).subscriptions;
  const variables = { id: planId, count: 2, cursor: first.pageInfo.endCursor };
  await fetchQuery<billingNextPageQuery>(environment, nextPageQuery, variables).toPromise();
  const both = read(subscriptionsFragment, plan).subscriptions;

  const failed = await fetchQuery<billingNextPageQuery>(environment, nextPageQuery, { ...variables, cursor: 'x' })
    .toPromise()
    .catch((error: unknown) => (error instanceof RequestFailed ? error.code : error));

  const sizes = [first.edges.length, both.edges.length - first.edges.length, both.edges.length];
  return { created, retried, refused, customer: nested?.customer, sizes, failed };
}
