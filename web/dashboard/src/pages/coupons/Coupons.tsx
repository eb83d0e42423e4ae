import { Button, Group } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { formatCount } from '../../app/format';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { CouponsDocument, type CouponPartsFragment, type CouponsQueryVariables } from '../../generated/coupons/graphql';
import { archivedCondition, ArchivedFilter } from '../../parts/filters';
import { DataTable, pageArguments, type Column, type ListState } from '../../parts/DataTable';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { PageLink, Time } from '../../parts/values';
import { couponsTexts as texts } from '../../texts/coupons';
import { CreateCoupon } from './CreateCoupon';
import { durationOf, Off, plansOf } from './values';

const route = getRouteApi('/coupons');

const COLUMNS: readonly Column<CouponPartsFragment>[] = [
  {
    id: 'name',
    header: texts.columns.name,
    cell: ({ id, name }) => (
      <PageLink to="/coupons/$id" params={{ id }} className="strong">
        {name}
      </PageLink>
    ),
  },
  { id: 'code', header: texts.columns.code, cell: ({ code }) => code },
  { id: 'off', header: texts.columns.off, align: 'right', cell: (coupon) => <Off coupon={coupon} /> },
  { id: 'duration', header: texts.columns.duration, cell: durationOf },
  { id: 'plans', header: texts.columns.plans, cell: plansOf },
  {
    id: 'most',
    header: texts.columns.most,
    align: 'right',
    cell: ({ maxRedemptions }) => (maxRedemptions ? formatCount(maxRedemptions) : texts.unlimited),
  },
  { id: 'expires', header: texts.columns.expires, cell: ({ expiresAt }) => (expiresAt ? <Time at={expiresAt} /> : texts.never) },
  { id: 'created', header: texts.columns.created, sort: 'CREATED_AT', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'archived', header: texts.columns.archived, hidden: true, cell: ({ archivedAt }) => <Time at={archivedAt} /> },
];

export default function Coupons() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { canWrite } = useSession();
  const [creating, setCreating] = useState(false);
  const list: ListState = search.order === 'CREATED_AT' ? search : { ...search, order: 'CREATED_AT', direction: 'DESC' };
  const variables = useMemo<CouponsQueryVariables>(
    () => ({
      ...pageArguments(search),
      filter: archivedCondition(search.archived),
      orderBy: { field: 'CREATED_AT', direction: search.order ? (search.direction ?? 'ASC') : 'DESC' },
    }),
    [search],
  );
  const loaded = usePage(CouponsDocument, variables);
  return (
    <Page
      title={texts.title}
      actions={
        canWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
            {texts.create}
          </Button>
        )
      }
    >
      {creating && <CreateCoupon onClose={() => setCreating(false)} />}
      <Panel flush>
        <Group className="filters" gap="xs">
          <ArchivedFilter
            value={search.archived}
            onChange={(archived) => void navigate({ search: { ...search, archived, after: undefined, before: undefined }, replace: true })}
          />
        </Group>
        <Show loaded={loaded}>
          {({ coupons }) => (
            <DataTable
              label={texts.title}
              columns={COLUMNS}
              rows={coupons.nodes}
              list={list}
              onList={(next) => void navigate({ search: { ...search, ...next, after: next.after, before: next.before } })}
              pageInfo={coupons.pageInfo}
              empty={
                search.archived ? (
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
