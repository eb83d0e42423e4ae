/** An event in words: `INVOICE_MARKED_UNCOLLECTIBLE` is “Invoice marked uncollectible”. */
export function eventText(type: string): string {
  const words = type.replaceAll('_', ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
