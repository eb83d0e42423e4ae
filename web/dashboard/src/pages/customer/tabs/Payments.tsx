import { Button, Group, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { oneOf } from '../../../app/search-params';
import { useSession } from '../../../app/session';
import { usePage } from '../../../app/usePage';
import { CustomerPaymentsDocument, type CustomerPaymentsQuery } from '../../../generated/customer/graphql';
import { DataTable, pageArguments, type Column, type ListState } from '../../../parts/DataTable';
import { Empty, Show } from '../../../parts/Page';
import { Money, PageLink, Time } from '../../../parts/values';
import { common } from '../../../texts/common';
import { customerTexts as texts } from '../../../texts/customer';
import { Refund, Reverse } from '../actions/Payments';

type Row = NonNullable<CustomerPaymentsQuery['customer']>['payments']['nodes'][number];

interface Open {
  payment: Row;
  dialog: 'refund' | 'reverse';
}

const ORDERS = ['CREATED_AT', 'RECEIVED_AT', 'AMOUNT'] as const;

const COLUMNS: readonly Column<Row>[] = [
  { id: 'received', header: texts.columns.received, sort: 'RECEIVED_AT', cell: ({ receivedAt }) => <Time at={receivedAt} time /> },
  { id: 'method', header: texts.columns.method, cell: ({ method }) => common.methods[method] },
  { id: 'reference', header: texts.columns.reference, cell: ({ reference }) => reference ?? common.none },
  { id: 'appliedTo', header: texts.columns.appliedTo, cell: (row) => <AppliedTo payment={row} /> },
  {
    id: 'undone',
    header: texts.columns.undone,
    align: 'right',
    cell: ({ refundedCents, reversedCents, currency }) =>
      refundedCents + reversedCents ? <Money cents={refundedCents + reversedCents} currency={currency} /> : common.none,
  },
  {
    id: 'amount',
    header: texts.columns.amount,
    sort: 'AMOUNT',
    align: 'right',
    cell: ({ amountCents, currency }) => <Money cents={amountCents} currency={currency} strong />,
  },
];

/** The invoices that a payment pays, each one once. */
function AppliedTo({ payment }: { payment: Row }) {
  const invoices = new Map(payment.allocations.filter(({ releasedAt }) => !releasedAt).map(({ invoice }) => [invoice.id, invoice]));
  if (!invoices.size) return <Text size="sm">{texts.wholeBalance}</Text>;
  return (
    <Group gap={6}>
      {Array.from(invoices.values(), ({ id, number }) => (
        <PageLink key={id} to="/invoices/$id" params={{ id }}>
          {number ?? texts.draft}
        </PageLink>
      ))}
    </Group>
  );
}

export function Payments({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({ order: 'RECEIVED_AT', direction: 'DESC' });
  const [open, setOpen] = useState<Open | null>(null);
  const { canWrite } = useSession();
  const field = oneOf(list.order, ORDERS) ?? 'CREATED_AT';
  const loaded = usePage(CustomerPaymentsDocument, {
    id,
    ...pageArguments(list),
    orderBy: { field, direction: list.direction ?? 'ASC' },
  });
  const columns = useMemo<readonly Column<Row>[]>(() => (canWrite ? [...COLUMNS, actionColumn(setOpen)] : COLUMNS), [canWrite]);
  const close = () => setOpen(null);
  return (
    <>
      {open?.dialog === 'refund' && <Refund customerId={id} payment={open.payment} onClose={close} />}
      {open?.dialog === 'reverse' && <Reverse payment={open.payment} onClose={close} />}
      <Show loaded={loaded}>
        {({ customer }) => (
          <DataTable
            label={texts.tabs.payments}
            columns={columns}
            rows={customer?.payments.nodes ?? []}
            list={list}
            onList={setList}
            {...(customer ? { pageInfo: customer.payments.pageInfo } : {})}
            empty={<Empty title={texts.empty.payments} />}
          />
        )}
      </Show>
    </>
  );
}

function actionColumn(onOpen: (open: Open) => void): Column<Row> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: (payment) =>
      payment.refundedCents + payment.reversedCents < payment.amountCents ? (
        <Group gap={4} justify="flex-end" wrap="nowrap">
          <Button size="compact-xs" variant="default" onClick={() => onOpen({ payment, dialog: 'refund' })}>
            {texts.actions.refund}
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => onOpen({ payment, dialog: 'reverse' })}>
            {texts.actions.reverse}
          </Button>
        </Group>
      ) : null,
  };
}
