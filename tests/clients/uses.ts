// What a frontend does with the generated types. All of it compiles.
import { CreateSubscriptionDocument, CustomersWithInvoicesDocument } from './generated/graphql';
import type { CreateSubscriptionInput, SubscriptionStatus, UserErrorCode } from './generated/graphql';
import { send } from './send';

export async function firstAmount(): Promise<string | undefined> {
  const { customers } = await send(CustomersWithInvoicesDocument, { first: 20 });

  const total: number | null = customers.totalCount;
  const cursor: string | null = customers.pageInfo.endCursor;
  const subscription = customers.nodes[0]?.subscriptions.nodes[0];
  const invoice = subscription?.invoices.nodes[0];
  if (!subscription || !invoice) return undefined;

  const price: number = subscription.plan.amountCents * subscription.quantity;
  const amountCents: number = invoice.amountCents;
  const billedCents: number = invoice.lines.reduce((sum, line) => sum + line.amountCents, 0);
  const currency: string = invoice.currency;
  const dueAt: Date | null = invoice.dueAt === null ? null : new Date(invoice.dueAt);
  return [total, cursor, price, amountCents, billedCents, currency, dueAt?.toISOString()].join(' ');
}

export async function subscribe(input: CreateSubscriptionInput): Promise<string> {
  const { createSubscription } = await send(CreateSubscriptionDocument, { input });

  const [refusal] = createSubscription.userErrors;
  if (refusal) {
    const code: UserErrorCode = refusal.code;
    const retriable: boolean = code === 'PLAN_ARCHIVED' || code === 'CUSTOMER_ALREADY_SUBSCRIBED';
    return `${refusal.field?.join('.') ?? ''} ${refusal.message} ${retriable}`;
  }
  return label(createSubscription.subscription?.status ?? 'ACTIVE');
}

export const smallest: CreateSubscriptionInput = { customerId: 'a', planId: 'b' };

/** A state that is not named here leaves a path without a result, which strict TypeScript refuses. */
export function label(status: SubscriptionStatus): string {
  switch (status) {
    case 'PENDING':
      return 'starts later';
    case 'TRIALING':
      return 'on trial';
    case 'ACTIVE':
      return 'active';
    case 'PAST_DUE':
      return 'past due';
    case 'CANCELED':
      return 'ended';
  }
}
