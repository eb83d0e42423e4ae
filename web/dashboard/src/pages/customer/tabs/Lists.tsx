import { Button } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useMoney } from '../../../app/format';
import { useSession } from '../../../app/session';
import { usePage } from '../../../app/usePage';
import {
  CustomerCreditNotesDocument,
  CustomerDiscountsDocument,
  CustomerEventsDocument,
  CustomerLedgerDocument,
  RemoveDiscountDocument,
  type CustomerCreditNotesQuery,
  type CustomerDiscountsQuery,
  type CustomerEventsQuery,
  type CustomerLedgerQuery,
} from '../../../generated/customer/graphql';
import { DataTable, PAGE_SIZE, pageArguments, type Column, type ListState } from '../../../parts/DataTable';
import { Empty, Show } from '../../../parts/Page';
import { CreditNoteStatus, Money, PageLink, Time } from '../../../parts/values';
import { common } from '../../../texts/common';
import { actionTexts, customerTexts as texts } from '../../../texts/customer';
import { eventText } from '../../../texts/events';
import { Confirm } from '../../../parts/Confirm';

type Note = NonNullable<CustomerCreditNotesQuery['customer']>['creditNotes']['nodes'][number];
type Discount = NonNullable<CustomerDiscountsQuery['customer']>['discounts']['nodes'][number];
type Entry = NonNullable<CustomerLedgerQuery['customer']>['ledger']['nodes'][number];
type Event = NonNullable<CustomerEventsQuery['customer']>['events']['nodes'][number];

const NOTES: readonly Column<Note>[] = [
  { id: 'number', header: texts.columns.number, cell: ({ number }) => <span className="strong">{number}</span> },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <CreditNoteStatus status={status} /> },
  {
    id: 'invoice',
    header: texts.columns.invoice,
    cell: ({ invoice }) => (
      <PageLink to="/invoices/$id" params={{ id: invoice.id }}>
        {invoice.number ?? texts.draft}
      </PageLink>
    ),
  },
  { id: 'reason', header: texts.columns.reason, cell: ({ reason }) => reason },
  { id: 'issued', header: texts.columns.issued, cell: ({ issuedAt }) => <Time at={issuedAt} /> },
  {
    id: 'refunded',
    header: texts.columns.refunded,
    align: 'right',
    cell: ({ refundCents, refundedCents, currency }) =>
      refundCents ? <Money cents={refundedCents} currency={currency} /> : common.none,
  },
  {
    id: 'amount',
    header: texts.columns.amount,
    align: 'right',
    cell: ({ amountCents, currency }) => <Money cents={amountCents} currency={currency} strong />,
  },
];

export function CreditNotes({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({});
  const loaded = usePage(CustomerCreditNotesDocument, { id, ...pageArguments(list) });
  return (
    <Show loaded={loaded}>
      {({ customer }) => (
        <DataTable
          label={texts.tabs.creditNotes}
          name="customer-credit-notes"
          columns={NOTES}
          rows={customer?.creditNotes.nodes ?? []}
          list={list}
          onList={setList}
          {...(customer ? { pageInfo: customer.creditNotes.pageInfo } : {})}
          empty={<Empty title={texts.empty.creditNotes} />}
        />
      )}
    </Show>
  );
}

function Off({ coupon }: { coupon: Discount['coupon'] }) {
  const { money } = useMoney();
  const { percentOff, amountOffCents, currency } = coupon;
  if (percentOff) return <>{percentOff}%</>;
  return <>{amountOffCents && currency ? money(amountOffCents, currency) : common.none}</>;
}

function leftOf({ periodsLeft, coupon }: Discount): string {
  if (periodsLeft !== null && periodsLeft !== undefined) return texts.periodsLeft(periodsLeft);
  return coupon.duration === 'ONCE' ? texts.once : texts.forever;
}

const DISCOUNTS: readonly Column<Discount>[] = [
  { id: 'coupon', header: texts.columns.coupon, cell: ({ coupon }) => <span className="strong">{coupon.name}</span> },
  { id: 'off', header: texts.columns.off, align: 'right', cell: ({ coupon }) => <Off coupon={coupon} /> },
  { id: 'left', header: texts.columns.left, cell: leftOf },
  {
    id: 'scope',
    header: texts.columns.scope,
    cell: ({ subscription }) => (subscription ? texts.forSubscription : texts.forCustomer),
  },
  { id: 'created', header: texts.columns.created, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'removed', header: texts.columns.removed, cell: ({ removedAt }) => <Time at={removedAt} /> },
];

export function Discounts({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({});
  const [removed, setRemoved] = useState<string | null>(null);
  const { canWrite } = useSession();
  const loaded = usePage(CustomerDiscountsDocument, { id, ...pageArguments(list) });
  const columns = useMemo<readonly Column<Discount>[]>(
    () => (canWrite ? [...DISCOUNTS, removeColumn(setRemoved)] : DISCOUNTS),
    [canWrite],
  );
  return (
    <>
      {removed && (
        <Confirm
          document={RemoveDiscountDocument}
          mutation="removeDiscount"
          id={removed}
          texts={actionTexts.removeDiscount}
          danger
          onClose={() => setRemoved(null)}
        />
      )}
      <Show loaded={loaded}>
        {({ customer }) => (
          <DataTable
            label={texts.tabs.discounts}
            columns={columns}
            rows={customer?.discounts.nodes ?? []}
            list={list}
            onList={setList}
            {...(customer ? { pageInfo: customer.discounts.pageInfo } : {})}
            empty={<Empty title={texts.empty.discounts} />}
          />
        )}
      </Show>
    </>
  );
}

function removeColumn(onRemove: (id: string) => void): Column<Discount> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: ({ id, removedAt }) =>
      removedAt ? null : (
        <Button size="compact-xs" variant="default" onClick={() => onRemove(id)}>
          {texts.actions.removeDiscount}
        </Button>
      ),
  };
}

const ENTRIES: readonly Column<Entry>[] = [
  { id: 'time', header: texts.columns.time, cell: ({ createdAt }) => <Time at={createdAt} time /> },
  { id: 'entry', header: texts.columns.entry, cell: ({ kind }) => texts.ledgerKinds[kind] },
  { id: 'reason', header: texts.columns.reason, cell: ({ reason }) => reason ?? common.none },
  {
    id: 'invoice',
    header: texts.columns.invoice,
    cell: ({ invoice }) =>
      invoice ? (
        <PageLink to="/invoices/$id" params={{ id: invoice.id }}>
          {invoice.number ?? texts.draft}
        </PageLink>
      ) : (
        common.none
      ),
  },
  {
    id: 'amount',
    header: texts.columns.amount,
    align: 'right',
    cell: ({ amountCents, currency }) => <Money cents={amountCents} currency={currency} strong />,
  },
  {
    id: 'balanceAfter',
    header: texts.columns.balanceAfter,
    align: 'right',
    cell: ({ balanceAfterCents, currency }) => <Money cents={balanceAfterCents} currency={currency} />,
  },
];

export function Ledger({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({});
  const loaded = usePage(CustomerLedgerDocument, { id, ...pageArguments(list) });
  return (
    <Show loaded={loaded}>
      {({ customer }) => (
        <DataTable
          label={texts.tabs.ledger}
          columns={ENTRIES}
          rows={customer?.ledger.nodes ?? []}
          list={list}
          onList={setList}
          {...(customer ? { pageInfo: customer.ledger.pageInfo } : {})}
          empty={<Empty title={texts.empty.ledger} />}
        />
      )}
    </Show>
  );
}

const EVENTS: readonly Column<Event>[] = [
  { id: 'time', header: texts.columns.time, cell: ({ occurredAt }) => <Time at={occurredAt} time /> },
  { id: 'event', header: texts.columns.event, cell: ({ type }) => eventText(type) },
  { id: 'changes', header: texts.columns.changes, cell: ({ changes }) => changes.join(', ') || common.none },
  { id: 'actor', header: texts.columns.actor, cell: ({ actor }) => actor },
];

/** The events of a customer, newest first. The feed goes only forward, so there is no previous page but the first. */
export function Events({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({});
  const loaded = usePage(CustomerEventsDocument, { id, first: PAGE_SIZE, after: list.after ?? null });
  return (
    <Show loaded={loaded}>
      {({ customer }) => (
        <DataTable
          label={texts.tabs.events}
          columns={EVENTS}
          rows={customer?.events.nodes ?? []}
          list={list}
          onList={(next) => setList(next.before ? {} : next)}
          {...(customer ? { pageInfo: customer.events.pageInfo } : {})}
          empty={<Empty title={texts.empty.events} />}
        />
      )}
    </Show>
  );
}
