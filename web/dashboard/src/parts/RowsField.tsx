import { ActionIcon, Button, Group, Input, Stack } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useEffect, useRef, type ReactNode } from 'react';
import type { Action } from '../app/useAction';
import { fieldTexts as texts } from '../texts/fields';
import { errorAt } from './fields';

/** Tells the rows of a form apart while some are removed. */
interface Row {
  key: number;
}

interface Props<Value extends Row> {
  action: Action;
  /** The field of the action's input. */
  name: string;
  label: string;
  description?: string;
  rows: readonly Value[];
  most?: number;
  /** The name of a row, such as `VAT number 2`. */
  rowName: (number: number) => string;
  addText: string;
  fresh: (key: number) => Value;
  onChange: (rows: Value[]) => void;
  children: (row: Value, index: number, onChange: (row: Value) => void) => ReactNode;
}

/** Gives values their keys. */
export function keyed<Value extends object>(values: readonly Value[]): (Value & Row)[] {
  return values.map((value, key) => ({ ...value, key }));
}

/** A list of rows that a person adds, fills in and removes. */
export function RowsField<Value extends Row>({ action, name, label, description, rows, most = Infinity, rowName, addText, fresh, onChange, children }: Props<Value>) {
  const list = useRef<HTMLDivElement>(null);
  const focusAfter = useRef<string>(undefined);
  useEffect(() => {
    if (focusAfter.current) list.current?.querySelector<HTMLElement>(focusAfter.current)?.focus();
    focusAfter.current = undefined;
  }, [rows]);
  const add = () => {
    focusAfter.current = 'fieldset:last-of-type input';
    onChange([...rows, fresh((rows.at(-1)?.key ?? -1) + 1)]);
  };
  const remove = (removed: Value, index: number) => {
    const left = rows.filter(({ key }) => key !== removed.key);
    const next = Math.min(index, left.length - 1) + 1;
    focusAfter.current = next ? `fieldset:nth-of-type(${next}) > button` : 'button';
    // Errors name rows by their place, which other rows have now.
    action.reset();
    onChange(left);
  };
  const change = (changed: Value) => onChange(rows.map((row) => (row.key === changed.key ? changed : row)));
  return (
    <Input.Wrapper component="div" label={label} labelElement="div" description={description} {...errorAt(action, name)}>
      <Stack gap="xs" mt="xs" ref={list}>
        {rows.map((row, index) => (
          <fieldset key={row.key} className="line">
            <legend>{rowName(index + 1)}</legend>
            <div className="row-fields">{children(row, index, change)}</div>
            <ActionIcon
              variant="subtle"
              color="gray"
              className="quiet"
              aria-label={texts.remove(rowName(index + 1))}
              onClick={() => remove(row, index)}
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
            onClick={add}
          >
            {addText}
          </Button>
        </Group>
      </Stack>
    </Input.Wrapper>
  );
}
