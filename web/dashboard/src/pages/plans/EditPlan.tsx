import { SimpleGrid } from '@mantine/core';
import { useAction } from '../../app/useAction';
import { UpdatePlanDocument, type PlanRowFragment, type UpdatePlanMutationVariables } from '../../generated/plans/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { CountField, errorAt, TextField, useValues } from '../../parts/fields';
import { TaxRatesField } from '../../parts/TaxRatesField';
import { plansTexts } from '../../texts/plans';

const texts = plansTexts.editing;
const labels = plansTexts.fields;

type Changes = Omit<UpdatePlanMutationVariables['input'], 'id'>;

function valuesOf({ name, description, trialDays, netDays, taxRates }: PlanRowFragment) {
  return {
    name,
    description: description ?? '',
    trialDays: trialDays as number | null,
    netDays: netDays ?? null,
    taxRateIds: taxRates.map(({ id }) => id),
  };
}

type Values = ReturnType<typeof valuesOf>;

/** Only what differs, so that nothing else is overwritten. */
function changesOf(before: Values, after: Values): Changes {
  return {
    ...(after.name === before.name ? {} : { name: after.name }),
    ...(after.description === before.description ? {} : { description: after.description || null }),
    ...(after.trialDays === before.trialDays ? {} : { trialDays: after.trialDays }),
    ...(after.netDays === before.netDays ? {} : { netDays: after.netDays }),
    ...(after.taxRateIds.join() === before.taxRateIds.join() ? {} : { taxRateIds: after.taxRateIds }),
  };
}

export function EditPlan({ plan, onClose }: { plan: PlanRowFragment; onClose: () => void }) {
  const { values, set } = useValues(valuesOf(plan));
  const changes = changesOf(valuesOf(plan), values);
  const action = useAction({
    document: UpdatePlanDocument,
    mutation: 'updatePlan',
    input: () => ({ id: plan.id, ...changes }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={!Object.keys(changes).length}
      onClose={onClose}
    >
      <TextField label={labels.name} required autoFocus value={values.name} onChange={(name) => set('name', name)} {...errorAt(action, 'name')} />
      <TextField
        label={labels.description}
        rows={2}
        value={values.description}
        onChange={(description) => set('description', description)}
        {...errorAt(action, 'description')}
      />
      <SimpleGrid cols={2} spacing="sm">
        <CountField
          label={labels.trialDays}
          min={0}
          value={values.trialDays}
          onChange={(trialDays) => set('trialDays', trialDays)}
          {...errorAt(action, 'trialDays')}
        />
        <CountField
          label={labels.netDays}
          placeholder={labels.netDaysHint}
          min={0}
          value={values.netDays}
          onChange={(netDays) => set('netDays', netDays)}
          {...errorAt(action, 'netDays')}
        />
      </SimpleGrid>
      <TaxRatesField
        label={labels.taxRates}
        description={labels.taxRatesHint}
        chosen={plan.taxRates}
        value={values.taxRateIds}
        onChange={(taxRateIds) => set('taxRateIds', taxRateIds)}
        {...errorAt(action, 'taxRateIds')}
      />
    </ActionDialog>
  );
}
