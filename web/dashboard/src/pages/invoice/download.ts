import { decimalText } from '../../app/format';
import { invoiceTexts as texts } from '../../texts/invoice';
import type { InvoiceView } from './Invoice';

function save(name: string, type: string, text: string) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}

const nameOf = ({ number, id }: InvoiceView) => `${texts.invoice.toLowerCase()}-${number ?? id}`;

/** Saves the invoice as the API returned it. */
export function downloadJson(invoice: InvoiceView) {
  const text = JSON.stringify(invoice, (name, value: unknown) => (name === '__typename' ? undefined : value), 2);
  save(`${nameOf(invoice)}.json`, 'application/json', `${text}\n`);
}

/** A cell of text. A spreadsheet would take one that begins with such a sign for a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** Saves the lines as a table for spreadsheets. Amounts are in the main unit of the currency. */
export function downloadLines(invoice: InvoiceView, digits: number) {
  const { description, quantity, unitPrice, discount, amount, currency } = texts.columns;
  const head = [description, quantity, unitPrice, discount, amount, currency].map(cell);
  const rows = invoice.lines.map((line) => [
    cell(line.description),
    String(line.quantity),
    decimalText(line.unitAmountCents, digits),
    decimalText(line.discountCents, digits),
    decimalText(line.amountCents, digits),
    cell(invoice.currency),
  ]);
  save(`${nameOf(invoice)}.csv`, 'text/csv', [head, ...rows].map((row) => `${row.join(',')}\r\n`).join(''));
}
