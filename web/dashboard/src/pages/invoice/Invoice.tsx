import { Group } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { usePage } from '../../app/usePage';
import { InvoiceDocument, type InvoiceQuery } from '../../generated/invoice/graphql';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { InvoiceStatus, Status } from '../../parts/values';
import { invoiceTexts as texts } from '../../texts/invoice';
import { CreditNotes, History, Settlement } from './History';
import { InvoiceActions } from './InvoiceActions';
import { Paper } from './Paper';

const route = getRouteApi('/invoices/$id');

export type InvoiceView = NonNullable<InvoiceQuery['invoice']>;

/** Number of events that are shown at first, and at most. */
const FEW_EVENTS = 20;
const MOST_EVENTS = 100;

export default function InvoicePage() {
  const { id } = route.useParams();
  // Another invoice is another page, which shows nothing of this one.
  return <InvoiceById key={id} id={id} />;
}

function InvoiceById({ id }: { id: string }) {
  const [events, setEvents] = useState(FEW_EVENTS);
  const loaded = usePage(InvoiceDocument, { id, events });
  const invoice = loaded.data?.invoice;
  if (!invoice) {
    return (
      <Page title={texts.invoice}>
        <Show loaded={loaded}>{() => <Empty title={texts.notFound} />}</Show>
      </Page>
    );
  }
  const name = invoice.number ?? texts.invoice;
  const history = loaded.data?.events;
  return (
    <Page
      label={name}
      title={
        <Group gap="sm" component="span">
          {name}
          <InvoiceStatus status={invoice.status} />
          {invoice.testClock && (
            <Status value="TRIALING">{`${texts.testClock}: ${invoice.testClock.name ?? invoice.testClock.id}`}</Status>
          )}
        </Group>
      }
      actions={<InvoiceActions invoice={invoice} />}
    >
      <Paper invoice={invoice} />
      <Panel title={texts.payments} flush>
        <Settlement invoice={invoice} />
      </Panel>
      {invoice.creditNotes.nodes.length > 0 && (
        <Panel title={texts.creditNotes} flush>
          <CreditNotes notes={invoice.creditNotes.nodes} />
        </Panel>
      )}
      {history && (
        <Panel title={texts.history} flush>
          <History
            events={history.nodes}
            onMore={history.pageInfo.hasNextPage && events < MOST_EVENTS ? () => setEvents(MOST_EVENTS) : null}
          />
        </Panel>
      )}
    </Page>
  );
}
