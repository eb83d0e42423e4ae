import { Select } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useQuery } from 'urql';
import { CustomerChoicesDocument, type CustomerChoicesQuery } from '../generated/parts/graphql';
import { fieldTexts } from '../texts/fields';

export type CustomerChoice = CustomerChoicesQuery['customers']['nodes'][number];

const PAUSE_MS = 150;

/** Finds a customer by a part of the name or e-mail address. The server searches. */
export function CustomerField({ label, hiddenLabel, chosen, onChange, error, required, clearable }: {
  label: string;
  /** The label is for screen readers only. */
  hiddenLabel?: boolean;
  chosen: { id: string; name: string; email: string } | null;
  onChange: (customer: CustomerChoice | null) => void;
  error?: string | undefined;
  required?: boolean;
  clearable?: boolean;
}) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed.trim(), PAUSE_MS);
  const [active, setActive] = useState(false);
  // The field shows the chosen customer as its text, which is not a search.
  const text = chosen && asked === labelOf(chosen) ? '' : asked;
  const [{ data }] = useQuery({ query: CustomerChoicesDocument, variables: { text: text || null }, pause: !active });
  const found = data?.customers.nodes ?? [];
  const choices = found.map((customer) => ({ value: customer.id, label: labelOf(customer) }));
  if (chosen && !choices.some(({ value }) => value === chosen.id)) choices.unshift({ value: chosen.id, label: labelOf(chosen) });
  return (
    <Select
      {...(hiddenLabel ? { 'aria-label': label } : { label })}
      placeholder={hiddenLabel ? label : fieldTexts.customer}
      required={required ?? false}
      clearable={clearable ?? false}
      searchable
      filter={({ options }) => options}
      nothingFoundMessage={fieldTexts.noCustomer}
      data={choices}
      value={chosen?.id ?? null}
      error={error}
      onFocus={() => setActive(true)}
      onSearchChange={setTyped}
      onChange={(id) => onChange(found.find((customer) => customer.id === id) ?? null)}
    />
  );
}

function labelOf({ name, email }: { name: string; email: string }): string {
  return `${name} · ${email}`;
}
