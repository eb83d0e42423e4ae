import { Alert, Button, Checkbox, PasswordInput, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { Dialog } from '../parts/Dialog';
import { common } from '../texts/common';
import { changeKey, useAccess } from './key';
import { refresh } from './refresh';

/** Asks for an API key. The page below stays as it is, with everything that was typed. */
export default function KeyDialog() {
  const { key } = useAccess();
  const [typed, setTyped] = useState('');
  const [remember, setRemember] = useState(false);
  const use = () => {
    changeKey(typed.trim(), { remember });
    setTyped('');
    refresh();
  };
  return (
    <Dialog title={key ? common.key.refusedTitle : common.key.title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed.trim()) use();
        }}
      >
        <Stack gap="md">
          {key ? (
            <Alert color="red" variant="outline" role="alert">
              {common.key.refused}
            </Alert>
          ) : (
            <Text size="sm" c="dimmed">
              {common.key.intro}
            </Text>
          )}
          <PasswordInput
            label={common.key.label}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
            visibilityToggleButtonProps={{ 'aria-label': common.key.show, tabIndex: 0, 'aria-hidden': false }}
          />
          <Checkbox
            label={common.key.remember}
            description={common.key.rememberHint}
            checked={remember}
            onChange={(event) => setRemember(event.currentTarget.checked)}
          />
          <Button type="submit" disabled={!typed.trim()}>
            {common.key.submit}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
