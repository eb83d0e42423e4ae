import { ActionIcon, Button, Group, Stack, Text } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { memo, useCallback, useState } from 'react';
import { useMoney } from '../../app/format';
import { useAction } from '../../app/useAction';
import { CreateInvoiceDocument } from '../../generated/invoices/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { CustomerField, type CustomerChoice } from '../../parts/CustomerField';
import { Done } from '../../parts/Done';
import { CountField, CurrencyField, errorAt, TextField, useValues } from '../../parts/fields';
import { emptyLine, lineErrors, LineFields, lineInput, type Line } from '../../parts/LineFields';
import { actionTexts } from '../../texts/customer';
import { invoicesTexts } from '../../texts/invoices';

const texts = invoicesTexts.new;

const MOST_LINES = 100;

interface Values {
  customer: CustomerChoice | null;
  currency: string;
  netDays: number | null;
  poNumber: string;
  memo: string;
}

export function CreateInvoice({ onClose }: { onClose: () => void }) {
  const { money } = useMoney();
  const { values, set } = useValues<Values>({ customer: null, currency: 'EUR', netDays: null, poNumber: '', memo: '' });
  const { customer, netDays, poNumber, memo } = values;
  const currency = customer?.currency ?? values.currency;
  const [lines, setLines] = useState<readonly Line[]>([emptyLine()]);
  const change = useCallback(
    (changed: Line) => setLines((before) => before.map((line) => (line.key === changed.key ? changed : line))),
    [],
  );
  const remove = useCallback((key: number) => setLines((before) => before.filter((line) => line.key !== key)), []);
  const action = useAction({
    document: CreateInvoiceDocument,
    mutation: 'createInvoice',
    input: (idempotencyKey) => ({
      customerId: customer?.id ?? '',
      currency,
      lines: lines.map(lineInput),
      ...(netDays === null ? {} : { netDays }),
      ...(poNumber ? { poNumber } : {}),
      ...(memo ? { memo } : {}),
      idempotencyKey,
    }),
    done: ({ invoice }) => (
      <Done text={texts.done} link={texts.open} to={{ to: '/invoices/$id', params: { id: invoice?.id ?? '' } }} />
    ),
  });
  const sum = lines.reduce((total, { quantity, unitAmountCents }) => total + (quantity ?? 0) * (unitAmountCents ?? 0), 0);
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      size="xl"
      disabled={!customer || lines.some(({ unitAmountCents }) => unitAmountCents === null)}
      onClose={onClose}
    >
      <Group grow align="flex-start">
        <CustomerField
          label={invoicesTexts.customer}
          required
          chosen={customer}
          onChange={(chosen) => set('customer', chosen)}
          {...errorAt(action, 'customerId')}
        />
        <CurrencyField
          label={invoicesTexts.currency}
          {...(customer && !customer.currency ? { description: actionTexts.currencyHint } : {})}
          disabled={Boolean(customer?.currency)}
          value={currency}
          onChange={(chosen) => set('currency', chosen)}
          {...errorAt(action, 'currency')}
        />
      </Group>
      <Stack gap="xs">
        {lines.map((line, index) => (
          <fieldset key={line.key} className="line">
            <legend>{texts.line(index + 1)}</legend>
            <LineFields
              line={line}
              currency={currency}
              onChange={change}
              {...lineErrors(action, `lines.${index}.`)}
            />
            {lines.length > 1 && <RemoveLine number={index + 1} line={line.key} onRemove={remove} />}
          </fieldset>
        ))}
        <Group justify="space-between">
          <Button
            variant="default"
            size="xs"
            leftSection={<IconPlus size={14} />}
            disabled={lines.length >= MOST_LINES}
            onClick={() => setLines([...lines, emptyLine((lines.at(-1)?.key ?? 0) + 1)])}
          >
            {texts.addLine}
          </Button>
          <Text size="sm" c="dimmed">
            {texts.linesOf(lines.length, MOST_LINES)}
          </Text>
        </Group>
        <Group justify="space-between" className="total">
          <Text size="sm">{texts.net}</Text>
          <Text size="sm" fw={600}>
            {money(sum, currency)}
          </Text>
        </Group>
      </Stack>
      <Group grow align="flex-start">
        <CountField
          label={texts.netDays}
          description={texts.netDaysHint}
          value={netDays}
          onChange={(days) => set('netDays', days)}
          {...errorAt(action, 'netDays')}
        />
        <TextField
          label={texts.poNumber}
          value={poNumber}
          onChange={(number) => set('poNumber', number)}
          {...errorAt(action, 'poNumber')}
        />
      </Group>
      <TextField label={texts.memo} rows={2} value={memo} onChange={(text) => set('memo', text)} {...errorAt(action, 'memo')} />
    </ActionDialog>
  );
}

const RemoveLine = memo(function RemoveLine({ number, line, onRemove }: {
  number: number;
  line: number;
  onRemove: (line: number) => void;
}) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      className="quiet"
      aria-label={texts.removeLine(number)}
      onClick={() => onRemove(line)}
    >
      <IconTrash size={16} aria-hidden />
    </ActionIcon>
  );
});
