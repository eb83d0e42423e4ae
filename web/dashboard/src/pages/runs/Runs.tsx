import { Group, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { formatCount } from '../../app/format';
import { usePage } from '../../app/usePage';
import { RunsDocument, type RunsQuery } from '../../generated/runs/graphql';
import { DataTable, pageArguments, type Column, type ListState } from '../../parts/DataTable';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { PageLink, Price, Status, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { runsTexts as texts } from '../../texts/runs';

const route = getRouteApi('/runs');

type Held = RunsQuery['subscriptions']['nodes'][number];
type Run = RunsQuery['billingRuns']['nodes'][number];

/** A billing run may be seconds late without anything being wrong. */
const LATE_SECONDS = 60;

const HOLDS: readonly Column<Held>[] = [
  {
    id: 'customer',
    header: texts.columns.customer,
    cell: ({ customer: { id, name } }) => (
      <PageLink to="/customers/$id" params={{ id }} className="strong">
        {name}
      </PageLink>
    ),
  },
  { id: 'plan', header: texts.columns.plan, cell: ({ plan }) => plan.name },
  {
    id: 'price',
    header: texts.columns.price,
    align: 'right',
    hidden: true,
    cell: ({ plan, quantity }) => <Price plan={plan} quantity={quantity} />,
  },
  { id: 'reason', header: texts.columns.reason, cell: ({ billingHold }) => billingHold && <Reason text={billingHold.reason} /> },
  { id: 'due', header: texts.columns.due, cell: ({ nextBillingAt }) => <Time at={nextBillingAt} time /> },
  { id: 'since', header: texts.columns.since, hidden: true, cell: ({ billingHold }) => <Time at={billingHold?.since} time /> },
  {
    id: 'attempts',
    header: texts.columns.attempts,
    align: 'right',
    cell: ({ billingHold }) => (billingHold ? formatCount(billingHold.attempts) : common.none),
  },
  { id: 'retryAt', header: texts.columns.retryAt, cell: ({ billingHold }) => <Time at={billingHold?.retryAt} time /> },
];

/** The reason of a hold: an error code with its message, or a sentence about the database or a bug. */
function Reason({ text }: { text: string }) {
  const [, code, message] = /^([A-Z_]+): (.*)$/s.exec(text) ?? [];
  return (
    <div className="reason">
      <Text size="sm">{message ?? text}</Text>
      <Text size="xs" c="dimmed">
        {texts.whatToDo}
        {adviceOf(text, code)}
      </Text>
    </div>
  );
}

function adviceOf(text: string, code: string | undefined): string {
  if (code) return texts.advice[code] ?? texts.adviceOther;
  return text.startsWith('A bug') ? texts.adviceBug : texts.adviceDatabase;
}

const RUNS: readonly Column<Run>[] = [
  { id: 'started', header: texts.columns.started, cell: ({ startedAt }) => <Time at={startedAt} time /> },
  { id: 'trigger', header: texts.columns.trigger, cell: ({ trigger }) => texts.triggers[trigger] },
  { id: 'asOf', header: texts.columns.asOf, hidden: true, cell: ({ asOf }) => <Time at={asOf} time /> },
  { id: 'renewed', header: texts.columns.renewed, align: 'right', cell: ({ renewed }) => formatCount(renewed) },
  { id: 'invoices', header: texts.columns.invoices, align: 'right', cell: ({ invoices }) => formatCount(invoices) },
  { id: 'pastDue', header: texts.columns.pastDue, align: 'right', cell: ({ pastDue }) => formatCount(pastDue) },
  {
    id: 'failed',
    header: texts.columns.failed,
    align: 'right',
    cell: ({ failed }) => (failed ? <Status value="UNCOLLECTIBLE">{formatCount(failed)}</Status> : formatCount(failed)),
  },
  {
    id: 'duration',
    header: texts.columns.duration,
    align: 'right',
    cell: ({ milliseconds }) =>
      milliseconds === null || milliseconds === undefined ? (
        <span className="dimmed">{texts.running}</span>
      ) : milliseconds < 1000 ? (
        texts.milliseconds(formatCount(milliseconds))
      ) : (
        spanOf(milliseconds / 1000)
      ),
  },
];

function spanOf(seconds: number): string {
  if (seconds < 120) return texts.seconds(formatCount(Math.round(seconds * 10) / 10));
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? texts.minutes(formatCount(minutes)) : texts.hours(formatCount(Math.round(minutes / 60)));
}

export default function Runs() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [held, setHeld] = useState<ListState>({});
  const holds = pageArguments(held);
  const loaded = usePage(RunsDocument, {
    ...pageArguments(search),
    holdsFirst: holds.first ?? null,
    holdsLast: holds.last ?? null,
    holdsAfter: holds.after ?? null,
    holdsBefore: holds.before ?? null,
  });
  return (
    <Page title={texts.title}>
      <Show loaded={loaded}>
        {({ analytics: { runLagSeconds, holds: count }, subscriptions, billingRuns }) => (
          <>
            <Panel title={texts.holds} flush actions={count > 0 && <Status value="UNCOLLECTIBLE">{formatCount(count)}</Status>}>
              {subscriptions.nodes.length > 0 && (
                <Text size="sm" c="dimmed" px="md" pb="sm">
                  {texts.holdsHint}
                </Text>
              )}
              <DataTable
                label={texts.holds}
                columns={HOLDS}
                rows={subscriptions.nodes}
                list={held}
                onList={setHeld}
                pageInfo={subscriptions.pageInfo}
                empty={<Empty title={texts.noHolds}>{texts.noHoldsHint}</Empty>}
              />
            </Panel>
            <Panel title={texts.runs} flush actions={<Lag seconds={runLagSeconds} />}>
              <DataTable
                label={texts.runs}
                columns={RUNS}
                rows={billingRuns.nodes}
                list={search}
                onList={(next) => void navigate({ search: { ...search, ...next, after: next.after, before: next.before } })}
                pageInfo={billingRuns.pageInfo}
                empty={<Empty title={texts.noRuns}>{texts.noRunsHint}</Empty>}
              />
            </Panel>
          </>
        )}
      </Show>
    </Page>
  );
}

function Lag({ seconds }: { seconds: number }) {
  const late = seconds > LATE_SECONDS;
  return (
    <Group gap="sm">
      <Status value={late ? 'PAST_DUE' : 'ACTIVE'}>{late ? texts.late(spanOf(seconds)) : texts.onTime}</Status>
    </Group>
  );
}
