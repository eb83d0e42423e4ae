import { useState } from 'react';
import { ActionDialog } from '../../parts/ActionDialog';
import { errorAt, InstantField, TextField } from '../../parts/fields';
import { keyed, RowsField } from '../../parts/RowsField';
import { TaxRatesField } from '../../parts/TaxRatesField';
import { settingsTexts } from '../../texts/settings';
import type { Seller } from './Settings';
import { useUpdateSeller } from './useUpdateSeller';

const texts = settingsTexts.registrations;
const MOST = 200;

interface Registration {
  key: number;
  country: string;
  region: string;
  validFrom: string | null;
  rates: Seller['registrations'][number]['rates'];
  taxRateIds: string[];
}

function rowsOf(seller: Seller): Registration[] {
  return keyed(
    seller.registrations.map(({ country, region, validFrom, rates }) => ({
      country,
      region: region ?? '',
      validFrom,
      rates,
      taxRateIds: rates.map(({ id }) => id),
    })),
  );
}

/** Replaces the tax registrations of the seller, with a new version of it. */
export function EditRegistrations({ seller, onClose }: { seller: Seller; onClose: () => void }) {
  const [before] = useState(() => rowsOf(seller));
  const [rows, setRows] = useState(before);
  const action = useUpdateSeller(seller, () => ({
    registrations: rows.map(({ country, region, validFrom, taxRateIds }) => ({
      country,
      region: region || null,
      validFrom: validFrom ?? '',
      taxRateIds,
    })),
  }));
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={settingsTexts.update.submit}
      size="xl"
      disabled={rows === before || rows.some(({ validFrom }) => validFrom === null)}
      onClose={onClose}
    >
      <RowsField
        action={action}
        name="registrations"
        label={texts.label}
        rows={rows}
        most={MOST}
        rowName={texts.row}
        addText={texts.add}
        fresh={(key) => ({ key, country: '', region: '', validFrom: null, rates: [], taxRateIds: [] })}
        onChange={setRows}
      >
        {(row, index, change) => (
          <>
            <TextField
              label={texts.country}
              required
              value={row.country}
              onChange={(country) => change({ ...row, country })}
              {...errorAt(action, `registrations.${index}.country`)}
            />
            <TextField
              label={texts.region}
              placeholder={texts.regionHint}
              value={row.region}
              onChange={(region) => change({ ...row, region })}
              {...errorAt(action, `registrations.${index}.region`)}
            />
            <InstantField
              label={texts.validFrom}
              required
              value={row.validFrom}
              onChange={(validFrom) => change({ ...row, validFrom })}
              {...errorAt(action, `registrations.${index}.validFrom`)}
            />
            <TaxRatesField
              label={texts.rates}
              required
              chosen={row.rates}
              value={row.taxRateIds}
              onChange={(taxRateIds) => change({ ...row, taxRateIds })}
              {...errorAt(action, `registrations.${index}.taxRateIds`)}
            />
          </>
        )}
      </RowsField>
    </ActionDialog>
  );
}
