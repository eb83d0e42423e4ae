import { Radio, Stack } from '@mantine/core';
import { useRef } from 'react';
import { useAction } from '../../app/useAction';
import { CreateKeyDocument } from '../../generated/keys/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { errorAt, TextField, useValues } from '../../parts/fields';
import { keysTexts as texts } from '../../texts/keys';

const SCOPES = ['READ', 'WRITE', 'ADMIN'] as const;

export function CreateKey({ onClose, onCreated }: { onClose: () => void; onCreated: (name: string, token: string) => void }) {
  const { values, set } = useValues<{ name: string; scope: (typeof SCOPES)[number] }>({ name: '', scope: 'READ' });
  const created = useRef('');
  const action = useAction({
    document: CreateKeyDocument,
    mutation: 'createApiKey',
    input: () => values,
    lost: texts.lost,
    done: ({ token }) => {
      created.current = token ?? '';
      return <Done text={texts.created} />;
    },
  });
  return (
    <ActionDialog
      action={action}
      title={texts.createTitle}
      intro={texts.createIntro}
      submit={texts.createSubmit}
      onClose={() => (created.current ? onCreated(values.name, created.current) : onClose())}
    >
      <TextField
        label={texts.fields.name}
        description={texts.fields.nameHint}
        required
        autoFocus
        value={values.name}
        onChange={(name) => set('name', name)}
        {...errorAt(action, 'name')}
      />
      <Radio.Group label={texts.fields.scope} value={values.scope} onChange={(scope) => set('scope', scope as typeof values.scope)}>
        <Stack gap="xs" mt="xs">
          {SCOPES.map((scope) => (
            <Radio key={scope} value={scope} label={texts.scopes[scope]} description={texts.scopeHints[scope]} />
          ))}
        </Stack>
      </Radio.Group>
    </ActionDialog>
  );
}
