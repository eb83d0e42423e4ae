import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { formatCount, formatDate, useMoney } from '../../app/format';
import type { InvoicePartsFragment } from '../../generated/invoice/graphql';
import { Amount } from '../../parts/InvoicePreview';
import { Facts } from '../../parts/Page';
import { Money, PageLink, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { invoiceTexts as texts } from '../../texts/invoice';

type Line = InvoicePartsFragment['lines'][number];
type Address = NonNullable<NonNullable<InvoicePartsFragment['seller']>['address']>;

/** The invoice as a document: who bills whom, for what, and how much. It is what “Print” prints. */
export function InvoiceSheet({ invoice }: { invoice: InvoicePartsFragment }) {
  return (
    <article className="sheet">
      <div className="parties">
        <SellerOf invoice={invoice} />
        <BillToOf invoice={invoice} />
      </div>
      <Head invoice={invoice} />
      {invoice.lines.length ? (
        <Lines invoice={invoice} />
      ) : (
        <Text size="sm" c="dimmed">
          {texts.noLines}
        </Text>
      )}
      <Totals invoice={invoice} />
      <Foot invoice={invoice} />
    </article>
  );
}

function Party({ title, name, details }: { title: string; name: ReactNode; details: readonly (string | null | undefined)[] }) {
  return (
    <section aria-label={title}>
      <h2 className="party-title">{title}</h2>
      <div className="strong">{name}</div>
      {details.filter(Boolean).map((detail, position) => (
        <div key={position}>{detail}</div>
      ))}
    </section>
  );
}

function addressLines(address: Address | null | undefined): readonly (string | null | undefined)[] {
  if (!address) return [];
  const { line1, line2, postalCode, city, region, country } = address;
  return [line1, line2, [postalCode, city].filter(Boolean).join(' '), [region, country].filter(Boolean).join(', ')];
}

function taxIdsOf(taxIds: readonly { value: string }[]): string | null {
  return taxIds.length ? `${texts.taxId}: ${taxIds.map(({ value }) => value).join(', ')}` : null;
}

function SellerOf({ invoice: { seller, status } }: { invoice: InvoicePartsFragment }) {
  if (!seller) {
    return <Party title={texts.from} name={null} details={[status === 'DRAFT' ? texts.noSellerYet : texts.noSeller]} />;
  }
  const { legalName, address, taxIds, email, phone } = seller;
  return <Party title={texts.from} name={legalName} details={[...addressLines(address), taxIdsOf(taxIds), email, phone]} />;
}

function BillToOf({ invoice: { customer, billTo } }: { invoice: InvoicePartsFragment }) {
  const { name, email, address, taxIds, taxId } = { address: null, taxIds: [], taxId: null, ...(billTo ?? customer) };
  const ids = taxIdsOf(taxIds) ?? (taxId ? `${texts.taxId}: ${taxId}` : null);
  return (
    <Party
      title={texts.billTo}
      name={
        <PageLink to="/customers/$id" params={{ id: customer.id }}>
          {name}
        </PageLink>
      }
      details={[...addressLines(address), ids, email]}
    />
  );
}

function Head({ invoice }: { invoice: InvoicePartsFragment }) {
  const { number, kind, issuedAt, dueAt, paidAt, periodStart, periodEnd, netDays, poNumber, replaces, replacedBy } = invoice;
  return (
    <Facts
      facts={[
        [texts.number, number],
        [texts.kind, common.invoiceKind[kind]],
        [texts.issued, issuedAt && <Time at={issuedAt} />],
        [texts.due, dueAt && <Time at={dueAt} />],
        [texts.netDays, dueAt ? null : netDays],
        [texts.paid, paidAt && <Time at={paidAt} />],
        [texts.period, periodStart === periodEnd ? null : texts.range(formatDate(periodStart), formatDate(periodEnd))],
        [texts.poNumber, poNumber],
        [texts.replaces, replaces && <InvoiceLink invoice={replaces} />],
        [texts.replacedBy, replacedBy && <InvoiceLink invoice={replacedBy} />],
      ]}
    />
  );
}

export function InvoiceLink({ invoice: { id, number } }: { invoice: { id: string; number?: string | null } }) {
  return (
    <PageLink to="/invoices/$id" params={{ id }}>
      {number ?? texts.draft}
    </PageLink>
  );
}

function Lines({ invoice: { lines, currency, discountCents } }: { invoice: InvoicePartsFragment }) {
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={texts.lines}>
      <table className="plain-table lines">
        <thead>
          <tr>
            <th scope="col">{texts.columns.description}</th>
            <th scope="col" className="right">{texts.columns.quantity}</th>
            <th scope="col" className="right">{texts.columns.price}</th>
            {discountCents > 0 && <th scope="col" className="right">{texts.columns.discount}</th>}
            <th scope="col" className="right">{texts.columns.tax}</th>
            <th scope="col" className="right">{texts.columns.amount}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.id}>
              <td className="description">
                {line.description}
                {line.periodStart && line.periodEnd && (
                  <Text size="xs" c="dimmed">
                    {texts.range(formatDate(line.periodStart), formatDate(line.periodEnd))}
                  </Text>
                )}
              </td>
              <td className="right">{formatCount(line.quantity)}</td>
              <td className="right">
                <Money cents={line.unitAmountCents} currency={currency} />
              </td>
              {discountCents > 0 && (
                <td className="right">{line.discountCents ? <Money cents={-line.discountCents} currency={currency} /> : common.none}</td>
              )}
              <td className="right">
                <TaxOf line={line} />
              </td>
              <td className="right">
                <Money cents={line.amountCents} currency={currency} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function TaxOf({ line: { taxes, taxBehavior } }: { line: Line }) {
  if (!taxes.length) return common.none;
  return (
    <>
      {taxes.map(({ percent }) => `${percent} %`).join(', ')}
      {taxBehavior === 'INCLUSIVE' && (
        <Text size="xs" c="dimmed">
          {texts.included}
        </Text>
      )}
    </>
  );
}

function Totals({ invoice }: { invoice: InvoicePartsFragment }) {
  const { money } = useMoney();
  const { currency, discounts, taxes, subtotalCents, roundingCents, amountCents, amountDueCents, status } = invoice;
  const settled = status === 'VOID' || status === 'DRAFT' ? 0 : Math.max(amountCents, 0) - amountDueCents;
  return (
    <dl className="amounts totals">
      {discounts.map(({ name, amountCents: off }, position) => (
        <Amount key={position} label={name} cents={-off} currency={currency} quiet />
      ))}
      <Amount label={texts.subtotal} cents={subtotalCents} currency={currency} />
      {taxes.map(({ name, percent, taxableCents, amountCents: tax }, position) => (
        <Amount key={position} label={texts.taxOf(name, percent, money(taxableCents, currency))} cents={tax} currency={currency} />
      ))}
      {roundingCents !== 0 && <Amount label={texts.rounding} cents={roundingCents} currency={currency} />}
      <Amount label={texts.total} cents={amountCents} currency={currency} strong />
      {settled > 0 && <Amount label={texts.paidAlready} cents={-settled} currency={currency} />}
      {status !== 'DRAFT' && <Amount label={texts.amountDue} cents={amountDueCents} currency={currency} strong />}
    </dl>
  );
}

/** Why taxes are 0, how to pay, and the text of the invoice. */
function Foot({ invoice: { taxes, seller, memo, status, number } }: { invoice: InvoicePartsFragment }) {
  const reasons = taxes.flatMap(({ reason }) => reason ?? []);
  const account = status === 'OPEN' || status === 'UNCOLLECTIBLE' ? seller?.bankAccount : null;
  return (
    <>
      {reasons.map((reason) => (
        <Text key={reason} size="sm">
          {reason}
        </Text>
      ))}
      {memo && (
        <Text size="sm" className="memo">
          {memo}
        </Text>
      )}
      {account && (
        <Text size="sm">
          {texts.payTo}: {[account.iban, account.bic, account.bankName, number].filter(Boolean).join(' · ')}
        </Text>
      )}
      {status === 'DRAFT' && (
        <Text size="sm" c="dimmed">
          {texts.draftHint}
        </Text>
      )}
    </>
  );
}
