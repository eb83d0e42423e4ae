import type { InvoicePartsFragment } from '../../generated/invoice/graphql';
import { decimalText } from '../../app/format';

/** Lets the browser save a text as a file. */
function save(text: string, type: string, name: string) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}

function nameOf({ number, id }: InvoicePartsFragment): string {
  return `invoice-${number ?? id}`;
}

/** Saves the invoice as the API returns it: amounts are in the smallest unit of the currency. */
export function downloadJson(invoice: InvoicePartsFragment) {
  const text = JSON.stringify(invoice, (name, value: unknown) => (name === '__typename' ? undefined : value), 2);
  save(`${text}\n`, 'application/json', `${nameOf(invoice)}.json`);
}

/** A text in CSV. An apostrophe keeps a spreadsheet from running a text as a formula. */
function quoted(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

/** Saves the lines of the invoice as CSV, with amounts in the main unit of the currency. */
export function downloadCsv(invoice: InvoicePartsFragment, digits: number) {
  const { number, currency, lines } = invoice;
  const amount = (cents: number) => decimalText(cents, digits);
  const head = 'invoice,description,quantity,unit_amount,amount,discount,net,tax,currency';
  const rows = lines.map(({ description, quantity, unitAmountCents, amountCents, discountCents, netCents, taxes }) => {
    const tax = taxes.reduce((sum, each) => sum + each.amountCents, 0);
    const amounts = [unitAmountCents, amountCents, discountCents, netCents, tax].map(amount);
    return [quoted(number ?? ''), quoted(description), quantity, ...amounts, currency].join(',');
  });
  save(`${[head, ...rows].join('\r\n')}\r\n`, 'text/csv', `${nameOf(invoice)}.csv`);
}
