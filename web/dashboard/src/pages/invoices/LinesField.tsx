import { ActionIcon, Button, Group, Input, Stack, Text } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { Action } from '../../app/useAction';
import { CountField, MoneyField, TextField } from '../../parts/fields';
import { Amount } from '../../parts/InvoicePreview';
import { invoicesTexts } from '../../texts/invoices';

const texts = invoicesTexts.form;

const MOST_LINES = 100;

export interface Line {
  /** Tells the lines of a form apart. */
  key: number;
  description: string;
  quantity: number | null;
  unitAmountCents: number | null;
}

let lastKey = 0;

export function emptyLine(): Line {
  lastKey += 1;
  return { key: lastKey, description: '', quantity: 1, unitAmountCents: null };
}

export function isComplete({ quantity, unitAmountCents }: Line): boolean {
  return quantity !== null && unitAmountCents !== null;
}

/** The sum of the lines, exact within the limits of the server. */
function sumOf(lines: readonly Line[]): number {
  const sum = lines.reduce((total, { quantity, unitAmountCents }) => total + BigInt(quantity ?? 0) * BigInt(unitAmountCents ?? 0), 0n);
  return Number(sum);
}

/** The lines of a one-off invoice. */
export function LinesField({ action, currency, inclusive, lines, onChange }: {
  action: Action;
  currency: string;
  /** True if the prices include the tax. */
  inclusive: boolean;
  lines: readonly Line[];
  onChange: (lines: readonly Line[]) => void;
}) {
  const change = (position: number, changed: Partial<Line>) =>
    onChange(lines.map((line, each) => (each === position ? { ...line, ...changed } : line)));
  return (
    <Stack gap="xs" component="section" aria-label={texts.lines}>
      {lines.map((line, position) => (
        <fieldset key={line.key} className="line-fields" aria-label={texts.line(position + 1)}>
          <TextField
            label={texts.description}
            required
            value={line.description}
            onChange={(description) => change(position, { description })}
            error={action.error(`lines.${position}.description`)}
          />
          <CountField
            label={texts.quantity}
            min={1}
            value={line.quantity}
            onChange={(quantity) => change(position, { quantity })}
            error={action.error(`lines.${position}.quantity`)}
          />
          <MoneyField
            key={currency}
            label={texts.price}
            required
            currency={currency}
            value={line.unitAmountCents}
            onChange={(unitAmountCents) => change(position, { unitAmountCents })}
            error={action.error(`lines.${position}.unitAmountCents`)}
          />
          <ActionIcon
            variant="subtle"
            className="quiet"
            size="lg"
            aria-label={texts.removeLine(position + 1)}
            disabled={lines.length === 1}
            onClick={() => onChange(lines.filter((_, each) => each !== position))}
          >
            <IconTrash size={17} aria-hidden />
          </ActionIcon>
        </fieldset>
      ))}
      {action.error('lines') && <Input.Error>{action.error('lines')}</Input.Error>}
      <Group justify="space-between">
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={14} aria-hidden />}
          disabled={lines.length >= MOST_LINES}
          onClick={() => onChange([...lines, emptyLine()])}
        >
          {texts.addLine}
        </Button>
        {lines.length >= MOST_LINES && (
          <Text size="xs" c="dimmed">
            {texts.most}
          </Text>
        )}
      </Group>
      <dl className="amounts">
        <Amount label={inclusive ? texts.sumWithTax : texts.sum} cents={sumOf(lines)} currency={currency} strong />
      </dl>
    </Stack>
  );
}
