import { NativeSelect } from '@mantine/core';
import { memo } from 'react';
import type { Action } from '../app/useAction';
import { lineTexts as texts } from '../texts/lines';
import { choicesOf, CountField, MoneyField, TextField } from './fields';

type TaxBehavior = keyof typeof texts.taxBehavior;

/** A line of a draft, as a person fills it in. */
export interface Line {
  /** Tells the lines of a form apart. */
  key: number;
  description: string;
  quantity: number | null;
  unitAmountCents: number | null;
  taxBehavior: TaxBehavior;
}

export function emptyLine(key = 0): Line {
  return { key, description: '', quantity: 1, unitAmountCents: null, taxBehavior: 'EXCLUSIVE' };
}

export function lineInput({ description, quantity, unitAmountCents, taxBehavior }: Line) {
  return { description, quantity: quantity ?? 0, unitAmountCents: unitAmountCents ?? 0, taxBehavior };
}

const TAX_CHOICES = choicesOf<TaxBehavior>(texts.taxBehavior);

interface Props {
  line: Line;
  currency: string;
  onChange: (line: Line) => void;
  autoFocus?: boolean;
}

/** The errors at the fields of a line. `path` is where the line is in the input, such as `lines.0.`. */
export function lineErrors(action: Action, path = '') {
  return {
    descriptionError: action.error(`${path}description`),
    quantityError: action.error(`${path}quantity`),
    priceError: action.error(`${path}unitAmountCents`),
    taxError: action.error(`${path}taxBehavior`),
  };
}

/** The fields of a line. A form may have 100 of them: only the one that a person changes is drawn again. */
export const LineFields = memo(function LineFields({ line, currency, onChange, autoFocus, ...errors }: Props & {
  descriptionError: string | undefined;
  quantityError: string | undefined;
  priceError: string | undefined;
  taxError: string | undefined;
}) {
  return (
    <div className="line-fields">
      <TextField
        label={texts.description}
        required
        autoFocus={autoFocus ?? false}
        value={line.description}
        onChange={(description) => onChange({ ...line, description })}
        error={errors.descriptionError}
      />
      <CountField
        label={texts.quantity}
        min={1}
        value={line.quantity}
        onChange={(quantity) => onChange({ ...line, quantity })}
        error={errors.quantityError}
      />
      <MoneyField
        label={texts.unitPrice}
        required
        currency={currency}
        value={line.unitAmountCents}
        onChange={(unitAmountCents) => onChange({ ...line, unitAmountCents })}
        error={errors.priceError}
      />
      <NativeSelect
        label={texts.tax}
        data={TAX_CHOICES}
        value={line.taxBehavior}
        onChange={(event) => onChange({ ...line, taxBehavior: event.currentTarget.value as TaxBehavior })}
        error={errors.taxError}
      />
    </div>
  );
});
