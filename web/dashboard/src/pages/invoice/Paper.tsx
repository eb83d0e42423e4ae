import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { formatCount, formatDateIn, useMoney } from '../../app/format';
import type { AddressPartsFragment } from '../../generated/invoice/graphql';
import { Amount } from '../../parts/InvoicePreview';
import { Facts } from '../../parts/Page';
import { Money, PageLink } from '../../parts/values';
import { common } from '../../texts/common';
import { invoiceTexts as texts } from '../../texts/invoice';
import type { InvoiceView } from './Invoice';

type Line = InvoiceView['lines'][number];

/** The invoice as a document: who bills whom, for what, and how much. This is what is printed. */
export function Paper({ invoice }: { invoice: InvoiceView }) {
  const { seller, memo } = invoice;
  const bank = seller?.bankAccount;
  return (
    <article className="panel paper" aria-label={texts.invoice}>
      <div className="parties">
        <Party title={texts.seller}>
          {seller ? (
            <>
              <strong>{seller.legalName}</strong>
              <AddressLines address={seller.address} />
              <TaxIds values={seller.taxIds.map(({ value }) => value)} />
              {seller.email && <span>{seller.email}</span>}
              {seller.phone && <span>{seller.phone}</span>}
            </>
          ) : (
            <span className="dimmed">{invoice.status === 'DRAFT' ? texts.draftSeller : texts.noSeller}</span>
          )}
        </Party>
        <BillTo invoice={invoice} />
      </div>
      <Facts facts={factsOf(invoice)} />
      <Lines invoice={invoice} />
      <div className="paper-foot">
        <div className="party">
          {memo && <p className="memo">{memo}</p>}
          {bank && (
            <Party title={texts.payTo}>
              <span>{texts.iban(bank.iban)}</span>
              {bank.bic && <span>{texts.bic(bank.bic)}</span>}
              {bank.bankName && <span>{bank.bankName}</span>}
            </Party>
          )}
          {invoice.status === 'DRAFT' && (
            <Text size="sm" c="dimmed">
              {texts.draftTotals}
            </Text>
          )}
        </div>
        <Totals invoice={invoice} />
      </div>
    </article>
  );
}

function Party({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="party" aria-label={title}>
      <Text size="xs" c="dimmed" component="h2" fw={600}>
        {title}
      </Text>
      {children}
    </section>
  );
}

/** A finalized invoice has the details of its time. A draft has those of the customer now. */
function BillTo({ invoice: { billTo, customer } }: { invoice: InvoiceView }) {
  const { name, email, address } = billTo ?? customer;
  const taxIds = billTo ? [...(billTo.taxId ? [billTo.taxId] : []), ...billTo.taxIds.map(({ value }) => value)] : [];
  return (
    <Party title={texts.billTo}>
      <PageLink to="/customers/$id" params={{ id: customer.id }} className="strong">
        {name}
      </PageLink>
      <AddressLines address={address} />
      <TaxIds values={Array.from(new Set(taxIds))} />
      <span>{email}</span>
    </Party>
  );
}

function AddressLines({ address }: { address: AddressPartsFragment | null | undefined }) {
  if (!address) return null;
  const { line1, line2, postalCode, city, region, country } = address;
  const lines = [line1, line2, [postalCode, city].filter(Boolean).join(' '), region, country].filter(Boolean);
  return lines.map((line, place) => <span key={place}>{line}</span>);
}

function TaxIds({ values }: { values: readonly string[] }) {
  return values.length ? <span>{texts.taxIds(values.join(', '))}</span> : null;
}

/** A date of the document: a day in the time zone of its seller, whoever reads it. */
function dateOf({ seller }: Pick<InvoiceView, 'seller'>, instant: string): string {
  return formatDateIn(instant, seller?.timeZone ?? 'UTC');
}

function factsOf(invoice: InvoiceView): [string, ReactNode][] {
  const { kind, periodStart, periodEnd, poNumber, replaces, replacedBy } = invoice;
  return [
    [texts.issued, invoice.issuedAt && dateOf(invoice, invoice.issuedAt)],
    [texts.due, invoice.dueAt && dateOf(invoice, invoice.dueAt)],
    [texts.paid, invoice.paidAt && dateOf(invoice, invoice.paidAt)],
    [texts.kind, common.invoiceKind[kind]],
    [texts.period, periodStart === periodEnd ? null : texts.range(dateOf(invoice, periodStart), dateOf(invoice, periodEnd))],
    [texts.poNumber, poNumber],
    [texts.replaces, replaces && <InvoiceLink invoice={replaces} />],
    [texts.replacedBy, replacedBy && <InvoiceLink invoice={replacedBy} />],
  ];
}

export function InvoiceLink({ invoice: { id, number } }: { invoice: { id: string; number?: string | null } }) {
  return (
    <PageLink to="/invoices/$id" params={{ id }}>
      {number ?? texts.draft}
    </PageLink>
  );
}

function Lines({ invoice }: { invoice: InvoiceView }) {
  const { lines, currency } = invoice;
  if (!lines.length) return <p className="dimmed">{texts.noLines}</p>;
  const { description, quantity, unitPrice, tax, amount } = texts.columns;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={texts.lines}>
      <table className="plain-table lines-table">
        <thead>
          <tr>
            <th>{description}</th>
            <th className="right wide">{quantity}</th>
            <th className="right wide">{unitPrice}</th>
            <th className="right wide">{tax}</th>
            <th className="right">{amount}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <LineRow key={line.id} line={line} currency={currency} dayOf={(instant) => dateOf(invoice, instant)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** On narrow screens, quantity, price and tax are below the description. */
function LineRow({ line, currency, dayOf }: { line: Line; currency: string; dayOf: (instant: string) => string }) {
  const { money } = useMoney();
  const { quantity, unitAmountCents, periodStart, periodEnd } = line;
  const price = money(unitAmountCents, currency);
  return (
    <tr>
      <td className="line-text">
        {line.description}
        {periodStart && periodEnd && (
          <Text size="xs" c="dimmed">
            {texts.range(dayOf(periodStart), dayOf(periodEnd))}
          </Text>
        )}
        <Text size="xs" c="dimmed" className="narrow">
          {texts.linePrice(formatCount(quantity), price, taxText(line) ?? texts.noTax)}
        </Text>
      </td>
      <td className="right wide">{formatCount(quantity)}</td>
      <td className="right wide money">{price}</td>
      <td className="right wide">{taxText(line) ?? common.none}</td>
      <td className="right">
        <Money cents={line.amountCents} currency={currency} />
      </td>
    </tr>
  );
}

/** The percentages of a line, or null if it has none. */
function taxText({ taxes, taxBehavior }: Line): string | null {
  if (!taxes.length) return null;
  const percents = taxes.map(({ percent }) => `${percent}%`).join(' + ');
  return taxBehavior === 'INCLUSIVE' ? `${percents} ${texts.included}` : percents;
}

function Totals({ invoice }: { invoice: InvoiceView }) {
  const { money } = useMoney();
  const { currency, discounts, taxes, roundingCents, status } = invoice;
  return (
    <dl className="amounts">
      {/* The subtotal is after discounts and without taxes. */}
      {discounts.map(({ name, amountCents }, place) => (
        <Amount key={place} label={name} cents={-amountCents} currency={currency} quiet />
      ))}
      <Amount label={texts.subtotal} cents={invoice.subtotalCents} currency={currency} />
      {taxes.map(({ name, percent, taxableCents, amountCents, reason }, place) => (
        <Amount
          key={place}
          label={reason ?? texts.onAmount(texts.taxOf(name, percent), money(taxableCents, currency))}
          cents={amountCents}
          currency={currency}
          quiet
        />
      ))}
      {roundingCents !== 0 && <Amount label={texts.rounding} cents={roundingCents} currency={currency} quiet />}
      <Amount label={texts.total} cents={invoice.amountCents} currency={currency} strong />
      {status !== 'DRAFT' && <Amount label={texts.amountDue} cents={invoice.amountDueCents} currency={currency} strong />}
    </dl>
  );
}
