import './invoice.css';
import { Group } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { usePage } from '../../app/usePage';
import { InvoiceDocument, type InvoicePartsFragment, type InvoiceQuery } from '../../generated/invoice/graphql';
import { isOverdue } from '../../parts/overdue';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { InvoiceStatus, Status } from '../../parts/values';
import { invoiceTexts as texts } from '../../texts/invoice';
import { Actions } from './Actions';
import { InvoiceSheet } from './InvoiceSheet';
import { Allocations, CreditNotes, History } from './Related';

const route = getRouteApi('/invoices/$id');

export default function InvoicePage() {
  const { id } = route.useParams();
  // Another invoice is another page, which shows nothing of this one.
  return <InvoiceById key={id} id={id} />;
}

function InvoiceById({ id }: { id: string }) {
  const loaded = usePage(InvoiceDocument, { id });
  const { invoice, events } = loaded.data ?? {};
  if (!invoice || !events) {
    return (
      <Page title={texts.invoice}>
        <Show loaded={loaded}>{() => <Empty title={texts.notFound} />}</Show>
      </Page>
    );
  }
  return <Loaded invoice={invoice} events={events} />;
}

function Loaded({ invoice, events }: { invoice: InvoicePartsFragment; events: InvoiceQuery['events'] }) {
  const title = invoice.number ?? texts.draft;
  return (
    <Page
      label={title}
      title={
        <Group gap="sm" component="span">
          {title}
          {isOverdue(invoice) ? <Status value="PAST_DUE">{texts.overdue}</Status> : <InvoiceStatus status={invoice.status} />}
        </Group>
      }
      actions={<Actions invoice={invoice} />}
    >
      <Panel>
        <InvoiceSheet invoice={invoice} />
      </Panel>
      <div className="screen-only related">
        <Allocations invoice={invoice} />
        <CreditNotes invoice={invoice} />
        <History events={events} />
      </div>
    </Page>
  );
}
