import { Button } from '@mantine/core';
import type { InvoiceQuery } from '../../generated/invoice/graphql';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty } from '../../parts/Page';
import { CreditNoteStatus, Money, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { eventText } from '../../texts/events';
import { invoiceTexts } from '../../texts/invoice';
import type { InvoiceView } from './Invoice';
import { InvoiceLink } from './Paper';

const texts = invoiceTexts.columnsOf;

type Allocation = InvoiceView['allocations'][number] & { currency: string };
type Note = InvoiceView['creditNotes']['nodes'][number];
type Event = InvoiceQuery['events']['nodes'][number];

const ALLOCATIONS: readonly Column<Allocation>[] = [
  { id: 'time', header: texts.time, cell: ({ createdAt }) => <Time at={createdAt} time /> },
  { id: 'what', header: texts.what, cell: (allocation) => <Source allocation={allocation} /> },
  {
    id: 'amount',
    header: texts.amount,
    align: 'right',
    cell: ({ amountCents, currency, releasedAt }) => (
      <span className={releasedAt ? 'released' : ''}>
        <Money cents={amountCents} currency={currency} strong />
      </span>
    ),
  },
];

/** Where an amount that pays the invoice comes from. */
function Source({ allocation: { kind, payment, sourceInvoice, creditNote, releasedAt } }: { allocation: Allocation }) {
  return (
    <>
      {invoiceTexts.settled[kind]} {payment && [common.methods[payment.method], payment.reference].filter(Boolean).join(', ')}
      {sourceInvoice && <InvoiceLink invoice={sourceInvoice} />}
      {creditNote?.number}
      {releasedAt && (
        <span className="dimmed">
          {' '}
          · {invoiceTexts.released} <Time at={releasedAt} />
        </span>
      )}
    </>
  );
}

/** What was paid or credited. */
export function Settlement({ invoice: { allocations, currency } }: { invoice: InvoiceView }) {
  return (
    <DataTable
      label={invoiceTexts.payments}
      columns={ALLOCATIONS}
      rows={allocations.map((allocation) => ({ ...allocation, currency }))}
      empty={<Empty title={invoiceTexts.noPayments} />}
    />
  );
}

const NOTES: readonly Column<Note>[] = [
  { id: 'number', header: texts.number, cell: ({ number }) => <span className="strong">{number}</span> },
  { id: 'status', header: texts.status, cell: ({ status }) => <CreditNoteStatus status={status} /> },
  { id: 'reason', header: texts.reason, cell: ({ reason }) => reason },
  { id: 'issued', header: texts.issued, cell: ({ issuedAt }) => <Time at={issuedAt} /> },
  {
    id: 'amount',
    header: texts.amount,
    align: 'right',
    cell: ({ amountCents, currency }) => <Money cents={amountCents} currency={currency} strong />,
  },
];

export function CreditNotes({ notes }: { notes: readonly Note[] }) {
  return (
    <DataTable
      label={invoiceTexts.creditNotes}
      columns={NOTES}
      rows={notes}
      empty={<Empty title={invoiceTexts.noCreditNotes} />}
    />
  );
}

const EVENTS: readonly Column<Event>[] = [
  { id: 'time', header: texts.time, cell: ({ occurredAt }) => <Time at={occurredAt} time /> },
  { id: 'event', header: texts.event, cell: ({ type }) => eventText(type) },
  { id: 'changes', header: texts.changes, cell: ({ changes }) => changes.join(', ') || common.none },
  { id: 'actor', header: texts.actor, cell: ({ actor }) => actor },
];

/** The events of the invoice, newest first. */
export function History({ events, onMore }: { events: readonly Event[]; onMore: (() => void) | null }) {
  return (
    <>
      <DataTable label={invoiceTexts.history} columns={EVENTS} rows={events} empty={null} />
      {onMore && (
        <Button variant="subtle" size="compact-sm" m="xs" onClick={onMore}>
          {invoiceTexts.more}
        </Button>
      )}
    </>
  );
}
