import { Checkbox, MultiSelect } from '@mantine/core';
import { useRef, useState } from 'react';
import { useAction } from '../../app/useAction';
import { usePage } from '../../app/usePage';
import {
  CreateWebhookDocument,
  UpdateWebhookDocument,
  WebhookEventTypesDocument,
  type EventType,
  type WebhookEndpointPartsFragment,
} from '../../generated/webhooks/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { errorAt, TextField, useValues } from '../../parts/fields';
import { eventText } from '../../texts/events';
import { webhooksTexts as texts } from '../../texts/webhooks';

interface Values {
  url: string;
  description: string;
  eventTypes: EventType[];
  testClocks: boolean;
}

/** Creates an endpoint, or changes one. `onClose` gets the secret of a new endpoint. */
export function SaveEndpoint({ endpoint, onClose }: { endpoint?: WebhookEndpointPartsFragment; onClose: (secret?: string) => void }) {
  // As it was when the dialog opened: only what the person changed is sent.
  const [before] = useState<Values>({
    url: endpoint?.url ?? '',
    description: endpoint?.description ?? '',
    eventTypes: endpoint?.eventTypes ?? [],
    testClocks: endpoint?.testClocks ?? false,
  });
  const { values, set } = useValues(before);
  const issued = useRef<string | undefined>(undefined);
  const said = endpoint ? texts.editing : texts.creating;
  const input = { ...values, description: values.description || null };
  const create = useAction({
    document: CreateWebhookDocument,
    mutation: 'createWebhookEndpoint',
    input: () => input,
    lost: texts.creating.lost,
    done: ({ secret }) => {
      issued.current = secret ?? undefined;
      return <Done text={texts.creating.done} />;
    },
  });
  const update = useAction({
    document: UpdateWebhookDocument,
    mutation: 'updateWebhookEndpoint',
    input: () => ({
      id: endpoint?.id ?? '',
      ...(values.url === before.url ? {} : { url: values.url }),
      ...(values.description === before.description ? {} : { description: values.description || null }),
      ...(values.eventTypes === before.eventTypes ? {} : { eventTypes: values.eventTypes }),
      ...(values.testClocks === before.testClocks ? {} : { testClocks: values.testClocks }),
    }),
    done: () => <Done text={texts.editing.done} />,
  });
  const action = endpoint ? update : create;
  return (
    <ActionDialog action={action} title={said.title} intro={said.intro} submit={said.submit} onClose={() => onClose(issued.current)}>
      <TextField
        label={texts.fields.url}
        description={texts.fields.urlHint}
        required
        autoFocus
        value={values.url}
        onChange={(url) => set('url', url)}
        {...errorAt(action, 'url')}
      />
      <TextField
        label={texts.fields.description}
        value={values.description}
        onChange={(description) => set('description', description)}
        {...errorAt(action, 'description')}
      />
      <EventTypesField value={values.eventTypes} onChange={(eventTypes) => set('eventTypes', eventTypes)} {...errorAt(action, 'eventTypes')} />
      <Checkbox
        label={texts.fields.testClocks}
        checked={values.testClocks}
        onChange={(event) => set('testClocks', event.currentTarget.checked)}
      />
    </ActionDialog>
  );
}

/** The types of events. The list is the schema's own. */
function EventTypesField({ value, onChange, error }: { value: EventType[]; onChange: (types: EventType[]) => void; error?: string | undefined }) {
  const { data } = usePage(WebhookEventTypesDocument, {});
  const types = (data?.__type?.enumValues ?? []).map(({ name }) => name).filter((name) => !name.startsWith('WEBHOOK_'));
  return (
    <MultiSelect
      label={texts.fields.events}
      description={texts.fields.eventsHint}
      searchable
      clearable
      nothingFoundMessage={texts.fields.noEvents}
      data={types.map((name) => ({ value: name, label: eventText(name) }))}
      value={value}
      onChange={(chosen) => onChange(chosen as EventType[])}
      error={error}
    />
  );
}
