export const plansTexts = {
  createTitle: 'New plan',
  createIntro: 'A plan is a price for each interval. Its price, currency and interval never change: create another plan instead.',
  createSubmit: 'Create plan',
  created: 'The plan was created.',
  fields: {
    name: 'Name',
    code: 'Code',
    codeHint: 'How your product names the plan, such as pro-monthly.',
    amount: 'Price',
    currency: 'Currency',
    interval: 'Interval',
    intervalCount: 'Every',
    trialDays: 'Trial in days',
  },
  intervals: { DAY: 'Days', WEEK: 'Weeks', MONTH: 'Months', YEAR: 'Years' },
} as const;
