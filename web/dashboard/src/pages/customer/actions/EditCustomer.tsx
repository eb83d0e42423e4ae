import { SimpleGrid } from '@mantine/core';
import { useState } from 'react';
import { useAction } from '../../../app/useAction';
import { UpdateCustomerDocument, type CustomerQuery, type UpdateCustomerMutationVariables } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { ChoiceField, choicesOf, CountField, errorAt, TextField, useValues } from '../../../parts/fields';
import { keyed } from '../../../parts/RowsField';
import { taxIdInputs, TaxIdsField, type TaxId } from '../../../parts/TaxIdsField';
import { TaxRatesField } from '../../../parts/TaxRatesField';
import { actionTexts } from '../../../texts/customer';
import { customersTexts } from '../../../texts/customers';

const texts = actionTexts.edit;
const labels = customersTexts.fields;

type Customer = NonNullable<CustomerQuery['customer']>;
type Input = UpdateCustomerMutationVariables['input'];

const ADDRESS = ['line1', 'line2', 'postalCode', 'city', 'region', 'country'] as const;

function valuesOf(customer: Customer) {
  return {
    name: customer.name,
    email: customer.email,
    externalId: customer.externalId ?? '',
    taxId: customer.taxId ?? '',
    taxStatus: customer.taxStatus,
    taxExemptionReason: customer.taxExemptionReason ?? '',
    taxIds: keyed(customer.taxIds) as readonly TaxId[],
    taxRateIds: customer.taxRates.map(({ id }) => id) as readonly string[],
    netDays: customer.netDays ?? null,
    poNumber: customer.poNumber ?? '',
    invoiceMemo: customer.invoiceMemo ?? '',
    line1: customer.address?.line1 ?? '',
    line2: customer.address?.line2 ?? '',
    postalCode: customer.address?.postalCode ?? '',
    city: customer.address?.city ?? '',
    region: customer.address?.region ?? '',
    country: customer.address?.country ?? '',
  };
}

type Values = ReturnType<typeof valuesOf>;

/** The fields that differ from what was read. The server refuses them if somebody else has changed the customer since. */
function changesOf(before: Values, after: Values): Omit<Input, 'id' | 'expectedVersion'> {
  const has = (name: keyof Values) => JSON.stringify(after[name]) !== JSON.stringify(before[name]);
  const text = (name: 'externalId' | 'taxId' | 'taxExemptionReason' | 'poNumber' | 'invoiceMemo') =>
    has(name) ? { [name]: after[name] || null } : {};
  const address = Object.fromEntries(ADDRESS.filter((name) => after[name]).map((name) => [name, after[name]]));
  return {
    ...(has('name') ? { name: after.name } : {}),
    ...(has('email') ? { email: after.email } : {}),
    ...text('externalId'),
    ...text('taxId'),
    ...(has('taxStatus') ? { taxStatus: after.taxStatus } : {}),
    ...(after.taxStatus === 'EXEMPT' ? text('taxExemptionReason') : {}),
    ...(has('taxIds') ? { taxIds: taxIdInputs(after.taxIds) } : {}),
    ...(has('taxRateIds') ? { taxRateIds: [...after.taxRateIds] } : {}),
    ...(has('netDays') ? { netDays: after.netDays } : {}),
    ...text('poNumber'),
    ...text('invoiceMemo'),
    ...(ADDRESS.some(has) ? { address: Object.keys(address).length ? address : null } : {}),
  };
}

export function EditCustomer({ customer, onClose }: { customer: Customer; onClose: () => void }) {
  // What the person sees when the dialog opens. The page below may have newer values by now.
  const [read, setRead] = useState(customer);
  const [reloading, setReloading] = useState(false);
  const before = valuesOf(read);
  const { values, set, setValues } = useValues(before);
  if (reloading && customer.version !== read.version) {
    setRead(customer);
    setValues(valuesOf(customer));
    setReloading(false);
  }
  const changes = changesOf(before, values);
  const action = useAction({
    document: UpdateCustomerDocument,
    mutation: 'updateCustomer',
    input: () => ({ id: read.id, expectedVersion: read.version, ...changes }),
    done: () => <Done text={texts.done} />,
  });
  const text = (name: 'name' | 'email' | 'externalId' | 'taxId' | 'taxExemptionReason' | 'poNumber' | 'invoiceMemo') => ({
    value: values[name],
    onChange: (value: string) => set(name, value),
    ...errorAt(action, name),
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={!Object.keys(changes).length}
      size="lg"
      onClose={onClose}
      onReload={() => setReloading(true)}
    >
      <TextField label={labels.name} required autoFocus {...text('name')} />
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TextField label={labels.email} type="email" required {...text('email')} />
        <TextField label={labels.externalId} {...text('externalId')} />
        {ADDRESS.map((name) => (
          <TextField
            key={name}
            label={labels[name]}
            value={values[name]}
            onChange={(value) => set(name, value)}
            {...errorAt(action, `address.${name}`)}
          />
        ))}
        <ChoiceField
          label={labels.taxStatus}
          choices={choicesOf(customersTexts.taxStatus)}
          value={values.taxStatus}
          onChange={(status) => set('taxStatus', status)}
          {...errorAt(action, 'taxStatus')}
        />
        {values.taxStatus === 'EXEMPT' ? (
          <TextField label={labels.taxReason} {...text('taxExemptionReason')} />
        ) : (
          <TextField label={labels.taxId} {...text('taxId')} />
        )}
        <CountField
          label={labels.netDays}
          placeholder={labels.netDaysHint}
          min={0}
          value={values.netDays}
          onChange={(days) => set('netDays', days)}
          {...errorAt(action, 'netDays')}
        />
        <TextField label={labels.poNumber} {...text('poNumber')} />
      </SimpleGrid>
      <TaxIdsField action={action} value={values.taxIds} onChange={(ids) => set('taxIds', ids)} />
      <TaxRatesField
        label={labels.taxRates}
        description={labels.taxRatesHint}
        chosen={read.taxRates}
        value={values.taxRateIds}
        onChange={(ids) => set('taxRateIds', ids)}
        {...errorAt(action, 'taxRateIds')}
      />
      <TextField label={labels.invoiceMemo} rows={2} {...text('invoiceMemo')} />
    </ActionDialog>
  );
}
