import { MultiSelect } from '@mantine/core';
import { usePage } from '../app/usePage';
import { TaxRateChoicesDocument } from '../generated/parts/graphql';
import { fieldTexts as texts } from '../texts/fields';

interface TaxRate {
  id: string;
  name: string;
  percent: string;
}

/** Tax rates, by id. `chosen` are those that were chosen before, which may be archived by now. */
export function TaxRatesField({ label, description, required, chosen = [], value, onChange, error }: {
  label: string;
  description?: string;
  required?: boolean;
  chosen?: readonly TaxRate[];
  value: readonly string[];
  onChange: (ids: string[]) => void;
  error?: string | undefined;
}) {
  const { data } = usePage(TaxRateChoicesDocument, {});
  const rates = new Map([...chosen, ...(data?.taxRates.nodes ?? [])].map((rate) => [rate.id, rate]));
  return (
    <MultiSelect
      label={label}
      description={data?.taxRates.pageInfo.hasNextPage ? texts.moreTaxRates : description}
      required={required ?? false}
      searchable
      clearable
      placeholder={value.length ? '' : texts.taxRates}
      nothingFoundMessage={texts.noTaxRates}
      data={Array.from(rates.values(), ({ id, name, percent }) => ({ value: id, label: `${name} ${percent}%` }))}
      value={[...value]}
      onChange={onChange}
      error={error}
    />
  );
}
