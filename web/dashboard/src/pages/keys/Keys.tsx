import { Button, Text } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { KeysDocument, RevokeKeyDocument, type KeysQuery } from '../../generated/keys/graphql';
import { Confirm } from '../../parts/Confirm';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { Secret } from '../../parts/Secret';
import { Time } from '../../parts/values';
import { common } from '../../texts/common';
import { keysTexts as texts } from '../../texts/keys';
import { CreateKey } from './CreateKey';

type Row = KeysQuery['apiKeys'][number];
type Opened = { dialog: 'create' } | { dialog: 'revoke'; key: Row } | { dialog: 'secret'; name: string; token: string };

const COLUMNS: readonly Column<Row>[] = [
  { id: 'name', header: texts.columns.name, cell: ({ name }) => <strong>{name}</strong> },
  { id: 'scope', header: texts.columns.scope, cell: ({ scope }) => texts.scopes[scope] },
  { id: 'created', header: texts.columns.created, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'lastUsed', header: texts.columns.lastUsed, cell: ({ lastUsedAt }) => <Time at={lastUsedAt} time /> },
  { id: 'revoked', header: texts.columns.revoked, cell: ({ revokedAt }) => <Time at={revokedAt} /> },
];

export default function Keys() {
  const { isAdmin } = useSession();
  const [opened, setOpened] = useState<Opened | null>(null);
  const loaded = usePage(KeysDocument, {}, { pause: !isAdmin });
  const columns = useMemo(() => [...COLUMNS, actionColumn((key) => setOpened({ dialog: 'revoke', key }))], []);
  const close = () => setOpened(null);
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
        <Button leftSection={<IconPlus size={16} />} onClick={() => setOpened({ dialog: 'create' })}>
          {texts.create}
        </Button>
      }
    >
      {opened?.dialog === 'create' && (
        <CreateKey onClose={close} onCreated={(name, token) => setOpened({ dialog: 'secret', name, token })} />
      )}
      {opened?.dialog === 'secret' && (
        <Secret texts={{ ...texts.secret, title: texts.secret.title(opened.name) }} secret={opened.token} onClose={close} />
      )}
      {opened?.dialog === 'revoke' && (
        <Confirm document={RevokeKeyDocument} mutation="revokeApiKey" id={opened.key.id} texts={texts.revoke} danger onClose={close} />
      )}
      <Text size="sm" c="dimmed">
        {texts.intro}
      </Text>
      <Panel flush>
        <Show loaded={loaded}>
          {({ apiKeys }) => (
            <DataTable
              label={texts.title}
              columns={columns}
              rows={apiKeys}
              empty={<Empty title={texts.empty}>{texts.emptyHint}</Empty>}
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}

function actionColumn(onRevoke: (key: Row) => void): Column<Row> {
  return {
    id: 'actions',
    header: common.actions,
    align: 'right',
    cell: (key) =>
      key.revokedAt ? null : (
        <Button size="compact-xs" variant="default" onClick={() => onRevoke(key)}>
          {texts.revoke.action}
        </Button>
      ),
  };
}
