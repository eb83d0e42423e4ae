import { Group, Stack, Text } from '@mantine/core';
import { formatCount } from '../../app/format';
import type { OverviewQuery } from '../../generated/overview/graphql';
import { Empty, Panel } from '../../parts/Page';
import { Status, Time } from '../../parts/values';
import { overviewTexts } from '../../texts/overview';

const texts = overviewTexts.health;

type Run = OverviewQuery['billingRuns']['nodes'][number];

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
      {runs.length ? <Runs runs={runs} /> : <Empty title={texts.noRuns} />}
    </Panel>
  );
}

/** The last runs. This is no `DataTable`, which has more code than the rest of the page. */
function Runs({ runs }: { runs: readonly Run[] }) {
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={texts.title}>
      <table className="plain-table">
        <thead>
          <tr>
            <th>{texts.started}</th>
            <th>{texts.trigger}</th>
            <th className="right">{texts.renewed}</th>
            <th className="right">{texts.invoices}</th>
            <th className="right">{texts.failed}</th>
          </tr>
        </thead>
        <tbody>
          {runs.map(({ id, startedAt, trigger, renewed, invoices, failed }) => (
            <tr key={id}>
              <td>
                <Time at={startedAt} time />
              </td>
              <td>{texts.triggers[trigger]}</td>
              <td className="right">{formatCount(renewed)}</td>
              <td className="right">{formatCount(invoices)}</td>
              <td className="right">{formatCount(failed)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
