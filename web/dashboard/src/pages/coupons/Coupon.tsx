import { Button, Group } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { formatCount } from '../../app/format';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { ArchiveCouponDocument, CouponDocument, type CouponQuery } from '../../generated/coupons/graphql';
import { Confirm } from '../../parts/Confirm';
import { DataTable, pageArguments, type Column, type ListState } from '../../parts/DataTable';
import { Empty, Facts, Page, Panel, Show } from '../../parts/Page';
import { PageLink, Status, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { couponsTexts as texts } from '../../texts/coupons';
import { durationOf, Off, plansOf } from './values';

const route = getRouteApi('/coupons/$id');

type Coupon = NonNullable<CouponQuery['coupon']>;
type Redemption = Coupon['redemptions']['nodes'][number];

const COLUMNS: readonly Column<Redemption>[] = [
  {
    id: 'customer',
    header: texts.columns.customer,
    cell: ({ customer: { id, name } }) => (
      <PageLink to="/customers/$id" params={{ id }} className="strong">
        {name}
      </PageLink>
    ),
  },
  { id: 'scope', header: texts.columns.scope, cell: ({ subscription }) => (subscription ? texts.subscription : texts.customer) },
  { id: 'left', header: texts.columns.left, cell: ({ periodsLeft }) => (periodsLeft === null || periodsLeft === undefined ? common.none : texts.durations.PERIODS(periodsLeft)) },
  { id: 'since', header: texts.columns.since, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'removed', header: texts.columns.removed, cell: ({ removedAt }) => <Time at={removedAt} /> },
];

export default function CouponPage() {
  const { id } = route.useParams();
  // Another coupon is another page, which shows nothing of this one.
  return <CouponById key={id} id={id} />;
}

function CouponById({ id }: { id: string }) {
  const [list, setList] = useState<ListState>({});
  const [archiving, setArchiving] = useState(false);
  const { canWrite } = useSession();
  const loaded = usePage(CouponDocument, { id, ...pageArguments(list) });
  const coupon = loaded.data?.coupon;
  if (!coupon) {
    return (
      <Page title={texts.coupon}>
        <Show loaded={loaded}>{() => <Empty title={texts.notFound} />}</Show>
      </Page>
    );
  }
  return (
    <Page
      label={coupon.name}
      title={
        <Group gap="sm" component="span">
          {coupon.name}
          {coupon.archivedAt && <Status value="VOID">{texts.archived}</Status>}
        </Group>
      }
      actions={
        canWrite &&
        !coupon.archivedAt && (
          <Button variant="default" onClick={() => setArchiving(true)}>
            {texts.archive}
          </Button>
        )
      }
    >
      {archiving && (
        <Confirm document={ArchiveCouponDocument} mutation="archiveCoupon" id={id} texts={texts.archiving} danger onClose={() => setArchiving(false)} />
      )}
      <Panel>
        <CouponFacts coupon={coupon} />
      </Panel>
      <Panel title={texts.redemptions} flush>
        <DataTable
          label={texts.redemptions}
          columns={COLUMNS}
          rows={coupon.redemptions.nodes}
          list={list}
          onList={setList}
          pageInfo={coupon.redemptions.pageInfo}
          empty={<Empty title={texts.noRedemptions}>{texts.noRedemptionsHint}</Empty>}
        />
      </Panel>
    </Page>
  );
}

function CouponFacts({ coupon }: { coupon: Coupon }) {
  const { code, maxRedemptions, expiresAt, createdAt, archivedAt } = coupon;
  return (
    <Facts
      facts={[
        [texts.columns.code, code],
        [texts.columns.off, <Off coupon={coupon} />],
        [texts.columns.duration, durationOf(coupon)],
        [texts.columns.plans, plansOf(coupon)],
        [texts.columns.most, maxRedemptions ? formatCount(maxRedemptions) : texts.unlimited],
        [texts.columns.expires, expiresAt ? <Time at={expiresAt} time /> : texts.never],
        [texts.columns.created, <Time at={createdAt} />],
        [texts.columns.archived, archivedAt && <Time at={archivedAt} />],
      ]}
    />
  );
}
