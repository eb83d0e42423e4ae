import { useAction } from '../../app/useAction';
import { CreateCustomerDocument } from '../../generated/customers/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { errorAt, TextField, useValues } from '../../parts/fields';
import { Done } from '../../parts/Done';
import { customersTexts as texts } from '../../texts/customers';

export function CreateCustomer({ onClose }: { onClose: () => void }) {
  const { values, set } = useValues({ name: '', email: '', externalId: '', country: '' });
  const action = useAction({
    document: CreateCustomerDocument,
    mutation: 'createCustomer',
    input: (idempotencyKey) => ({
      name: values.name,
      email: values.email,
      ...(values.externalId ? { externalId: values.externalId } : {}),
      ...(values.country ? { address: { country: values.country } } : {}),
      idempotencyKey,
    }),
    done: ({ customer }) => (
      <Done text={texts.created} link={texts.openCustomer} to={{ to: '/customers/$id', params: { id: customer?.id ?? '' } }} />
    ),
  });
  return (
    <ActionDialog action={action} title={texts.createTitle} intro={texts.createIntro} submit={texts.createSubmit} onClose={onClose}>
      <TextField
        label={texts.fields.name}
        required
        autoFocus
        value={values.name}
        onChange={(name) => set('name', name)}
        {...errorAt(action, 'name')}
      />
      <TextField
        label={texts.fields.email}
        type="email"
        required
        value={values.email}
        onChange={(email) => set('email', email)}
        {...errorAt(action, 'email')}
      />
      <TextField
        label={texts.fields.externalId}
        description={texts.fields.externalIdHint}
        value={values.externalId}
        onChange={(externalId) => set('externalId', externalId)}
        {...errorAt(action, 'externalId')}
      />
      <TextField
        label={texts.fields.country}
        description={texts.fields.countryHint}
        value={values.country}
        onChange={(country) => set('country', country)}
        {...errorAt(action, 'address.country')}
      />
    </ActionDialog>
  );
}
