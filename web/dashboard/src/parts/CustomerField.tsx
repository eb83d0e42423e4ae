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
  chosen: { id: string; name: string } | null;
  onChange: (customer: CustomerChoice | null) => void;
  error?: string | undefined;
  required?: boolean;
  clearable?: boolean;
}) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed.trim(), PAUSE_MS);
  const [active, setActive] = useState(false);
  const text = asked === chosen?.name ? '' : asked;
  const [{ data }] = useQuery({ query: CustomerChoicesDocument, variables: { text: text || null }, pause: !active });
  const found = data?.customers.nodes ?? [];
  const choices = found.map(({ id, name, email }) => ({ value: id, label: `${name} · ${email}` }));
  if (chosen && !choices.some(({ value }) => value === chosen.id)) choices.unshift({ value: chosen.id, label: chosen.name });
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
