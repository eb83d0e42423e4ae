import { Select } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useQuery } from 'urql';
import { CustomerChoicesDocument, type CustomerChoicesQuery } from '../generated/parts/graphql';
import { fieldTexts as texts } from '../texts/fields';

export type CustomerChoice = CustomerChoicesQuery['customers']['nodes'][number];

const PAUSE_MS = 150;
const SEARCHABLE = /[\p{L}\p{N}]/u;

/** Finds a customer while a person types. */
export function CustomerField({ label, required, autoFocus, value, onChange, error }: {
  label: string;
  required?: boolean;
  autoFocus?: boolean;
  value: CustomerChoice | null;
  onChange: (customer: CustomerChoice | null) => void;
  error?: string | undefined;
}) {
  const [text, setText] = useState('');
  const [asked] = useDebouncedValue(text.trim().slice(0, 200), PAUSE_MS);
  const pause = !SEARCHABLE.test(asked);
  const [{ data, fetching }] = useQuery({ query: CustomerChoicesDocument, variables: { text: asked }, pause });
  const found = pause ? [] : (data?.customers.nodes ?? []);
  const known = value && !found.some(({ id }) => id === value.id) ? [value, ...found] : found;
  return (
    <Select
      label={label}
      required={required ?? false}
      placeholder={texts.findCustomer}
      searchable
      clearable={!required}
      error={error}
      data-autofocus={autoFocus || undefined}
      data={known.map(({ id, name, email }) => ({ value: id, label: `${name} – ${email}` }))}
      // The server has searched already.
      filter={({ options }) => options}
      nothingFoundMessage={pause ? texts.findCustomerHint : fetching ? texts.searching : texts.noCustomer}
      value={value?.id ?? null}
      onSearchChange={setText}
      onChange={(id) => onChange(known.find((each) => each.id === id) ?? null)}
    />
  );
}
