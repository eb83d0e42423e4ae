import { Text } from '@mantine/core';
import type { InvoicePartsFragment, InvoiceQuery } from '../../generated/invoice/graphql';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Panel } from '../../parts/Page';
import { CreditNoteStatus, Money, Status, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { eventText } from '../../texts/events';
import { invoiceTexts as texts } from '../../texts/invoice';
import { InvoiceLink } from './InvoiceSheet';

type Allocation = InvoicePartsFragment['allocations'][number];
type Note = InvoicePartsFragment['creditNotes']['nodes'][number];
type Event = InvoiceQuery['events']['nodes'][number];

function amountColumn<Row extends { amountCents: number }>(currency: string): Column<Row> {
  return {
    id: 'amount',
    header: texts.columns.amount,
    align: 'right',
    cell: ({ amountCents }) => <Money cents={amountCents} currency={currency} strong />,
  };
}

const ALLOCATIONS: readonly Column<Allocation>[] = [
  { id: 'source', header: texts.columns.source, cell: (allocation) => <SourceOf allocation={allocation} /> },
  { id: 'time', header: texts.columns.time, cell: ({ createdAt }) => <Time at={createdAt} time /> },
  {
    id: 'status',
    header: texts.columns.status,
    cell: ({ releasedAt }) =>
      releasedAt ? (
        <Status value="VOID">
          {texts.released} <Time at={releasedAt} />
        </Status>
      ) : (
        common.none
      ),
  },
];

function SourceOf({ allocation: { kind, payment, sourceInvoice, creditNote } }: { allocation: Allocation }) {
  if (payment) return <>{[texts.sources.PAYMENT, common.methods[payment.method], payment.reference].filter(Boolean).join(' · ')}</>;
  return (
    <>
      {texts.sources[kind]} {creditNote?.number} {sourceInvoice && <InvoiceLink invoice={sourceInvoice} />}
    </>
  );
}

/** What was paid and credited. */
export function Allocations({ invoice: { allocations, currency } }: { invoice: InvoicePartsFragment }) {
  return (
    <Panel title={texts.payments} flush>
      <DataTable
        label={texts.payments}
        columns={[...ALLOCATIONS, amountColumn<Allocation>(currency)]}
        rows={allocations}
        empty={<Empty title={texts.noPayments} />}
      />
    </Panel>
  );
}

const NOTES: readonly Column<Note>[] = [
  { id: 'number', header: texts.number, cell: ({ number }) => <span className="strong">{number}</span> },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <CreditNoteStatus status={status} /> },
  { id: 'reason', header: texts.columns.reason, cell: ({ reason }) => reason },
  { id: 'issued', header: texts.issued, cell: ({ issuedAt }) => <Time at={issuedAt} /> },
];

export function CreditNotes({ invoice: { creditNotes, currency } }: { invoice: InvoicePartsFragment }) {
  if (!creditNotes.nodes.length) return null;
  return (
    <Panel title={texts.creditNotes} flush>
      <DataTable
        label={texts.creditNotes}
        columns={[...NOTES, amountColumn<Note>(currency)]}
        rows={creditNotes.nodes}
        empty={null}
      />
      {creditNotes.pageInfo.hasNextPage && <Note text={texts.moreCreditNotes} />}
    </Panel>
  );
}

const EVENTS: readonly Column<Event>[] = [
  { id: 'event', header: texts.columns.event, cell: ({ type }) => eventText(type) },
  { id: 'changes', header: texts.columns.changes, cell: ({ changes }) => changes.join(', ') || common.none },
  { id: 'actor', header: texts.columns.actor, cell: ({ actor }) => actor },
  { id: 'time', header: texts.columns.time, align: 'right', cell: ({ occurredAt }) => <Time at={occurredAt} time /> },
];

export function History({ events }: { events: InvoiceQuery['events'] }) {
  return (
    <Panel title={texts.history} flush>
      <DataTable label={texts.history} columns={EVENTS} rows={events.nodes} empty={null} />
      {events.pageInfo.hasNextPage && <Note text={texts.latestEvents} />}
    </Panel>
  );
}

function Note({ text }: { text: string }) {
  return (
    <Text size="xs" c="dimmed" className="table-foot">
      {text}
    </Text>
  );
}
