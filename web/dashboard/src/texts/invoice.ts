export const invoiceTexts = {
  invoice: 'Invoice',
  notFound: 'There is no invoice with this id.',
  customer: 'Customer',
  issued: 'Issued',
  due: 'Due on',
  amountDue: 'Due amount',
  lines: 'Lines',
  total: 'Total',
} as const;
