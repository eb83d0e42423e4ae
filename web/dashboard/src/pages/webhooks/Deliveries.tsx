import { Button, Code, Group, Select, Stack, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { formatCount } from '../../app/format';
import { useAction } from '../../app/useAction';
import { ReplayWebhookDocument, type WebhookQuery } from '../../generated/webhooks/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { DataTable, type Column, type ListState } from '../../parts/DataTable';
import { Dialog } from '../../parts/Dialog';
import { Done } from '../../parts/Done';
import { Empty, Facts, Panel } from '../../parts/Page';
import { Time } from '../../parts/values';
import { common } from '../../texts/common';
import { eventText } from '../../texts/events';
import { webhooksTexts } from '../../texts/webhooks';
import { DeliveryStatus } from './parts';

const texts = webhooksTexts.deliveries;

type Connection = NonNullable<WebhookQuery['webhookEndpoint']>['deliveries'];
type Delivery = Connection['nodes'][number];
type Status = Delivery['status'];

export const DELIVERY_STATUSES = Object.keys(texts.statuses) as Status[];

const COLUMNS: readonly Column<Delivery>[] = [
  { id: 'type', header: texts.columns.type, cell: ({ type }) => <span className="strong">{eventText(type)}</span> },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <DeliveryStatus status={status} /> },
  { id: 'attempts', header: texts.columns.attempts, align: 'right', cell: ({ attempts }) => formatCount(attempts) },
  { id: 'response', header: texts.columns.response, cell: ({ responseStatus, error }) => responseStatus ?? error ?? common.none },
  { id: 'created', header: texts.columns.created, cell: ({ createdAt }) => <Time at={createdAt} time /> },
  { id: 'last', header: texts.columns.last, hidden: true, cell: ({ lastAttemptAt }) => <Time at={lastAttemptAt} time /> },
  { id: 'next', header: texts.columns.next, cell: ({ nextAttemptAt }) => <Time at={nextAttemptAt} time /> },
];

type Changed = ListState & { status?: string | undefined };

/** The messages to an endpoint, newest first. */
export function Deliveries({ endpointId, deliveries, list, status, onChange }: {
  endpointId: string;
  deliveries: Connection;
  list: ListState;
  status: Status | undefined;
  onChange: (changed: Changed) => void;
}) {
  const [shown, setShown] = useState<Delivery | null>(null);
  const [replayed, setReplayed] = useState<Delivery | null>(null);
  const columns = useMemo(() => [...COLUMNS, actionColumn(setShown, setReplayed)], []);
  return (
    <Panel title={texts.title} flush>
      {shown && <Detail delivery={shown} onClose={() => setShown(null)} />}
      {replayed && <Replay endpointId={endpointId} delivery={replayed} onClose={() => setReplayed(null)} />}
      <Group className="filters" gap="xs">
        <Select
          aria-label={texts.status}
          placeholder={texts.anyStatus}
          clearable
          w={160}
          data={DELIVERY_STATUSES.map((value) => ({ value, label: texts.statuses[value] }))}
          value={status ?? null}
          onChange={(chosen) => onChange({ status: chosen ?? undefined, after: undefined, before: undefined })}
        />
      </Group>
      <DataTable
        label={texts.title}
        columns={columns}
        rows={deliveries.nodes}
        list={list}
        onList={({ after, before }) => onChange({ after, before })}
        pageInfo={deliveries.pageInfo}
        empty={
          status ? <Empty title={texts.nothing}>{texts.nothingHint}</Empty> : <Empty title={texts.empty}>{texts.emptyHint}</Empty>
        }
      />
    </Panel>
  );
}

function actionColumn(onShow: (delivery: Delivery) => void, onReplay: (delivery: Delivery) => void): Column<Delivery> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: (delivery) => (
      <Group gap={4} justify="flex-end" wrap="nowrap">
        <Button size="compact-xs" variant="default" aria-label={texts.showOf(eventText(delivery.type))} onClick={() => onShow(delivery)}>
          {texts.show}
        </Button>
        {delivery.status !== 'PENDING' && (
          <Button size="compact-xs" variant="default" onClick={() => onReplay(delivery)}>
            {texts.replay}
          </Button>
        )}
      </Group>
    ),
  };
}

function Detail({ delivery, onClose }: { delivery: Delivery; onClose: () => void }) {
  const detail = webhooksTexts.detail;
  return (
    <Dialog title={eventText(delivery.type)} size="lg" onClose={onClose}>
      <Stack gap="md">
        <Facts
          facts={[
            [detail.id, delivery.messageId],
            [texts.columns.status, <DeliveryStatus status={delivery.status} />],
            [detail.status, delivery.responseStatus],
            [detail.error, delivery.error],
          ]}
        />
        <Labelled label={detail.body} text={indented(delivery.body)} />
        {delivery.responseHead && <Labelled label={detail.response} text={delivery.responseHead} />}
      </Stack>
    </Dialog>
  );
}

function Labelled({ label, text }: { label: string; text: string }) {
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        {label}
      </Text>
      <Code block tabIndex={0} aria-label={label} className="message">
        {text}
      </Code>
    </div>
  );
}

function indented(body: string): string {
  return JSON.stringify(JSON.parse(body), null, 2);
}

function Replay({ endpointId, delivery, onClose }: { endpointId: string; delivery: Delivery; onClose: () => void }) {
  const { title, intro, submit, done } = webhooksTexts.replaying;
  const action = useAction({
    document: ReplayWebhookDocument,
    mutation: 'replayWebhooks',
    input: () => ({ endpointId, deliveryIds: [delivery.id] }),
    done: () => <Done text={done} />,
  });
  return <ActionDialog action={action} title={title} intro={intro} submit={submit} onClose={onClose} />;
}
