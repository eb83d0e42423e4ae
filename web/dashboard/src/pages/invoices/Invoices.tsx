import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { InvoicesDocument, type InvoiceRowFragment, type InvoicesQueryVariables } from '../../generated/invoices/graphql';
import { DataTable, pageArguments, type Column, type ListState } from '../../parts/DataTable';
import { isOverdue } from '../../parts/overdue';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { InvoiceStatus, Money, PageLink, Status, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { invoicesTexts as texts } from '../../texts/invoices';
import { CreateInvoice } from './CreateInvoice';
import { Filters, isFiltered, STATUSES } from './Filters';

const route = getRouteApi('/invoices');

const ORDERS = ['CREATED_AT', 'DUE_AT', 'AMOUNT'] as const;

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
  {
    id: 'status',
    header: texts.columns.status,
    cell: (invoice) =>
      isOverdue(invoice) ? <Status value="PAST_DUE">{texts.overdue}</Status> : <InvoiceStatus status={invoice.status} />,
  },
  { id: 'kind', header: texts.columns.kind, cell: ({ kind }) => common.invoiceKind[kind] },
  { id: 'created', header: texts.columns.created, sort: 'CREATED_AT', hidden: true, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'issued', header: texts.columns.issued, cell: ({ issuedAt }) => <Time at={issuedAt} /> },
  { id: 'dueAt', header: texts.columns.dueAt, sort: 'DUE_AT', cell: ({ dueAt }) => <Time at={dueAt} /> },
  {
    id: 'due',
    header: texts.columns.due,
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
  const variables = useMemo(() => variablesOf(search), [search]);
  const loaded = usePage(InvoicesDocument, variables);

  // Another filter starts at the first page.
  const filter = (changed: Partial<typeof search>) =>
    navigate({ search: { ...search, ...changed, after: undefined, before: undefined }, replace: true });

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
        <Filters search={search} customer={loaded.data?.customer ?? null} onFilter={filter} />
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

/** The start of a day in the reader's zone, `days` later. */
function dayStart(date: string | undefined, days = 0): string | undefined {
  const [year = NaN, month = NaN, day = NaN] = (date ?? '').split('-').map(Number);
  const time = new Date(year, month - 1, day + days);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

function rangeOf(from: string | undefined, until: string | undefined) {
  return { ...(from ? { from } : {}), ...(until ? { until } : {}) };
}

function variablesOf(search: ReturnType<typeof route.useSearch>): InvoicesQueryVariables {
  const status = oneOf(search.status, STATUSES);
  const issuedAt = rangeOf(dayStart(search.from), dayStart(search.until, 1));
  return {
    number: search.number ?? '',
    byNumber: Boolean(search.number),
    customerId: search.customer ?? '',
    byCustomer: Boolean(search.customer),
    ...pageArguments(search),
    filter: {
      ...(status === 'OVERDUE' ? { status: ['OPEN'], dueAt: { until: new Date().toISOString() } } : status ? { status: [status] } : {}),
      ...(search.customer ? { customerId: search.customer } : {}),
      ...(search.currency ? { currency: search.currency } : {}),
      ...(issuedAt.from || issuedAt.until ? { issuedAt } : {}),
    },
    orderBy: {
      field: oneOf(search.order, ORDERS) ?? 'CREATED_AT',
      direction: search.order ? (search.direction ?? 'ASC') : 'DESC',
    },
  };
}
