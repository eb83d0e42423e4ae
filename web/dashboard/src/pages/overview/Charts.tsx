import '@mantine/charts/styles.layer.css';
import { AreaChart, BarChart } from '@mantine/charts';
import { getThemeColor, Group, SimpleGrid, Stack, Text, useMantineTheme, VisuallyHidden } from '@mantine/core';
import type { CSSProperties, ReactNode } from 'react';
import { formatCount, formatMonth, useMoney } from '../../app/format';
import type { OverviewQuery } from '../../generated/overview/graphql';
import { Panel } from '../../parts/Page';
import { common } from '../../texts/common';
import { overviewTexts as texts } from '../../texts/overview';

type Figures = OverviewQuery['analytics']['currencies'][number];

const COLORS = { mrr: 'indigo.6', newMrr: 'teal.6', reactivated: 'cyan.6', expansion: 'indigo.5', contraction: 'orange.5', churned: 'red.6' };
const HEIGHT = 230;
const LEGEND_HEIGHT = 27;

/** The charts of one currency. Each one is also a table, for screen readers. */
export default function Charts({ figures }: { figures: Figures }) {
  const { money, shortMoney } = useMoney();
  const { currency } = figures;
  const months = figures.months.map((each) => ({
    month: formatMonth(each.month),
    mrr: each.endMrrCents,
    newMrr: each.newMrrCents,
    reactivated: each.reactivatedCents,
    expansion: each.expansionCents,
    contraction: -each.contractionCents,
    churned: -each.churnedCents,
    invoiced: each.invoicedCents,
    collected: each.collectedCents,
  }));
  const amounts = {
    h: HEIGHT,
    data: months,
    dataKey: 'month',
    valueFormatter: (cents: number) => money(cents, currency),
    yAxisProps: { tickFormatter: (cents: number) => shortMoney(cents, currency), width: 56 },
    xAxisProps: { interval: 'equidistantPreserveStart' as const },
    gridAxis: 'x' as const,
    tickLine: 'none' as const,
  };
  const movements = [
    { name: 'newMrr', label: texts.movements.newMrr, color: COLORS.newMrr },
    { name: 'reactivated', label: texts.movements.reactivated, color: COLORS.reactivated },
    { name: 'expansion', label: texts.movements.expansion, color: COLORS.expansion },
    { name: 'contraction', label: texts.movements.contraction, color: COLORS.contraction },
    { name: 'churned', label: texts.movements.churned, color: COLORS.churned },
  ] as const;
  const cash = [
    { name: 'invoiced', label: texts.invoiced, color: 'indigo.5' },
    { name: 'collected', label: texts.collected, color: 'teal.6' },
  ] as const;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
      <Panel title={texts.charts.mrr}>
        <figure className="chart" aria-hidden>
          <AreaChart {...amounts} h={HEIGHT + LEGEND_HEIGHT} series={[{ name: 'mrr', label: texts.mrr, color: COLORS.mrr }]} curveType="monotone" withDots={false} areaChartProps={SILENT} />
        </figure>
        <Values
          label={texts.charts.mrr}
          heads={[texts.charts.month, texts.mrr]}
          rows={months.map(({ month, mrr }) => [month, money(mrr, currency)])}
        />
      </Panel>
      <Panel title={texts.charts.movements}>
        <figure className="chart" aria-hidden>
          <BarChart {...amounts} type="stacked" series={[...movements]} barChartProps={{ ...SILENT, stackOffset: 'sign' }} />
          <Legend series={movements} />
        </figure>
        <Values
          label={texts.charts.movements}
          heads={[texts.charts.month, ...movements.map(({ label }) => label)]}
          rows={months.map((each) => [each.month, ...movements.map(({ name }) => money(each[name], currency))])}
        />
      </Panel>
      <Panel title={texts.charts.cash}>
        <figure className="chart" aria-hidden>
          <BarChart {...amounts} series={[...cash]} barChartProps={SILENT} />
          <Legend series={cash} />
        </figure>
        <Values
          label={texts.charts.cash}
          heads={[texts.charts.month, texts.invoiced, texts.collected]}
          rows={months.map((each) => [each.month, money(each.invoiced, currency), money(each.collected, currency)])}
        />
      </Panel>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
        <Overdue figures={figures} />
        <ByStatus figures={figures} />
      </SimpleGrid>
    </SimpleGrid>
  );
}

// The tables below the charts are for the keyboard and for screen readers.
const SILENT = { accessibilityLayer: false };

interface Series {
  label: string;
  color: string;
}

function Key({ color, children }: { color: string; children: ReactNode }) {
  const theme = useMantineTheme();
  return (
    <span className="key" style={{ '--color': getThemeColor(color, theme) } as CSSProperties}>
      {children}
    </span>
  );
}

function Legend({ series }: { series: readonly Series[] }) {
  return (
    <ul className="legend">
      {series.map(({ label, color }) => (
        <li key={label}>
          <Key color={color}>{label}</Key>
        </li>
      ))}
    </ul>
  );
}

function Overdue({ figures }: { figures: Figures }) {
  const { money } = useMoney();
  const most = Math.max(...figures.overdue.map(({ amountCents }) => amountCents));
  return (
    <Panel title={texts.charts.overdue}>
      {most === 0 ? (
        <Text size="sm" c="dimmed">
          {texts.noOverdue}
        </Text>
      ) : (
        <Stack gap="sm">
          {figures.overdue.map(({ minDays, maxDays, amountCents, invoices }) => (
            <div key={minDays}>
              <Group justify="space-between" gap="xs">
                <Text size="sm">{texts.days(minDays, maxDays)}</Text>
                <Text size="sm" fw={600} className="money">
                  {money(amountCents, figures.currency)}
                </Text>
              </Group>
              <progress className="bar" max={most} value={amountCents} aria-label={texts.days(minDays, maxDays)} />
              <Text size="xs" c="dimmed">
                {texts.overdueInvoices(formatCount(invoices))}
              </Text>
            </div>
          ))}
        </Stack>
      )}
    </Panel>
  );
}

function ByStatus({ figures }: { figures: Figures }) {
  const theme = useMantineTheme();
  const parts = [
    { name: common.subscriptionStatus.ACTIVE, value: figures.activeSubscriptions, color: 'teal.6' },
    { name: common.subscriptionStatus.TRIALING, value: figures.trialing, color: 'cyan.6' },
    { name: common.subscriptionStatus.PAST_DUE, value: figures.pastDue, color: 'orange.6' },
  ];
  const total = parts.reduce((sum, { value }) => sum + value, 0);
  return (
    <Panel title={texts.charts.status}>
      {total === 0 ? (
        <Text size="sm" c="dimmed">
          {texts.noSubscriptions}
        </Text>
      ) : (
        <>
          <Text size="xl" fw={650} mb="xs">
            {formatCount(total)}
          </Text>
          <div className="shares" aria-hidden>
            {parts.map(({ name, value, color }) => (
              <span key={name} style={{ flexGrow: value, background: getThemeColor(color, theme) }} />
            ))}
          </div>
          <dl className="amounts">
            {parts.map(({ name, value, color }) => (
              <div key={name} className="amount">
                <dt>
                  <Key color={color}>{name}</Key>
                </dt>
                <dd>{formatCount(value)}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </Panel>
  );
}

function Values({ label, heads, rows }: { label: string; heads: string[]; rows: string[][] }) {
  return (
    <VisuallyHidden>
      <table>
        <caption>{label}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([first, ...rest]) => (
            <tr key={first}>
              <th scope="row">{first}</th>
              {rest.map((value, column) => (
                <td key={column}>{value}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </VisuallyHidden>
  );
}
