import { SimpleGrid } from '@mantine/core';
import { useState } from 'react';
import { useAction } from '../../app/useAction';
import { CreateInvoiceDocument } from '../../generated/invoices/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { CustomerField, type CustomerChoice } from '../../parts/CustomerField';
import { Done } from '../../parts/Done';
import { ChoiceField, choicesOf, CountField, CurrencyField, errorAt, TextField, useValues } from '../../parts/fields';
import { emptyLine, isComplete, LinesField, type Line } from './LinesField';
import { invoicesTexts } from '../../texts/invoices';

const texts = invoicesTexts.form;

/** Creates a draft with up to 100 lines. */
export function CreateInvoice({ onClose }: { onClose: () => void }) {
  const [customer, setCustomer] = useState<CustomerChoice | null>(null);
  const [lines, setLines] = useState<readonly Line[]>([emptyLine()]);
  const { values, set } = useValues<{
    currency: string;
    taxBehavior: keyof typeof texts.behaviors;
    netDays: number | null;
    poNumber: string;
    memo: string;
  }>({ currency: 'EUR', taxBehavior: 'EXCLUSIVE', netDays: null, poNumber: '', memo: '' });
  const currency = customer?.currency ?? values.currency;
  const action = useAction({
    document: CreateInvoiceDocument,
    mutation: 'createInvoice',
    input: (idempotencyKey) => ({
      customerId: customer?.id ?? '',
      currency,
      lines: lines.map(({ description, quantity, unitAmountCents }) => ({
        description,
        quantity: quantity ?? 0,
        unitAmountCents: unitAmountCents ?? 0,
        taxBehavior: values.taxBehavior,
      })),
      ...(values.netDays === null ? {} : { netDays: values.netDays }),
      ...(values.poNumber ? { poNumber: values.poNumber } : {}),
      ...(values.memo ? { memo: values.memo } : {}),
      idempotencyKey,
    }),
    done: ({ invoice }) => (
      <Done text={texts.created} link={texts.open} to={{ to: '/invoices/$id', params: { id: invoice?.id ?? '' } }} />
    ),
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={!customer || !lines.every(isComplete)}
      size="xl"
      onClose={onClose}
    >
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <CustomerField label={texts.customer} required autoFocus value={customer} onChange={setCustomer} error={action.error('customerId')} />
        {customer && !customer.currency && (
          <CurrencyField
            label={texts.currency}
            value={values.currency}
            onChange={(next) => set('currency', next)}
            {...errorAt(action, 'currency')}
          />
        )}
        <ChoiceField
          label={texts.taxBehavior}
          choices={choicesOf(texts.behaviors)}
          value={values.taxBehavior}
          onChange={(taxBehavior) => set('taxBehavior', taxBehavior)}
        />
      </SimpleGrid>
      <LinesField action={action} currency={currency} inclusive={values.taxBehavior === 'INCLUSIVE'} lines={lines} onChange={setLines} />
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <CountField
          label={texts.netDays}
          placeholder={texts.netDaysHint}
          min={0}
          value={values.netDays}
          onChange={(netDays) => set('netDays', netDays)}
          {...errorAt(action, 'netDays')}
        />
        <TextField
          label={texts.poNumber}
          value={values.poNumber}
          onChange={(poNumber) => set('poNumber', poNumber)}
          {...errorAt(action, 'poNumber')}
        />
      </SimpleGrid>
      <TextField label={texts.memo} rows={2} value={values.memo} onChange={(memo) => set('memo', memo)} {...errorAt(action, 'memo')} />
    </ActionDialog>
  );
}
