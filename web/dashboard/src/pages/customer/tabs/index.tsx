import { Invoices } from './Invoices';
import { CreditNotes, Discounts, Events, Ledger } from './Lists';
import { Payments } from './Payments';
import { Subscriptions } from './Subscriptions';

export const TABS = ['invoices', 'payments', 'creditNotes', 'subscriptions', 'discounts', 'ledger', 'events'] as const;

export type Tab = (typeof TABS)[number];

const CONTENT = {
  invoices: Invoices,
  payments: Payments,
  creditNotes: CreditNotes,
  subscriptions: Subscriptions,
  discounts: Discounts,
  ledger: Ledger,
  events: Events,
} satisfies Record<Tab, (props: { id: string }) => React.ReactNode>;

export function TabContent({ tab, id }: { tab: Tab; id: string }) {
  const Content = CONTENT[tab];
  return <Content id={id} />;
}
