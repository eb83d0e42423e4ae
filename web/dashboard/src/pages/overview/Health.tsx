import { Group, Stack, Text } from '@mantine/core';
import { formatCount } from '../../app/format';
import type { OverviewQuery } from '../../generated/graphql';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Panel } from '../../parts/Page';
import { Status, Time } from '../../parts/values';
import { overviewTexts } from '../../texts/overview';

const texts = overviewTexts.health;

type Run = OverviewQuery['billingRuns']['nodes'][number];

const COLUMNS: readonly Column<Run>[] = [
  { id: 'started', header: texts.started, cell: ({ startedAt }) => <Time at={startedAt} time /> },
  { id: 'trigger', header: texts.trigger, cell: ({ trigger }) => texts.triggers[trigger] },
  { id: 'renewed', header: texts.renewed, align: 'right', cell: ({ renewed }) => formatCount(renewed) },
  { id: 'invoices', header: texts.invoices, align: 'right', cell: ({ invoices }) => formatCount(invoices) },
  { id: 'failed', header: texts.failed, align: 'right', cell: ({ failed }) => formatCount(failed) },
];

/** A billing run may be seconds late without anything being wrong. */
const LATE_SECONDS = 60;

function spanOf(seconds: number): string {
  if (seconds < 120) return texts.seconds(seconds);
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? texts.minutes(minutes) : texts.hours(Math.round(minutes / 60));
}

/** Tells if everything that is due is billed: subscriptions on hold, the delay, and the last runs. */
export function Health({ analytics, runs }: { analytics: OverviewQuery['analytics']; runs: readonly Run[] }) {
  const { holds, runLagSeconds } = analytics;
  const late = runLagSeconds > LATE_SECONDS;
  return (
    <Panel title={texts.title} flush>
      <Stack gap={6} px="md" pb="sm">
        <Group gap="sm">
          <Status value={holds ? 'UNCOLLECTIBLE' : 'ACTIVE'}>{texts.holds}</Status>
          <Text size="sm">{holds ? texts.holdsOf(formatCount(holds)) : texts.noHolds}</Text>
        </Group>
        <Group gap="sm">
          <Status value={late ? 'PAST_DUE' : 'ACTIVE'}>{texts.lag}</Status>
          <Text size="sm">{late ? texts.late(spanOf(runLagSeconds)) : texts.onTime}</Text>
        </Group>
      </Stack>
      <DataTable label={texts.title} columns={COLUMNS} rows={runs} empty={<Empty title={texts.noRuns} />} />
    </Panel>
  );
}
