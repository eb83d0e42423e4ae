import { Button, Text } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { WebhooksDocument, type WebhookEndpointPartsFragment } from '../../generated/webhooks/graphql';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { Secret } from '../../parts/Secret';
import { PageLink, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { webhooksTexts as texts } from '../../texts/webhooks';
import { EndpointStatus } from './parts';
import { SaveEndpoint } from './SaveEndpoint';

const COLUMNS: readonly Column<WebhookEndpointPartsFragment>[] = [
  {
    id: 'url',
    header: texts.columns.url,
    cell: ({ id, url }) => (
      <PageLink to="/webhooks/$id" params={{ id }} className="strong wrap">
        {url}
      </PageLink>
    ),
  },
  { id: 'status', header: texts.columns.status, cell: ({ status }) => <EndpointStatus status={status} /> },
  {
    id: 'events',
    header: texts.columns.events,
    cell: ({ eventTypes }) => (eventTypes.length ? texts.eventCount(eventTypes.length) : texts.allEvents),
  },
  { id: 'created', header: texts.columns.created, cell: ({ createdAt }) => <Time at={createdAt} /> },
];

export default function Webhooks() {
  const { isAdmin } = useSession();
  const [creating, setCreating] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const loaded = usePage(WebhooksDocument, {}, { pause: !isAdmin });
  if (!isAdmin) {
    return (
      <Page title={texts.title}>
        <Empty title={common.errors.needsAdmin} />
      </Page>
    );
  }
  return (
    <Page
      title={texts.title}
      actions={
        <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
          {texts.create}
        </Button>
      }
    >
      {creating && (
        <SaveEndpoint
          onClose={(issued) => {
            setCreating(false);
            setSecret(issued ?? null);
          }}
        />
      )}
      {secret && <Secret texts={texts.secret} secret={secret} onClose={() => setSecret(null)} />}
      <Text size="sm" c="dimmed">
        {texts.intro}
      </Text>
      <Panel flush>
        <Show loaded={loaded}>
          {({ webhookEndpoints }) => (
            <DataTable
              label={texts.title}
              columns={COLUMNS}
              rows={webhookEndpoints}
              empty={<Empty title={texts.empty}>{texts.emptyHint}</Empty>}
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}
