import { Button, Group, Menu } from '@mantine/core';
import { IconDots } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { useAction } from '../../app/useAction';
import { usePage } from '../../app/usePage';
import {
  DeleteWebhookDocument,
  DisableWebhookDocument,
  EnableWebhookDocument,
  RotateWebhookSecretDocument,
  SendTestWebhookDocument,
  WebhookDocument,
  type WebhookQuery,
} from '../../generated/webhooks/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Confirm } from '../../parts/Confirm';
import { pageArguments } from '../../parts/DataTable';
import { Done } from '../../parts/Done';
import { Empty, Facts, Page, Panel, Show } from '../../parts/Page';
import { Secret } from '../../parts/Secret';
import { Time } from '../../parts/values';
import { common } from '../../texts/common';
import { eventText } from '../../texts/events';
import { webhooksTexts as texts } from '../../texts/webhooks';
import { Deliveries, DELIVERY_STATUSES } from './Deliveries';
import { EndpointStatus } from './parts';
import { SaveEndpoint } from './SaveEndpoint';

const route = getRouteApi('/webhooks/$id');

type Endpoint = NonNullable<WebhookQuery['webhookEndpoint']>;
type Dialog = 'edit' | 'test' | 'rotate' | 'enable' | 'disable' | 'delete';

export default function WebhookPage() {
  const { id } = route.useParams();
  // Another endpoint is another page, which shows nothing of this one.
  return <EndpointById key={id} id={id} />;
}

function EndpointById({ id }: { id: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { isAdmin } = useSession();
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const status = oneOf(search.status, DELIVERY_STATUSES);
  const loaded = usePage(
    WebhookDocument,
    { id, ...pageArguments(search), ...(status ? { filter: { status: [status] } } : {}) },
    { pause: !isAdmin },
  );
  const endpoint = loaded.data?.webhookEndpoint;
  if (!isAdmin || !endpoint) {
    return (
      <Page title={texts.endpoint}>
        {isAdmin ? <Show loaded={loaded}>{() => <Empty title={texts.notFound} />}</Show> : <Empty title={common.errors.needsAdmin} />}
      </Page>
    );
  }
  return (
    <Page
      label={endpoint.url}
      title={
        <Group gap="sm" component="span">
          <span className="wrap">{endpoint.url}</span>
          <EndpointStatus status={endpoint.status} />
        </Group>
      }
      actions={<Actions endpoint={endpoint} onOpen={setDialog} />}
    >
      {dialog && <Opened dialog={dialog} endpoint={endpoint} onSecret={setSecret} onClose={() => setDialog(null)} />}
      {secret && <Secret texts={texts.secret} secret={secret} onClose={() => setSecret(null)} />}
      <Panel>
        <EndpointFacts endpoint={endpoint} />
      </Panel>
      <Deliveries
        endpointId={id}
        deliveries={endpoint.deliveries}
        list={search}
        status={status}
        onChange={(changed) => void navigate({ search: { ...search, ...changed }, replace: true })}
      />
    </Page>
  );
}

function Actions({ endpoint, onOpen }: { endpoint: Endpoint; onOpen: (dialog: Dialog) => void }) {
  const enabled = endpoint.status === 'ENABLED';
  return (
    <>
      <Button variant="default" onClick={() => onOpen('edit')}>
        {texts.editing.action}
      </Button>
      {enabled ? (
        <Button onClick={() => onOpen('test')}>{texts.testing.action}</Button>
      ) : (
        <Button onClick={() => onOpen('enable')}>{texts.enabling.action}</Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" aria-label={common.more} px="xs">
            <IconDots size={18} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => onOpen('rotate')}>{texts.rotating.action}</Menu.Item>
          {enabled && <Menu.Item onClick={() => onOpen('disable')}>{texts.disabling.action}</Menu.Item>}
          <Menu.Item color="red" onClick={() => onOpen('delete')}>
            {texts.deleting.action}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

function EndpointFacts({ endpoint }: { endpoint: Endpoint }) {
  const { description, eventTypes, testClocks, disabledReason, disabledAt, previousSecretExpiresAt, createdAt } = endpoint;
  return (
    <Facts
      facts={[
        [texts.facts.description, description],
        [texts.facts.events, eventTypes.length ? eventTypes.map(eventText).join(', ') : texts.allEvents],
        [texts.facts.testClocks, testClocks ? common.yes : common.no],
        [texts.facts.why, disabledReason && texts.reasons[disabledReason]],
        [texts.facts.disabledAt, disabledAt && <Time at={disabledAt} time />],
        [texts.facts.oldSecret, previousSecretExpiresAt && <Time at={previousSecretExpiresAt} time />],
        [texts.facts.created, <Time at={createdAt} />],
      ]}
    />
  );
}

function Opened({ dialog, endpoint, onSecret, onClose }: {
  dialog: Dialog;
  endpoint: Endpoint;
  onSecret: (secret: string) => void;
  onClose: () => void;
}) {
  const { id } = endpoint;
  switch (dialog) {
    case 'edit':
      return <SaveEndpoint endpoint={endpoint} onClose={onClose} />;
    case 'test':
      return <Confirm document={SendTestWebhookDocument} mutation="sendTestWebhook" id={id} texts={texts.testing} onClose={onClose} />;
    case 'rotate':
      return <Rotate id={id} onSecret={onSecret} onClose={onClose} />;
    case 'enable':
      return <Confirm document={EnableWebhookDocument} mutation="enableWebhookEndpoint" id={id} texts={texts.enabling} onClose={onClose} />;
    case 'disable':
      return <Confirm document={DisableWebhookDocument} mutation="disableWebhookEndpoint" id={id} texts={texts.disabling} danger onClose={onClose} />;
    case 'delete':
      return <Delete id={id} onClose={onClose} />;
  }
}

function Rotate({ id, onSecret, onClose }: { id: string; onSecret: (secret: string) => void; onClose: () => void }) {
  const { title, intro, submit, done, lost } = texts.rotating;
  const action = useAction({
    document: RotateWebhookSecretDocument,
    mutation: 'rotateWebhookSecret',
    input: () => ({ id }),
    lost,
    done: ({ secret }) => {
      if (secret) onSecret(secret);
      return <Done text={done} />;
    },
  });
  return <ActionDialog action={action} title={title} intro={intro} submit={submit} onClose={onClose} />;
}

/** Leaves the page of the endpoint once it is deleted. */
function Delete({ id, onClose }: { id: string; onClose: () => void }) {
  const navigate = route.useNavigate();
  const deleted = useRef(false);
  const { title, intro, submit, done } = texts.deleting;
  const action = useAction({
    document: DeleteWebhookDocument,
    mutation: 'deleteWebhookEndpoint',
    input: () => ({ id }),
    done: () => {
      deleted.current = true;
      return <Done text={done} />;
    },
  });
  const close = () => (deleted.current ? void navigate({ to: '/webhooks' }) : onClose());
  return <ActionDialog action={action} title={title} intro={intro} submit={submit} danger onClose={close} />;
}
