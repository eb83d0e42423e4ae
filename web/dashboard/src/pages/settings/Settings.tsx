import { Button, Group, Text } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { ArchiveTaxRateDocument, SettingsDocument, type SettingsQuery } from '../../generated/settings/graphql';
import { Confirm } from '../../parts/Confirm';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Facts, Page, Panel, Show } from '../../parts/Page';
import { Money, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { settingsTexts as texts } from '../../texts/settings';
import { CreateTaxRate } from './CreateTaxRate';
import { EditRegistrations } from './EditRegistrations';
import { EditRounding } from './EditRounding';
import { EditSeller } from './EditSeller';

export type Seller = NonNullable<SettingsQuery['seller']>;
type Rate = SettingsQuery['taxRates']['nodes'][number];
type Opened = { dialog: 'seller' | 'registrations' | 'rounding' | 'rate' } | { dialog: 'archive'; rate: Rate };

const COLUMNS: readonly Column<Rate>[] = [
  { id: 'name', header: texts.columns.name, cell: ({ name }) => <strong>{name}</strong> },
  { id: 'percent', header: texts.columns.percent, align: 'right', cell: ({ percent }) => `${percent}%` },
  { id: 'kind', header: texts.columns.kind, cell: ({ kind }) => texts.kinds[kind] },
  { id: 'category', header: texts.columns.category, cell: ({ category }) => (category ? texts.categories[category] : common.none) },
  { id: 'reason', header: texts.columns.reason, cell: ({ reason }) => reason ?? common.none },
  { id: 'archived', header: texts.columns.archived, cell: ({ archivedAt }) => <Time at={archivedAt} /> },
];

export default function Settings() {
  const { isAdmin, canWrite } = useSession();
  const [opened, setOpened] = useState<Opened | null>(null);
  const loaded = usePage(SettingsDocument, {});
  const columns = useMemo(
    () => (canWrite ? [...COLUMNS, actionColumn((rate) => setOpened({ dialog: 'archive', rate }))] : COLUMNS),
    [canWrite],
  );
  const close = () => setOpened(null);
  return (
    <Page title={texts.title}>
      <Show loaded={loaded}>
        {({ seller, taxRates }) => (
          <>
            {opened?.dialog === 'seller' && <EditSeller seller={seller ?? null} onClose={close} />}
            {opened?.dialog === 'registrations' && seller && <EditRegistrations seller={seller} onClose={close} />}
            {opened?.dialog === 'rounding' && seller && <EditRounding seller={seller} onClose={close} />}
            {opened?.dialog === 'rate' && <CreateTaxRate onClose={close} />}
            {opened?.dialog === 'archive' && (
              <Confirm document={ArchiveTaxRateDocument} mutation="archiveTaxRate" id={opened.rate.id} texts={texts.archive} danger onClose={close} />
            )}
            <Panel
              title={texts.seller}
              actions={
                isAdmin && (
                  <Group gap="xs">
                    {seller && (
                      <>
                        <Button size="xs" variant="default" onClick={() => setOpened({ dialog: 'registrations' })}>
                          {texts.editRegistrations}
                        </Button>
                        <Button size="xs" variant="default" onClick={() => setOpened({ dialog: 'rounding' })}>
                          {texts.editRounding}
                        </Button>
                      </>
                    )}
                    <Button size="xs" variant="default" onClick={() => setOpened({ dialog: 'seller' })}>
                      {texts.edit}
                    </Button>
                  </Group>
                )
              }
            >
              <Text size="sm" c="dimmed" mb="sm">
                {texts.sellerIntro}
              </Text>
              {seller ? <Facts facts={factsOf(seller)} /> : <Empty title={texts.noSeller}>{texts.noSellerHint}</Empty>}
            </Panel>
            <Panel
              title={texts.rates}
              flush
              actions={
                canWrite && (
                  <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={() => setOpened({ dialog: 'rate' })}>
                    {texts.createRate}
                  </Button>
                )
              }
            >
              <Text size="sm" c="dimmed" px="md" pb="sm">
                {texts.ratesIntro} {taxRates.pageInfo.hasNextPage && texts.moreRates}
              </Text>
              <DataTable
                label={texts.rates}
                columns={columns}
                rows={taxRates.nodes}
                empty={<Empty title={texts.noRates}>{texts.noRatesHint}</Empty>}
              />
            </Panel>
          </>
        )}
      </Show>
    </Page>
  );
}

function factsOf(seller: Seller): [string, React.ReactNode][] {
  const { address, bankAccount } = seller;
  const place = [address?.line1, address?.line2, [address?.postalCode, address?.city].filter(Boolean).join(' '), address?.region, address?.country];
  return [
    [texts.facts.legalName, seller.legalName],
    [texts.facts.address, place.filter(Boolean).join(', ')],
    [texts.facts.homeCountry, seller.homeCountry],
    [texts.facts.taxIds, seller.taxIds.map(({ value }) => value).join(', ')],
    [texts.facts.timeZone, seller.timeZone],
    [texts.facts.email, seller.email],
    [texts.facts.phone, seller.phone],
    [texts.facts.bankAccount, bankAccount && [bankAccount.bankName, bankAccount.iban, bankAccount.bic].filter(Boolean).join(', ')],
    [
      texts.facts.registrations,
      seller.registrations
        .map(({ country, region, rates }) =>
          texts.registration([country, region].filter(Boolean).join('-'), rates.map(({ name }) => name).join(', ')),
        )
        .join('; '),
    ],
    [
      texts.facts.cashRounding,
      seller.cashRounding.length > 0 &&
        seller.cashRounding.map(({ currency, incrementCents }) => <Money key={currency} cents={incrementCents} currency={currency} />),
    ],
    [texts.facts.revision, seller.revision],
    [texts.facts.since, <Time at={seller.createdAt} time />],
  ].map(([label, value]) => [label as string, value === false ? null : value]);
}

function actionColumn(onArchive: (rate: Rate) => void): Column<Rate> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: (rate) =>
      rate.archivedAt ? null : (
        <Button size="compact-xs" variant="default" onClick={() => onArchive(rate)}>
          {texts.archive.action}
        </Button>
      ),
  };
}
