import { useAction } from '../../app/useAction';
import { CreateTaxRateDocument } from '../../generated/settings/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { ChoiceField, choicesOf, errorAt, TextField, useValues } from '../../parts/fields';
import { settingsTexts } from '../../texts/settings';

const texts = settingsTexts.create;

interface Values {
  name: string;
  kind: keyof typeof settingsTexts.kinds;
  category: keyof typeof settingsTexts.categories;
  percent: string;
  reason: string;
}

export function CreateTaxRate({ onClose }: { onClose: () => void }) {
  const { values, set } = useValues<Values>({ name: '', kind: 'VAT', category: 'S', percent: '', reason: '' });
  const action = useAction({
    document: CreateTaxRateDocument,
    mutation: 'createTaxRate',
    input: (idempotencyKey) => ({
      name: values.name,
      kind: values.kind,
      ...(values.kind === 'VAT' ? { category: values.category } : {}),
      percent: values.percent,
      ...(values.reason ? { reason: values.reason } : {}),
      idempotencyKey,
    }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} disabled={!values.percent} onClose={onClose}>
      <TextField
        label={texts.name}
        description={texts.nameHint}
        required
        autoFocus
        value={values.name}
        onChange={(name) => set('name', name)}
        {...errorAt(action, 'name')}
      />
      <ChoiceField
        label={texts.kind}
        choices={choicesOf(settingsTexts.kinds)}
        value={values.kind}
        onChange={(kind) => set('kind', kind)}
        {...errorAt(action, 'kind')}
      />
      {values.kind === 'VAT' && (
        <ChoiceField
          label={texts.category}
          choices={choicesOf(settingsTexts.categories)}
          value={values.category}
          onChange={(category) => set('category', category)}
          {...errorAt(action, 'category')}
        />
      )}
      <TextField
        label={texts.percent}
        description={texts.percentHint}
        required
        value={values.percent}
        onChange={(percent) => set('percent', percent.trim())}
        {...errorAt(action, 'percent')}
      />
      <TextField
        label={texts.reason}
        description={texts.reasonHint}
        value={values.reason}
        onChange={(reason) => set('reason', reason)}
        {...errorAt(action, 'reason')}
      />
    </ActionDialog>
  );
}
