/** Texts of form fields. */
export const fieldTexts = {
  amount: (example: string) => `Write an amount like ${example}.`,
} as const;
