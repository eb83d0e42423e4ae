import { Button, Group } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { ArchivePlanDocument, PlansDocument, UnarchivePlanDocument, type PlanRowFragment, type PlansQueryVariables } from '../../generated/plans/graphql';
import { archivedCondition, ArchivedFilter, CurrencyFilter } from '../../parts/filters';
import { Confirm } from '../../parts/Confirm';
import { DataTable, pageArguments, type Column, type ListState } from '../../parts/DataTable';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { RowMenu } from '../../parts/RowMenu';
import { Price, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { plansTexts as texts } from '../../texts/plans';
import { CreatePlan } from './CreatePlan';
import { EditPlan } from './EditPlan';

const route = getRouteApi('/plans');

const ORDERS = ['NAME', 'CODE', 'CREATED_AT'] as const;

const COLUMNS: readonly Column<PlanRowFragment>[] = [
  { id: 'name', header: texts.columns.name, sort: 'NAME', cell: ({ name }) => <span className="strong">{name}</span> },
  { id: 'code', header: texts.columns.code, sort: 'CODE', cell: ({ code }) => code },
  { id: 'price', header: texts.columns.price, align: 'right', cell: (plan) => <Price plan={plan} /> },
  { id: 'trial', header: texts.columns.trial, cell: ({ trialDays }) => (trialDays ? texts.trialDays(trialDays) : common.none) },
  { id: 'tax', header: texts.columns.tax, cell: taxOf },
  { id: 'netDays', header: texts.columns.netDays, align: 'right', hidden: true, cell: ({ netDays }) => netDays ?? common.none },
  { id: 'created', header: texts.columns.created, sort: 'CREATED_AT', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'archived', header: texts.columns.archived, hidden: true, cell: ({ archivedAt }) => <Time at={archivedAt} /> },
];

function taxOf({ taxRates, taxBehavior }: PlanRowFragment): string {
  const rates = taxRates.map(({ name, percent }) => `${name} ${percent}%`).join(', ') || texts.taxByPlace;
  return `${rates}, ${taxBehavior === 'INCLUSIVE' ? texts.taxIncluded : texts.taxAdded}`;
}

type Dialog = { kind: 'create' } | { kind: 'edit' | 'archive' | 'unarchive'; plan: PlanRowFragment };

export default function Plans() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { canWrite } = useSession();
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const list: ListState = oneOf(search.order, ORDERS) ? search : { ...search, order: 'NAME', direction: 'ASC' };
  const loaded = usePage(PlansDocument, useMemo(() => variablesOf(search), [search]));
  const columns = useMemo(() => (canWrite ? [...COLUMNS, actionColumn(setDialog)] : COLUMNS), [canWrite]);

  // Another filter starts at the first page.
  const filter = (changed: Partial<typeof search>) =>
    navigate({ search: { ...search, ...changed, after: undefined, before: undefined }, replace: true });

  return (
    <Page
      title={texts.title}
      actions={
        canWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setDialog({ kind: 'create' })}>
            {texts.create}
          </Button>
        )
      }
    >
      {dialog && <Opened dialog={dialog} onClose={() => setDialog(null)} />}
      <Panel flush>
        <Group className="filters" gap="xs">
          <CurrencyFilter value={search.currency} onChange={(currency) => filter({ currency })} />
          <ArchivedFilter value={search.archived} onChange={(archived) => filter({ archived })} />
        </Group>
        <Show loaded={loaded}>
          {({ plans }) => (
            <DataTable
              label={texts.title}
              columns={columns}
              rows={plans.nodes}
              list={list}
              onList={(next) => void navigate({ search: { ...search, ...next, after: next.after, before: next.before } })}
              pageInfo={plans.pageInfo}
              empty={
                search.currency || search.archived ? (
                  <Empty title={texts.nothing}>{texts.nothingHint}</Empty>
                ) : (
                  <Empty title={texts.empty}>{texts.emptyHint}</Empty>
                )
              }
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}

function variablesOf(search: ReturnType<typeof route.useSearch>): PlansQueryVariables {
  return {
    ...pageArguments(search),
    filter: { ...archivedCondition(search.archived), ...(search.currency ? { currency: search.currency } : {}) },
    orderBy: { field: oneOf(search.order, ORDERS) ?? 'NAME', direction: search.direction ?? 'ASC' },
  };
}

function actionColumn(onOpen: (dialog: Dialog) => void): Column<PlanRowFragment> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: (plan) => (
      <RowMenu
        label={texts.actionsOf(plan.name)}
        actions={[
          [texts.edit, () => onOpen({ kind: 'edit', plan })],
          plan.archivedAt
            ? [texts.unarchive, () => onOpen({ kind: 'unarchive', plan })]
            : [texts.archive, () => onOpen({ kind: 'archive', plan })],
        ]}
      />
    ),
  };
}

function Opened({ dialog, onClose }: { dialog: Dialog; onClose: () => void }) {
  switch (dialog.kind) {
    case 'create':
      return <CreatePlan onClose={onClose} />;
    case 'edit':
      return <EditPlan plan={dialog.plan} onClose={onClose} />;
    case 'archive':
      return <Confirm document={ArchivePlanDocument} mutation="archivePlan" id={dialog.plan.id} texts={texts.archiving} danger onClose={onClose} />;
    case 'unarchive':
      return <Confirm document={UnarchivePlanDocument} mutation="unarchivePlan" id={dialog.plan.id} texts={texts.unarchiving} onClose={onClose} />;
  }
}
