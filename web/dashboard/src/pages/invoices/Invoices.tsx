import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { InvoicesDocument, type InvoiceRowFragment } from '../../generated/invoices/graphql';
import { DataTable, type Column, type ListState } from '../../parts/DataTable';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { InvoiceStatus, Money, PageLink, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { invoicesTexts as texts } from '../../texts/invoices';
import { CreateInvoice } from './CreateInvoice';
import { Filters, isFiltered, ORDERS, variablesOf } from './Filters';

const route = getRouteApi('/invoices');

const COLUMNS: readonly Column<InvoiceRowFragment>[] = [
  {
    id: 'number',
    header: texts.columns.number,
    cell: ({ id, number }) => (
      <PageLink to="/invoices/$id" params={{ id }} className="strong">
        {number ?? texts.draft}
      </PageLink>
    ),
  },
  {
    id: 'customer',
    header: texts.columns.customer,
    cell: ({ customer }) => (
      <PageLink to="/customers/$id" params={{ id: customer.id }}>
        {customer.name}
      </PageLink>
    ),
  },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <InvoiceStatus status={status} /> },
  { id: 'kind', header: texts.columns.kind, hidden: true, cell: ({ kind }) => common.invoiceKind[kind] },
  {
    id: 'period',
    header: texts.columns.period,
    sort: 'PERIOD_START',
    hidden: true,
    cell: ({ periodStart }) => <Time at={periodStart} />,
  },
  { id: 'issued', header: texts.columns.issued, cell: ({ issuedAt }) => <Time at={issuedAt} /> },
  { id: 'due', header: texts.columns.due, sort: 'DUE_AT', cell: ({ dueAt }) => <Time at={dueAt} /> },
  {
    id: 'created',
    header: texts.columns.created,
    sort: 'CREATED_AT',
    hidden: true,
    cell: ({ createdAt }) => <Time at={createdAt} time />,
  },
  {
    id: 'amountDue',
    header: texts.columns.amountDue,
    align: 'right',
    cell: ({ amountDueCents, currency }) => <Money cents={amountDueCents} currency={currency} />,
  },
  {
    id: 'amount',
    header: texts.columns.amount,
    sort: 'AMOUNT',
    align: 'right',
    cell: ({ amountCents, currency }) => <Money cents={amountCents} currency={currency} strong />,
  },
];

export default function Invoices() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { canWrite } = useSession();
  const [creating, setCreating] = useState(false);
  const order = oneOf(search.order, ORDERS);
  const list: ListState = order ? search : { ...search, order: 'CREATED_AT', direction: 'DESC' };
  const variables = useMemo(() => variablesOf(search, new Date()), [search]);
  const loaded = usePage(InvoicesDocument, variables);
  const customer = loaded.data?.customer;

  return (
    <Page
      title={texts.title}
      actions={
        canWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
            {texts.create}
          </Button>
        )
      }
    >
      {creating && <CreateInvoice onClose={() => setCreating(false)} />}
      <Panel flush>
        <Filters
          search={search}
          customer={customer && customer.id === search.customer ? customer : null}
          // Another filter starts at the first page.
          onFilter={(changed) =>
            void navigate({ search: { ...search, ...changed, after: undefined, before: undefined }, replace: true })
          }
        />
        <Show loaded={loaded}>
          {({ invoices, invoiceByNumber }) => (
            <DataTable
              label={texts.title}
              columns={COLUMNS}
              rows={invoices?.nodes ?? (invoiceByNumber ? [invoiceByNumber] : [])}
              list={list}
              onList={(next) => void navigate({ search: { ...search, ...next, after: next.after, before: next.before } })}
              {...(invoices ? { pageInfo: invoices.pageInfo } : {})}
              empty={
                isFiltered(search) ? (
                  <Empty title={texts.nothing}>{texts.nothingHint}</Empty>
                ) : (
                  <Empty title={texts.empty}>{texts.emptyHint}</Empty>
                )
              }
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}
