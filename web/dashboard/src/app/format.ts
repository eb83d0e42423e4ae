import { useSession } from './session';

/** Formats numbers and times for the reader, in the language of the texts. */
export const locale = navigator.languages.find((each) => each.startsWith('en')) ?? 'en';

const dateFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const timeFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const utcFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' });
const monthFormat = new Intl.DateTimeFormat(locale, { month: 'short', year: '2-digit', timeZone: 'UTC' });
const countFormat = new Intl.NumberFormat(locale);

export const formatDate = (instant: string) => dateFormat.format(new Date(instant));
/** A day in a time zone, such as that of the seller. */
export const formatDateIn = (instant: string, timeZone: string) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone }).format(new Date(instant));
export const formatTime = (instant: string) => timeFormat.format(new Date(instant));
export const formatUtc = (instant: string) => utcFormat.format(new Date(instant));
export const formatMonth = (instant: string) => monthFormat.format(new Date(instant));
export const formatCount = (count: number) => countFormat.format(count);

const moneyFormats = new Map<string, Intl.NumberFormat>();

function moneyFormat(currency: string, digits: number, compact: boolean): Intl.NumberFormat {
  const name = `${currency} ${compact}`;
  const known = moneyFormats.get(name);
  if (known) return known;
  const fraction = compact
    ? { notation: 'compact' as const, maximumFractionDigits: 1 }
    : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const created = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'symbol', ...fraction });
  moneyFormats.set(name, created);
  return created;
}

/** An amount in the smallest unit of a currency, as decimal text: 12345 with 2 digits is 123.45. Uses no floats. */
export function decimalText(cents: number, digits: number): string {
  const sign = cents < 0 ? '-' : '';
  const text = String(Math.abs(cents)).padStart(digits + 1, '0');
  return digits ? `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}` : `${sign}${text}`;
}

/** Formats amounts, with the number of digits that the server gives for their currency. */
export function useMoney() {
  const { minorUnits } = useSession();
  const digitsOf = (currency: string) => minorUnits.get(currency) ?? 2;
  return {
    digitsOf,
    /** `€123.45` in the reader's notation. Dollars other than those of the USA have their country, as in `CA$`. */
    money(cents: number, currency: string): string {
      const digits = digitsOf(currency);
      return moneyFormat(currency, digits, false).format(decimalText(cents, digits) as Intl.StringNumericLiteral);
    },
    /** A short form for axes of charts. */
    shortMoney(cents: number, currency: string): string {
      return moneyFormat(currency, 0, true).format(cents / 10 ** digitsOf(currency));
    },
  };
}

const AMOUNT = /^([+-]?)(\d{1,16}|\d{1,3}(?:,\d{3})+)(?:\.(\d*))?$/;

/**
 * Reads what a person typed as an amount, in the smallest unit. Null if it is not one.
 *
 * Commas may only group thousands: 12,50 is not taken for 1250.
 */
export function centsOf(text: string, digits: number): number | null {
  const match = AMOUNT.exec(text.trim());
  if (!match) return null;
  const [, sign, whole = '', fraction = ''] = match;
  if (fraction.replace(/0+$/, '').length > digits) return null;
  const cents = Number(whole.replaceAll(',', '') + fraction.slice(0, digits).padEnd(digits, '0'));
  return Number.isSafeInteger(cents) ? (sign === '-' ? -cents : cents) : null;
}
