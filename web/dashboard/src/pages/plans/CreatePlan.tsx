import { SimpleGrid } from '@mantine/core';
import { useAction } from '../../app/useAction';
import { CreatePlanDocument } from '../../generated/plans/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { ChoiceField, choicesOf, CountField, CurrencyField, errorAt, MoneyField, TextField, useValues } from '../../parts/fields';
import { TaxRatesField } from '../../parts/TaxRatesField';
import { plansTexts as texts } from '../../texts/plans';

interface Values {
  name: string;
  code: string;
  amountCents: number | null;
  currency: string;
  interval: keyof typeof texts.intervals;
  intervalCount: number | null;
  trialDays: number | null;
  taxBehavior: keyof typeof texts.behaviors;
  taxRateIds: string[];
}

export function CreatePlan({ onClose }: { onClose: () => void }) {
  const { values, set } = useValues<Values>({
    name: '',
    code: '',
    amountCents: null,
    currency: 'EUR',
    interval: 'MONTH',
    intervalCount: 1,
    trialDays: 0,
    taxBehavior: 'EXCLUSIVE',
    taxRateIds: [],
  });
  const action = useAction({
    document: CreatePlanDocument,
    mutation: 'createPlan',
    input: (idempotencyKey) => ({
      name: values.name,
      code: values.code,
      amountCents: values.amountCents ?? 0,
      currency: values.currency,
      interval: values.interval,
      intervalCount: values.intervalCount ?? 0,
      trialDays: values.trialDays ?? 0,
      taxBehavior: values.taxBehavior,
      ...(values.taxRateIds.length ? { taxRateIds: values.taxRateIds } : {}),
      idempotencyKey,
    }),
    done: () => <Done text={texts.created} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.createTitle}
      intro={texts.createIntro}
      submit={texts.createSubmit}
      disabled={values.amountCents === null}
      onClose={onClose}
    >
      <TextField
        label={texts.fields.name}
        required
        autoFocus
        value={values.name}
        onChange={(name) => set('name', name)}
        {...errorAt(action, 'name')}
      />
      <TextField
        label={texts.fields.code}
        description={texts.fields.codeHint}
        required
        value={values.code}
        onChange={(code) => set('code', code)}
        {...errorAt(action, 'code')}
      />
      <SimpleGrid cols={2} spacing="sm">
        <MoneyField
          label={texts.fields.amount}
          required
          currency={values.currency}
          value={values.amountCents}
          onChange={(amountCents) => set('amountCents', amountCents)}
          {...errorAt(action, 'amountCents')}
        />
        <CurrencyField
          label={texts.fields.currency}
          value={values.currency}
          onChange={(currency) => set('currency', currency)}
          {...errorAt(action, 'currency')}
        />
        <CountField
          label={texts.fields.intervalCount}
          min={1}
          value={values.intervalCount}
          onChange={(intervalCount) => set('intervalCount', intervalCount)}
          {...errorAt(action, 'intervalCount')}
        />
        <ChoiceField
          label={texts.fields.interval}
          choices={choicesOf(texts.intervals)}
          value={values.interval}
          onChange={(interval) => set('interval', interval)}
          {...errorAt(action, 'interval')}
        />
        <CountField
          label={texts.fields.trialDays}
          min={0}
          value={values.trialDays}
          onChange={(trialDays) => set('trialDays', trialDays)}
          {...errorAt(action, 'trialDays')}
        />
        <ChoiceField
          label={texts.fields.taxBehavior}
          choices={choicesOf(texts.behaviors)}
          value={values.taxBehavior}
          onChange={(taxBehavior) => set('taxBehavior', taxBehavior)}
        />
      </SimpleGrid>
      <TaxRatesField
        label={texts.fields.taxRates}
        description={texts.fields.taxRatesHint}
        value={values.taxRateIds}
        onChange={(taxRateIds) => set('taxRateIds', taxRateIds)}
        {...errorAt(action, 'taxRateIds')}
      />
    </ActionDialog>
  );
}
