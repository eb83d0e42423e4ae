import type { Action } from '../app/useAction';
import { fieldTexts } from '../texts/fields';
import { errorAt, TextField } from './fields';
import { RowsField } from './RowsField';

const texts = fieldTexts.taxIds;
const MOST = 10;

export interface TaxId {
  key: number;
  country: string;
  value: string;
}

export function taxIdInputs(ids: readonly TaxId[]) {
  return ids.map(({ country, value }) => ({ country, value }));
}

/** The VAT numbers of the seller or of a customer, in the input's field `taxIds`. */
export function TaxIdsField({ action, value, onChange }: { action: Action; value: readonly TaxId[]; onChange: (ids: TaxId[]) => void }) {
  return (
    <RowsField
      action={action}
      name="taxIds"
      label={texts.label}
      description={texts.hint}
      rows={value}
      most={MOST}
      rowName={texts.row}
      addText={texts.add}
      fresh={(key) => ({ key, country: '', value: '' })}
      onChange={onChange}
    >
      {(id, index, change) => (
        <>
          <TextField
            label={texts.country}
            required
            value={id.country}
            onChange={(country) => change({ ...id, country })}
            {...errorAt(action, `taxIds.${index}.country`)}
          />
          <TextField
            label={texts.number}
            required
            value={id.value}
            onChange={(number) => change({ ...id, value: number })}
            {...errorAt(action, `taxIds.${index}.value`)}
          />
        </>
      )}
    </RowsField>
  );
}
