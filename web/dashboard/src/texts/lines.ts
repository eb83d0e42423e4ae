/** Texts of lines of a draft. */
export const lineTexts = {
  description: 'Description',
  quantity: 'Quantity',
  unitPrice: 'Unit price',
  tax: 'Tax',
  taxBehavior: { EXCLUSIVE: 'Added to the price', INCLUSIVE: 'Included in the price' },
} as const;
