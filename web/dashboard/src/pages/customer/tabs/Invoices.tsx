import { Button } from '@mantine/core';
import { useMemo, useState } from 'react';
import { oneOf } from '../../../app/search-params';
import { useSession } from '../../../app/session';
import { usePage } from '../../../app/usePage';
import { CustomerInvoicesDocument, type CustomerInvoicesQuery } from '../../../generated/customer/graphql';
import { DataTable, pageArguments, type Column, type ListState } from '../../../parts/DataTable';
import { Empty, Show } from '../../../parts/Page';
import { InvoiceStatus, Money, PageLink, Time } from '../../../parts/values';
import { common } from '../../../texts/common';
import { customerTexts as texts } from '../../../texts/customer';
import { CreditNote } from '../actions/CreditNote';

type Row = NonNullable<CustomerInvoicesQuery['customer']>['invoices']['nodes'][number];

const ORDERS = ['CREATED_AT', 'DUE_AT', 'AMOUNT'] as const;

const COLUMNS: readonly Column<Row>[] = [
  {
    id: 'number',
    header: texts.columns.number,
    cell: ({ id, number }) => (
      <PageLink to="/invoices/$id" params={{ id }} className="strong">
        {number ?? texts.draft}
      </PageLink>
    ),
  },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <InvoiceStatus status={status} /> },
  { id: 'kind', header: texts.columns.kind, cell: ({ kind }) => common.invoiceKind[kind] },
  {
    id: 'issued',
    header: texts.columns.issued,
    sort: 'CREATED_AT',
    cell: ({ issuedAt }) => <Time at={issuedAt} />,
  },
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

export function Invoices({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({ order: 'CREATED_AT', direction: 'DESC' });
  const [credited, setCredited] = useState<Row | null>(null);
  const { canWrite } = useSession();
  const field = oneOf(list.order, ORDERS) ?? 'CREATED_AT';
  const loaded = usePage(CustomerInvoicesDocument, {
    id,
    ...pageArguments(list),
    orderBy: { field, direction: list.direction ?? 'ASC' },
  });
  const columns = useMemo<readonly Column<Row>[]>(
    () => (canWrite ? [...COLUMNS, actionColumn(setCredited)] : COLUMNS),
    [canWrite],
  );
  return (
    <>
      {credited && <CreditNote invoice={credited} onClose={() => setCredited(null)} />}
      <Show loaded={loaded}>
        {({ customer }) => (
          <DataTable
            label={texts.tabs.invoices}
            name="customer-invoices"
            columns={columns}
            rows={customer?.invoices.nodes ?? []}
            list={list}
            onList={setList}
            {...(customer ? { pageInfo: customer.invoices.pageInfo } : {})}
            empty={<Empty title={texts.empty.invoices} />}
          />
        )}
      </Show>
    </>
  );
}

function actionColumn(onCredit: (row: Row) => void): Column<Row> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: (row) =>
      row.creditableCents > 0 && row.status !== 'DRAFT' && row.status !== 'VOID' ? (
        <Button size="compact-xs" variant="default" onClick={() => onCredit(row)}>
          {texts.actions.credit}
        </Button>
      ) : null,
  };
}
