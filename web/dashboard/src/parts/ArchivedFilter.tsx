import { Select } from '@mantine/core';
import { oneOf } from '../app/search-params';
import { plansTexts as texts } from '../texts/plans';

const CHOICES = Object.entries(texts.filters).map(([value, label]) => ({ value, label }));

/** The condition of a list for what its address says about archived objects. */
export function archivedCondition(archived: string | undefined): { archived?: boolean } {
  return archived === 'all' ? {} : { archived: archived === 'yes' };
}

/** Limits a list to objects that are archived, or not. */
export function ArchivedFilter({ value, onChange }: { value: string | undefined; onChange: (archived: string | undefined) => void }) {
  return (
    <Select
      aria-label={texts.archivedFilter}
      w={150}
      allowDeselect={false}
      data={CHOICES}
      value={oneOf(value, ['yes', 'all']) ?? 'no'}
      onChange={(archived) => onChange(archived === 'no' || archived === null ? undefined : archived)}
    />
  );
}
