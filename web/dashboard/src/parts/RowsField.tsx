import { ActionIcon, Button, Group, Input, Stack } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { fieldTexts as texts } from '../texts/fields';

/** Tells the rows of a form apart while some are removed. */
interface Row {
  key: number;
}

interface Props<Value extends Row> {
  label: string;
  description?: string;
  rows: readonly Value[];
  most?: number;
  /** The name of a row, such as `VAT number 2`. */
  rowName: (number: number) => string;
  addText: string;
  fresh: (key: number) => Value;
  onChange: (rows: Value[]) => void;
  error?: string | undefined;
  children: (row: Value, index: number, onChange: (row: Value) => void) => ReactNode;
}

/** Gives values their keys. */
export function keyed<Value extends object>(values: readonly Value[]): (Value & Row)[] {
  return values.map((value, key) => ({ ...value, key }));
}

/** A list of rows that a person adds, fills in and removes. */
export function RowsField<Value extends Row>({ label, description, rows, most = Infinity, rowName, addText, fresh, onChange, error, children }: Props<Value>) {
  const change = (changed: Value) => onChange(rows.map((row) => (row.key === changed.key ? changed : row)));
  return (
    <Input.Wrapper component="div" label={label} labelElement="div" description={description} error={error}>
      <Stack gap="xs" mt="xs">
        {rows.map((row, index) => (
          <fieldset key={row.key} className="line">
            <legend>{rowName(index + 1)}</legend>
            <div className="row-fields">{children(row, index, change)}</div>
            <ActionIcon
              variant="subtle"
              color="gray"
              className="quiet"
              aria-label={texts.remove(rowName(index + 1))}
              onClick={() => onChange(rows.filter(({ key }) => key !== row.key))}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </fieldset>
        ))}
        <Group>
          <Button
            variant="default"
            size="xs"
            leftSection={<IconPlus size={14} />}
            disabled={rows.length >= most}
            onClick={() => onChange([...rows, fresh((rows.at(-1)?.key ?? -1) + 1)])}
          >
            {addText}
          </Button>
        </Group>
      </Stack>
    </Input.Wrapper>
  );
}
