import { useState } from 'react';
import { usePage } from '../../../app/usePage';
import { CustomerSubscriptionsDocument, type CustomerSubscriptionsQuery } from '../../../generated/customer/graphql';
import { DataTable, pageArguments, type Column, type ListState } from '../../../parts/DataTable';
import { Empty, Show } from '../../../parts/Page';
import { PageLink, Price, SubscriptionStatus, Time } from '../../../parts/values';
import { common } from '../../../texts/common';
import { customerTexts as texts } from '../../../texts/customer';

type Subscription = NonNullable<CustomerSubscriptionsQuery['customer']>['subscriptions']['nodes'][number];

const COLUMNS: readonly Column<Subscription>[] = [
  { id: 'plan', header: texts.columns.plan, cell: ({ plan }) => <span className="strong">{plan.name}</span> },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <SubscriptionStatus status={status} /> },
  { id: 'price', header: texts.columns.price, align: 'right', cell: ({ plan, quantity }) => <Price plan={plan} quantity={quantity} /> },
  { id: 'started', header: texts.columns.started, cell: ({ startedAt }) => <Time at={startedAt} /> },
  { id: 'ended', header: texts.columns.ended, cell: ({ endedAt }) => <Time at={endedAt} /> },
  {
    id: 'invoice',
    header: texts.columns.latestInvoice,
    cell: ({ latestInvoice }) =>
      latestInvoice ? (
        <PageLink to="/invoices/$id" params={{ id: latestInvoice.id }}>
          {latestInvoice.number ?? texts.draft}
        </PageLink>
      ) : (
        common.none
      ),
  },
];

/** All subscriptions of a customer, newest first. Only one of them is live. */
export function Subscriptions({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({});
  const loaded = usePage(CustomerSubscriptionsDocument, { id, ...pageArguments(list) });
  return (
    <Show loaded={loaded}>
      {({ customer }) => (
        <DataTable
          label={texts.tabs.subscriptions}
          name="customer-subscriptions"
          columns={COLUMNS}
          rows={customer?.subscriptions.nodes ?? []}
          list={list}
          onList={setList}
          {...(customer ? { pageInfo: customer.subscriptions.pageInfo } : {})}
          empty={<Empty title={texts.empty.subscriptions} />}
        />
      )}
    </Show>
  );
}
