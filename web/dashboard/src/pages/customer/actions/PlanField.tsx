import { Alert, Text } from '@mantine/core';
import { useMoney } from '../../../app/format';
import { usePage } from '../../../app/usePage';
import { PlanChoicesDocument, type PlanChoicesQuery } from '../../../generated/customer/graphql';
import { ChoiceField } from '../../../parts/fields';
import { common } from '../../../texts/common';
import { actionTexts as texts } from '../../../texts/customer';

export type PlanChoice = PlanChoicesQuery['plans']['nodes'][number];

/** The plans that a customer with this currency can have. Null: any currency. */
export function usePlans(currency: string | null): { plans: readonly PlanChoice[]; more: boolean; loading: boolean } {
  const { data, loading } = usePage(PlanChoicesDocument, { currency });
  return { plans: data?.plans.nodes ?? [], more: data?.plans.pageInfo.hasNextPage ?? false, loading };
}

export function PlanField({ plans, more, loading, value, onChange, error }: ReturnType<typeof usePlans> & {
  value: string;
  onChange: (id: string) => void;
  error?: string | undefined;
}) {
  const { money } = useMoney();
  if (!loading && !plans.length) {
    return (
      <Alert color="orange" variant="outline">
        {texts.noPlans}
      </Alert>
    );
  }
  return (
    <>
      <ChoiceField
        label={texts.plan}
        placeholder={texts.choosePlan}
        required
        searchable
        value={value}
        onChange={onChange}
        error={error}
        choices={plans.map(({ id, name, amountCents, currency, interval, intervalCount }) => ({
          value: id,
          label: `${name} – ${common.perInterval(money(amountCents, currency), common.intervals[interval](intervalCount))}`,
        }))}
      />
      {more && (
        <Text size="xs" c="dimmed">
          {texts.morePlans}
        </Text>
      )}
    </>
  );
}
