import { NumberInput, Select, Textarea, TextInput } from '@mantine/core';
import { useEffect, useMemo, useState } from 'react';
import { centsOf, decimalText, useMoney } from '../app/format';
import { useSession } from '../app/session';
import type { Action } from '../app/useAction';
import { fieldTexts } from '../texts/fields';

/** The values of a form, by name, and a function that changes one. */
export function useValues<Values extends object>(initial: Values) {
  const [values, setValues] = useState(initial);
  function set<Name extends keyof Values>(name: Name, value: Values[Name]) {
    setValues((before) => ({ ...before, [name]: value }));
  }
  return { values, set, setValues };
}

interface Field<Value> {
  label: string;
  description?: string;
  placeholder?: string;
  required?: boolean;
  value: Value;
  onChange: (value: Value) => void;
  /** Error of the server at this field. */
  error?: string | undefined;
  disabled?: boolean;
  autoFocus?: boolean;
}

export function TextField({ onChange, autoFocus, rows, type, error, ...field }: Field<string> & { rows?: number; type?: 'email' | 'tel' }) {
  const props = {
    ...field,
    error,
    'data-autofocus': autoFocus || undefined,
    onChange: (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value),
  };
  if (rows) return <Textarea {...props} autosize minRows={rows} maxRows={10} />;
  return <TextInput {...props} type={type ?? 'text'} autoComplete="off" />;
}

/** A whole number. Null if it is empty. */
export function CountField({ onChange, autoFocus, min, max, value, error, ...field }: Field<number | null> & { min?: number; max?: number }) {
  return (
    <NumberInput
      {...field}
      error={error}
      {...(min === undefined ? {} : { min })}
      {...(max === undefined ? {} : { max })}
      allowDecimal={false}
      clampBehavior="none"
      value={value ?? ''}
      data-autofocus={autoFocus || undefined}
      onChange={(next) => onChange(next === '' ? null : Math.trunc(Number(next)))}
    />
  );
}

/** An amount of money. The person writes it in the main unit; `onChange` gets the smallest unit, or null if it is not an amount. */
export function MoneyField({ currency, value, onChange, error, autoFocus, ...field }: Field<number | null> & { currency: string }) {
  const { digitsOf } = useMoney();
  const digits = digitsOf(currency);
  const [text, setText] = useState(() => (value === null ? '' : decimalText(value, digits)));
  const current = centsOf(text, digits);
  // What a person typed stays: with another currency, it is another number of the smallest unit.
  useEffect(() => {
    if (value !== current) onChange(current);
  }, [digits]);
  const problem =
    text.trim() !== '' && current === null
      ? fieldTexts.amount(decimalText(10 ** digits * 12 + (digits ? 5 : 0), digits))
      : '';
  return (
    <TextInput
      {...field}
      ref={(input) => input?.setCustomValidity(problem)}
      inputMode="decimal"
      autoComplete="off"
      value={text}
      data-autofocus={autoFocus || undefined}
      rightSection={<span className="unit">{currency}</span>}
      rightSectionWidth={52}
      error={problem || error}
      onChange={(event) => {
        setText(event.currentTarget.value);
        onChange(centsOf(event.currentTarget.value, digits));
      }}
    />
  );
}

interface Choice<Value extends string> {
  value: Value;
  label: string;
}

export function ChoiceField<Value extends string>({ choices, onChange, autoFocus, searchable, error, ...field }: Field<Value> & {
  choices: readonly Choice<Value>[];
  searchable?: boolean;
}) {
  return (
    <Select
      {...field}
      error={error}
      data={choices as Choice<Value>[]}
      allowDeselect={false}
      searchable={searchable ?? false}
      data-autofocus={autoFocus || undefined}
      onChange={(value) => {
        if (value !== null) onChange(value as Value);
      }}
    />
  );
}

/** The choices of an enum whose texts are in a catalogue. */
export function choicesOf<Value extends string>(texts: Record<Value, string>): Choice<Value>[] {
  return (Object.entries(texts) as [Value, string][]).map(([value, label]) => ({ value, label }));
}

export function CurrencyField(field: Field<string>) {
  const { minorUnits } = useSession();
  const choices = useMemo(() => Array.from(minorUnits.keys(), (code) => ({ value: code, label: code })), [minorUnits]);
  return <ChoiceField {...field} choices={choices} searchable />;
}

/** The field's props for an action: its error comes from the server's `userErrors`. */
export function errorAt(action: Action, path: string): { error: string | undefined } {
  return { error: action.error(path) };
}

/** A date and time in the reader's zone. The value is an instant in UTC, or null if it is empty. */
export function InstantField({ value, onChange, error, autoFocus, ...field }: Field<string | null>) {
  return (
    <TextInput
      {...field}
      type="datetime-local"
      error={error}
      value={value === null ? '' : localText(value)}
      data-autofocus={autoFocus || undefined}
      onChange={(event) => {
        const time = new Date(event.currentTarget.value);
        onChange(Number.isNaN(time.getTime()) ? null : time.toISOString().replace('.000', ''));
      }}
    />
  );
}

function localText(instant: string): string {
  const time = new Date(instant);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
