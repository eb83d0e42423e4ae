import { Button, Code, Collapse, CopyButton, Group, Stack, Text } from '@mantine/core';
import { IconCode, IconExternalLink } from '@tabler/icons-react';
import { useState } from 'react';
import { documentText } from '../app/documents';
import { common } from '../texts/common';

/** A button that shows a document with its variables, and opens the playground with them. */
export function ShowGraphQL({ document, variables }: { document: unknown; variables: object }) {
  const [shown, setShown] = useState(false);
  return (
    <Stack gap="xs">
      <Button
        variant="subtle"
        size="compact-sm"
        color="gray"
        className="quiet"
        leftSection={<IconCode size={16} />}
        onClick={() => setShown(!shown)}
        aria-expanded={shown}
      >
        {common.graphql.show}
      </Button>
      <Collapse expanded={shown}>{shown && <Shown text={documentText(document)} variables={variables} />}</Collapse>
    </Stack>
  );
}

function Shown({ text, variables }: { text: string; variables: object }) {
  const json = JSON.stringify(variables, null, 2);
  const address = `/graphql#${new URLSearchParams({ query: text, variables: json })}`;
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {common.graphql.intro}
      </Text>
      <Code block className="code" role="region" tabIndex={0} aria-label={common.graphql.document}>
        {text}
      </Code>
      <Code block className="code" role="region" tabIndex={0} aria-label={common.graphql.variables}>
        {json}
      </Code>
      <Group gap="xs">
        <Button
          component="a"
          href={address}
          target="_blank"
          rel="noopener"
          size="xs"
          variant="default"
          leftSection={<IconExternalLink size={14} />}
        >
          {common.graphql.open}
        </Button>
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {copied ? common.copied : common.copy}
            </Button>
          )}
        </CopyButton>
        <Text size="xs" c="dimmed">
          {common.graphql.notRun}
        </Text>
      </Group>
    </Stack>
  );
}
