import { SimpleGrid } from '@mantine/core';
import { useState } from 'react';
import { ActionDialog } from '../../parts/ActionDialog';
import { errorAt, TextField, useValues } from '../../parts/fields';
import { keyed } from '../../parts/RowsField';
import { taxIdInputs, TaxIdsField, type TaxId } from '../../parts/TaxIdsField';
import { settingsTexts } from '../../texts/settings';
import type { Seller } from './Settings';
import { useUpdateSeller } from './useUpdateSeller';

const texts = settingsTexts.update;
const facts = settingsTexts.facts;
const ADDRESS = ['line1', 'line2', 'postalCode', 'city', 'region', 'country'] as const;
const BANK = ['iban', 'bic', 'bankName'] as const;

/** Makes a new version of the seller. Sends only the fields that the person changed. */
export function EditSeller({ seller: current, onClose }: { seller: Seller | null; onClose: () => void }) {
  // As it was when the dialog opened. The page below may have newer values by now.
  const [seller] = useState(current);
  const address = seller?.address;
  const bank = seller?.bankAccount;
  const before = {
    legalName: seller?.legalName ?? '',
    homeCountry: seller?.homeCountry ?? '',
    timeZone: seller?.timeZone ?? '',
    email: seller?.email ?? '',
    phone: seller?.phone ?? '',
    line1: address?.line1 ?? '',
    line2: address?.line2 ?? '',
    postalCode: address?.postalCode ?? '',
    city: address?.city ?? '',
    region: address?.region ?? '',
    country: address?.country ?? '',
    iban: bank?.iban ?? '',
    bic: bank?.bic ?? '',
    bankName: bank?.bankName ?? '',
  };
  const { values, set } = useValues(before);
  const [idsBefore] = useState(() => keyed(seller?.taxIds ?? []));
  const [taxIds, setTaxIds] = useState<readonly TaxId[]>(idsBefore);
  const changed = (name: keyof typeof before) => values[name] !== before[name];
  const text = (name: 'legalName' | 'homeCountry' | 'timeZone' | 'email' | 'phone') =>
    changed(name) ? { [name]: values[name] || null } : {};
  const action = useUpdateSeller(seller, () => ({
    ...text('legalName'),
    ...text('homeCountry'),
    ...text('timeZone'),
    ...text('email'),
    ...text('phone'),
    ...(ADDRESS.some(changed) ? { address: Object.fromEntries(ADDRESS.map((name) => [name, values[name] || null])) } : {}),
    ...(BANK.some(changed)
      ? { bankAccount: values.iban ? { iban: values.iban, bic: values.bic || null, bankName: values.bankName || null } : null }
      : {}),
    ...(taxIds === idsBefore ? {} : { taxIds: taxIdInputs(taxIds) }),
  }));
  const field = (name: keyof typeof before, label: string, path: string, description?: string) => (
    <TextField
      label={label}
      {...(description ? { description } : {})}
      value={values[name]}
      onChange={(value) => set(name, value)}
      {...errorAt(action, path)}
    />
  );
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} size="lg" onClose={onClose}>
      {field('legalName', facts.legalName, 'legalName')}
      {field('line1', texts.line1, 'address.line1')}
      {field('line2', texts.line2, 'address.line2')}
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        {field('postalCode', texts.postalCode, 'address.postalCode')}
        {field('city', texts.city, 'address.city')}
        {field('region', texts.region, 'address.region')}
        {field('country', texts.country, 'address.country', texts.countryHint)}
        {field('homeCountry', facts.homeCountry, 'homeCountry', texts.homeCountryHint)}
        {field('email', facts.email, 'email')}
        {field('phone', facts.phone, 'phone')}
      </SimpleGrid>
      <TaxIdsField action={action} value={taxIds} onChange={setTaxIds} />
      {field('timeZone', facts.timeZone, 'timeZone', texts.timeZoneHint)}
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        {field('iban', texts.iban, 'bankAccount.iban')}
        {field('bic', texts.bic, 'bankAccount.bic')}
      </SimpleGrid>
      {field('bankName', texts.bankName, 'bankAccount.bankName')}
    </ActionDialog>
  );
}
