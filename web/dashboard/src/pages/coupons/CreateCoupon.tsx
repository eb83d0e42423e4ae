import { MultiSelect, SimpleGrid } from '@mantine/core';
import { useAction } from '../../app/useAction';
import { usePage } from '../../app/usePage';
import { CouponPlansDocument, CreateCouponDocument } from '../../generated/coupons/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { ChoiceField, choicesOf, CountField, CurrencyField, errorAt, InstantField, MoneyField, TextField, useValues } from '../../parts/fields';
import { couponsTexts } from '../../texts/coupons';

const texts = couponsTexts.creating;

interface Values {
  name: string;
  code: string;
  kind: keyof typeof texts.kinds;
  percentOff: string;
  amountOffCents: number | null;
  currency: string;
  duration: keyof typeof texts.durations;
  periods: number | null;
  planIds: string[];
  maxRedemptions: number | null;
  expiresAt: string | null;
}

const EMPTY: Values = {
  name: '',
  code: '',
  kind: 'percent',
  percentOff: '',
  amountOffCents: null,
  currency: 'EUR',
  duration: 'FOREVER',
  periods: null,
  planIds: [],
  maxRedemptions: null,
  expiresAt: null,
};

export function CreateCoupon({ onClose }: { onClose: () => void }) {
  const { values, set } = useValues(EMPTY);
  const percent = values.kind === 'percent';
  const action = useAction({
    document: CreateCouponDocument,
    mutation: 'createCoupon',
    input: (idempotencyKey) => ({
      name: values.name,
      code: values.code,
      ...(percent
        ? { percentOff: values.percentOff.trim() }
        : { amountOffCents: values.amountOffCents ?? 0, currency: values.currency }),
      duration: values.duration,
      ...(values.duration === 'PERIODS' ? { periods: values.periods } : {}),
      ...(values.planIds.length ? { planIds: values.planIds } : {}),
      ...(values.maxRedemptions === null ? {} : { maxRedemptions: values.maxRedemptions }),
      ...(values.expiresAt ? { expiresAt: values.expiresAt } : {}),
      idempotencyKey,
    }),
    done: ({ coupon }) => <Done text={texts.done} link={texts.open} to={{ to: '/coupons/$id', params: { id: coupon?.id ?? '' } }} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={percent ? !values.percentOff.trim() : values.amountOffCents === null}
      size="lg"
      onClose={onClose}
    >
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TextField
          label={texts.name}
          description={texts.nameHint}
          required
          autoFocus
          value={values.name}
          onChange={(name) => set('name', name)}
          {...errorAt(action, 'name')}
        />
        <TextField
          label={texts.code}
          description={texts.codeHint}
          required
          value={values.code}
          onChange={(code) => set('code', code)}
          {...errorAt(action, 'code')}
        />
        <ChoiceField label={texts.kind} choices={choicesOf(texts.kinds)} value={values.kind} onChange={(kind) => set('kind', kind)} />
        {percent ? (
          <TextField
            label={texts.percent}
            required
            value={values.percentOff}
            onChange={(percentOff) => set('percentOff', percentOff)}
            {...errorAt(action, 'percentOff')}
          />
        ) : (
          <MoneyField
            label={texts.amount}
            required
            currency={values.currency}
            value={values.amountOffCents}
            onChange={(amountOffCents) => set('amountOffCents', amountOffCents)}
            {...errorAt(action, 'amountOffCents')}
          />
        )}
        {!percent && (
          <CurrencyField
            label={texts.currency}
            value={values.currency}
            onChange={(currency) => set('currency', currency)}
            {...errorAt(action, 'currency')}
          />
        )}
        <ChoiceField
          label={texts.duration}
          choices={choicesOf(texts.durations)}
          value={values.duration}
          onChange={(duration) => set('duration', duration)}
          {...errorAt(action, 'duration')}
        />
        {values.duration === 'PERIODS' && (
          <CountField
            label={texts.periods}
            required
            min={1}
            value={values.periods}
            onChange={(periods) => set('periods', periods)}
            {...errorAt(action, 'periods')}
          />
        )}
        <CountField
          label={texts.most}
          placeholder={texts.mostHint}
          min={1}
          value={values.maxRedemptions}
          onChange={(maxRedemptions) => set('maxRedemptions', maxRedemptions)}
          {...errorAt(action, 'maxRedemptions')}
        />
        <InstantField
          label={texts.expires}
          description={texts.expiresHint}
          value={values.expiresAt}
          onChange={(expiresAt) => set('expiresAt', expiresAt)}
          {...errorAt(action, 'expiresAt')}
        />
      </SimpleGrid>
      <PlansField value={values.planIds} onChange={(planIds) => set('planIds', planIds)} {...errorAt(action, 'planIds')} />
    </ActionDialog>
  );
}

function PlansField({ value, onChange, error }: { value: string[]; onChange: (ids: string[]) => void; error?: string | undefined }) {
  const { data } = usePage(CouponPlansDocument, {});
  return (
    <MultiSelect
      label={texts.plans}
      description={data?.plans.pageInfo.hasNextPage ? texts.morePlans : texts.plansHint}
      searchable
      clearable
      nothingFoundMessage={texts.noPlans}
      data={(data?.plans.nodes ?? []).map(({ id, name }) => ({ value: id, label: name }))}
      value={value}
      onChange={onChange}
      error={error}
    />
  );
}
