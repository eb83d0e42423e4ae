import { Button, Code, CopyButton, Group, Stack, Text } from '@mantine/core';
import { common } from '../texts/common';
import { Dialog } from './Dialog';

/** Shows a new secret. It closes only by its button, so that nobody loses the secret by a click beside it. */
export function Secret({ texts, secret, onClose }: {
  texts: { title: string; intro: string; label: string; done: string };
  secret: string;
  onClose: () => void;
}) {
  return (
    <Dialog title={texts.title}>
      <Stack gap="md">
        <Text size="sm">{texts.intro}</Text>
        <Code block aria-label={texts.label}>
          {secret}
        </Code>
        <Group justify="flex-end" gap="xs">
          <CopyButton value={secret}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {copied ? common.copied : common.copy}
              </Button>
            )}
          </CopyButton>
          <Button onClick={onClose}>{texts.done}</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
