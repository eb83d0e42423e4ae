import { Select } from '@mantine/core';
import { useMemo } from 'react';
import { oneOf } from '../app/search-params';
import { useSession } from '../app/session';
import { common } from '../texts/common';

interface Filter {
  /** As it stands in the address of the page. */
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

const ARCHIVED = Object.entries(common.filters.archivedChoices).map(([value, label]) => ({ value, label }));

/** The condition of a list for what its address says about archived objects. */
export function archivedCondition(archived: string | undefined): { archived?: boolean } {
  return archived === 'all' ? {} : { archived: archived === 'yes' };
}

/** Limits a list to objects that are archived, or not. */
export function ArchivedFilter({ value, onChange }: Filter) {
  return (
    <Select
      aria-label={common.filters.archived}
      w={150}
      allowDeselect={false}
      data={ARCHIVED}
      value={oneOf(value, ['yes', 'all']) ?? 'no'}
      onChange={(archived) => onChange(archived === 'no' || archived === null ? undefined : archived)}
    />
  );
}

/** Limits a list to a currency. */
export function CurrencyFilter({ value, onChange }: Filter) {
  const { minorUnits } = useSession();
  const currencies = useMemo(() => Array.from(minorUnits.keys()), [minorUnits]);
  return (
    <Select
      aria-label={common.filters.currency}
      placeholder={common.filters.currency}
      clearable
      searchable
      w={130}
      data={currencies}
      value={value ?? null}
      onChange={(currency) => onChange(currency ?? undefined)}
    />
  );
}
