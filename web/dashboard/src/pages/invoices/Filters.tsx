import { Button, Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch, IconX } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { ListState } from '../../parts/DataTable';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { common } from '../../texts/common';
import { invoicesTexts as texts } from '../../texts/invoices';

export interface InvoicesSearch extends ListState {
  number: string | undefined;
  status: string | undefined;
  customer: string | undefined;
  currency: string | undefined;
  from: string | undefined;
  until: string | undefined;
}

export const STATUSES = ['DRAFT', 'OPEN', 'OVERDUE', 'PAID', 'VOID', 'UNCOLLECTIBLE'] as const;

const NONE = { number: undefined, status: undefined, customer: undefined, currency: undefined, from: undefined, until: undefined };

export function isFiltered(search: InvoicesSearch): boolean {
  return Object.keys(NONE).some((name) => search[name as keyof typeof NONE]);
}

export function Filters({ search, customer, onFilter }: {
  search: InvoicesSearch;
  /** The customer to whose invoices the list is limited. */
  customer: { name: string } | null;
  onFilter: (changed: Partial<InvoicesSearch>) => void;
}) {
  const { minorUnits } = useSession();
  const [number, setNumber] = useState(search.number ?? '');
  const ask = useDebouncedCallback((text: string) => onFilter({ number: text.trim() || undefined }), 150);
  const currencies = useMemo(() => Array.from(minorUnits.keys()), [minorUnits]);
  return (
    <Group className="filters" gap="xs">
      <TextInput
        className="grow"
        aria-label={texts.number}
        placeholder={texts.number}
        leftSection={<IconSearch size={16} aria-hidden />}
        type="search"
        maxLength={64}
        value={number}
        onChange={(event) => {
          setNumber(event.currentTarget.value);
          ask(event.currentTarget.value);
        }}
      />
      <Select
        aria-label={texts.status}
        placeholder={texts.anyStatus}
        clearable
        w={170}
        data={STATUSES.map((value) => ({
          value,
          label: value === 'OVERDUE' ? texts.statusOverdue : common.invoiceStatus[value],
        }))}
        value={oneOf(search.status, STATUSES) ?? null}
        onChange={(status) => onFilter({ status: status ?? undefined })}
      />
      <Select
        aria-label={texts.currency}
        placeholder={texts.currency}
        clearable
        searchable
        w={120}
        data={currencies}
        value={search.currency ?? null}
        onChange={(currency) => onFilter({ currency: currency ?? undefined })}
      />
      <Day label={texts.from} value={search.from} onChange={(from) => onFilter({ from })} />
      <Day label={texts.until} value={search.until} onChange={(until) => onFilter({ until })} />
      {customer && (
        <Button
          variant="default"
          rightSection={<IconX size={14} aria-hidden />}
          title={texts.allCustomers}
          onClick={() => onFilter({ customer: undefined })}
        >
          {texts.ofCustomer(customer.name)}
        </Button>
      )}
      {isFiltered(search) && (
        <Button
          variant="subtle"
          color="gray"
          className="quiet"
          onClick={() => {
            setNumber('');
            onFilter(NONE);
          }}
        >
          {texts.clear}
        </Button>
      )}
    </Group>
  );
}

function Day({ label, value, onChange }: { label: string; value: string | undefined; onChange: (day: string | undefined) => void }) {
  return (
    <TextInput
      type="date"
      w={225}
      leftSection={<span className="unit">{label}</span>}
      leftSectionWidth={88}
      aria-label={label}
      max="9999-12-31"
      value={value ?? ''}
      onChange={(event) => onChange(event.currentTarget.value || undefined)}
    />
  );
}
