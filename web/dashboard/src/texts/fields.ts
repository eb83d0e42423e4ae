/** Texts of form fields. */
export const fieldTexts = {
  amount: (example: string) => `Write an amount like ${example}.`,
  customer: 'Type a name or an e-mail address',
  noCustomer: 'No customer matches.',
  taxRates: 'Choose tax rates',
  noTaxRates: 'No tax rate. Create one under “Settings”.',
  moreTaxRates: 'Only the first 100 tax rates are listed.',
  remove: (row: string) => `Remove: ${row}`,
  taxIds: {
    label: 'VAT numbers',
    hint: 'Each with the country that issued it.',
    add: 'Add a VAT number',
    row: (number: number) => `VAT number ${number}`,
    country: 'Country (two letters)',
    number: 'Number',
  },
} as const;
