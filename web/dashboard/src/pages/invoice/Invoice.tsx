import { Group } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { usePage } from '../../app/usePage';
import { InvoiceDocument } from '../../generated/invoice/graphql';
import { Amount } from '../../parts/InvoicePreview';
import { Empty, Facts, Page, Panel, Show } from '../../parts/Page';
import { InvoiceStatus, Money, PageLink, Time } from '../../parts/values';
import { invoiceTexts as texts } from '../../texts/invoice';

const route = getRouteApi('/invoices/$id');

export default function Invoice() {
  const { id } = route.useParams();
  const loaded = usePage(InvoiceDocument, { id });
  const invoice = loaded.data?.invoice;
  if (!invoice) {
    return (
      <Page title={texts.invoice}>
        <Show loaded={loaded}>{() => <Empty title={texts.notFound} />}</Show>
      </Page>
    );
  }
  const { number, status, currency, customer, lines } = invoice;
  return (
    <Page
      label={number ?? texts.invoice}
      title={
        <Group gap="sm" component="span">
          {number ?? texts.invoice}
          <InvoiceStatus status={status} />
        </Group>
      }
    >
      <Panel>
        <Facts
          facts={[
            [
              texts.customer,
              <PageLink to="/customers/$id" params={{ id: customer.id }}>
                {customer.name}
              </PageLink>,
            ],
            [texts.issued, <Time at={invoice.issuedAt} />],
            [texts.due, <Time at={invoice.dueAt} />],
            [texts.amountDue, <Money cents={invoice.amountDueCents} currency={currency} />],
          ]}
        />
      </Panel>
      <Panel title={texts.lines}>
        <dl className="amounts">
          {lines.map((line) => (
            <Amount key={line.id} label={line.description} cents={line.amountCents} currency={currency} />
          ))}
          <Amount label={texts.total} cents={invoice.amountCents} currency={currency} strong />
        </dl>
      </Panel>
    </Page>
  );
}
