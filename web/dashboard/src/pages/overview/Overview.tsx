import { NativeSelect, SegmentedControl, SimpleGrid, Text } from '@mantine/core';
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { formatCount, useMoney } from '../../app/format';
import { usePage } from '../../app/usePage';
import { OverviewDocument, type OverviewQuery } from '../../generated/overview/graphql';
import { Page, Panel, Placeholder, Show } from '../../parts/Page';
import { overviewTexts as texts } from '../../texts/overview';
import { Health } from './Health';

// Charts take longer to load than figures.
const Charts = lazy(() => import('./Charts'));
const FirstSteps = lazy(() => import('./FirstSteps'));

type Figures = OverviewQuery['analytics']['currencies'][number];

export default function Overview() {
  const loaded = usePage(OverviewDocument, {});
  const [chosen, setChosen] = useState<string | null>(null);
  const currencies = loaded.data?.analytics.currencies ?? [];
  const figures = currencies.find(({ currency }) => currency === chosen) ?? largest(currencies);
  return (
    <Page
      title={texts.title}
      actions={
        figures && currencies.length > 1 ? (
          <CurrencySwitch
            currencies={currencies.map(({ currency }) => currency)}
            value={figures.currency}
            onChange={setChosen}
          />
        ) : null
      }
    >
      <Show loaded={loaded}>
        {(data) =>
          figures ? (
            <>
              <Cards figures={figures} />
              <Suspense fallback={<Placeholder rows={8} />}>
                <Charts figures={figures} />
              </Suspense>
              <Health analytics={data.analytics} runs={data.billingRuns.nodes} />
            </>
          ) : (
            <Suspense fallback={<Placeholder />}>
              <FirstSteps hasPlan={data.plans.nodes.length > 0} customerId={data.customers.nodes[0]?.id ?? null} />
            </Suspense>
          )
        }
      </Show>
    </Page>
  );
}

/** The currency with the most subscriptions is shown first. */
function largest(currencies: readonly Figures[]): Figures | undefined {
  const size = (each: Figures) => each.activeSubscriptions + each.pastDue + each.trialing;
  return currencies.toSorted((one, other) => size(other) - size(one))[0];
}

function CurrencySwitch({ currencies, value, onChange }: {
  currencies: string[];
  value: string;
  onChange: (currency: string) => void;
}) {
  if (currencies.length <= 4) {
    return <SegmentedControl aria-label={texts.currency} data={currencies} value={value} onChange={onChange} />;
  }
  return (
    <NativeSelect
      aria-label={texts.currency}
      data={currencies}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

function Cards({ figures }: { figures: Figures }) {
  const { money } = useMoney();
  const { currency } = figures;
  const month = figures.months.at(-1);
  const change = month ? month.endMrrCents - month.startMrrCents : 0;
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="md">
      <Card label={texts.mrr} hint={texts.since(`${change > 0 ? '+' : ''}${money(change, currency)}`)}>
        {money(figures.mrrCents, currency)}
      </Card>
      <Card label={texts.arr} hint={texts.arrHint}>
        {money(figures.arrCents, currency)}
      </Card>
      <Card label={texts.active} hint={texts.subscriptions}>
        {formatCount(figures.activeSubscriptions)}
      </Card>
      <Card label={texts.trialing} hint={texts.subscriptions}>
        {formatCount(figures.trialing)}
      </Card>
      <Card label={texts.pastDue} hint={texts.subscriptions}>
        {formatCount(figures.pastDue)}
      </Card>
      <Card label={texts.outstanding} hint={texts.outstandingHint}>
        {money(figures.outstandingCents, currency)}
      </Card>
    </SimpleGrid>
  );
}

function Card({ label, hint, children }: { label: string; hint: string; children: ReactNode }) {
  return (
    <Panel>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text className="figure">{children}</Text>
      <Text size="xs" c="dimmed">
        {hint}
      </Text>
    </Panel>
  );
}
