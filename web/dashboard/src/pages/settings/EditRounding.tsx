import { useState } from 'react';
import { ActionDialog } from '../../parts/ActionDialog';
import { CurrencyField, MoneyField } from '../../parts/fields';
import { keyed, RowsField } from '../../parts/RowsField';
import { settingsTexts } from '../../texts/settings';
import type { Seller } from './Settings';
import { useUpdateSeller } from './useUpdateSeller';

const texts = settingsTexts.rounding;

interface Rounding {
  key: number;
  currency: string;
  incrementCents: number | null;
}

/** Replaces the cash rounding of the seller, with a new version of it. */
export function EditRounding({ seller, onClose }: { seller: Seller; onClose: () => void }) {
  const [before] = useState<Rounding[]>(() => keyed(seller.cashRounding));
  const [rows, setRows] = useState(before);
  const action = useUpdateSeller(seller, () => ({
    cashRounding: rows.map(({ currency, incrementCents }) => ({ currency, incrementCents: incrementCents ?? 0 })),
  }));
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={settingsTexts.update.submit}
      size="lg"
      disabled={rows === before || rows.some(({ incrementCents }) => incrementCents === null)}
      onClose={onClose}
    >
      <RowsField
        action={action}
        name="cashRounding"
        label={texts.label}
        rows={rows}
        rowName={texts.row}
        addText={texts.add}
        fresh={(key) => ({ key, currency: 'CHF', incrementCents: 5 })}
        onChange={setRows}
      >
        {(row, _index, change) => (
          <>
            <CurrencyField
              label={texts.currency}
              value={row.currency}
              onChange={(currency) => change({ ...row, currency })}
            />
            <MoneyField
              label={texts.increment}
              required
              currency={row.currency}
              value={row.incrementCents}
              onChange={(incrementCents) => change({ ...row, incrementCents })}
            />
          </>
        )}
      </RowsField>
    </ActionDialog>
  );
}
