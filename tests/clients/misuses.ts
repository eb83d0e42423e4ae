// What strict types refuse. Each line that ends in a code has exactly this error, and no other line has one.
import { CreateSubscriptionDocument, CustomersWithInvoicesDocument } from './generated/graphql';
import { send } from './send';

export async function read(): Promise<unknown> {
  const { customers } = await send(CustomersWithInvoicesDocument, { first: 20 });
  const invoice = customers.nodes[0]!.subscriptions.nodes[0]!.invoices.nodes[0]!;

  const amount: string = invoice.amountCents; // TS2322: cents are a number
  const total: number = customers.totalCount; // TS2322: the count may be null
  const number: string = invoice.number; // TS2322: a draft has none
  const price = invoice.priceCents; // TS2339: there is no such field
  const email = customers.nodes[0]!.email; // TS2339: there is, and it was not asked for
  const settled = invoice.status === 'SETTLED'; // TS2367: there is no such state
  return [amount, total, number, price, email, settled];
}

export async function write(): Promise<unknown> {
  await send(CustomersWithInvoicesDocument, {}); // TS2741: `first` is a required variable
  await send(CreateSubscriptionDocument, { input: { customerId: 'a' } }); // TS2741: which plan?
  const { createSubscription } = await send(CreateSubscriptionDocument, { input: { customerId: 'a', planId: 'b' } });

  const gone = createSubscription.userErrors[0]!.code === 'PLAN_GONE'; // TS2367: there is no such code
  return [gone, createSubscription.subscription.id]; // TS18047: null after a refusal
}
