import { Alert, Button, Group, Stack, Text, type MantineSize } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { refresh } from '../app/refresh';
import type { Action } from '../app/useAction';
import { common } from '../texts/common';
import { Dialog } from './Dialog';
import { ShowGraphQL } from './ShowGraphQL';

interface Props {
  action: Action;
  title: string;
  /** Says what submitting will do. */
  intro?: ReactNode;
  submit: string;
  danger?: boolean;
  disabled?: boolean;
  size?: MantineSize | number;
  onClose: () => void;
  /** Called when a person wants the current values after a conflict. */
  onReload?: () => void;
  children?: ReactNode;
}

/**
 * The dialog of an action: what it will do, its fields, its errors, and the same as GraphQL. It closes after success.
 *
 * Render it only while it is open, so that each opening starts anew.
 */
export function ActionDialog({ action, title, intro, submit, danger, disabled, size, onClose, onReload, children }: Props) {
  const problems = action.problems();
  const send = async () => {
    if (await action.submit()) onClose();
  };
  return (
    <Dialog title={title} {...(size ? { size } : {})} keepsInput {...(action.running ? {} : { onClose })}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          const unreadable = unreadableIn(event.currentTarget);
          if (unreadable) unreadable.focus();
          else if (!action.running && !disabled) void send();
        }}
      >
        <Stack gap="md">
          {intro && (
            <Text size="sm" c="dimmed" component="div">
              {intro}
            </Text>
          )}
          {children}
          {action.conflict && (
            <Alert color="orange" variant="outline" icon={<IconAlertCircle />} title={common.errors.conflictTitle} role="alert">
              <Stack gap="sm" align="flex-start">
                <Text size="sm">{common.errors.conflict}</Text>
                <Button
                  size="xs"
                  variant="default"
                  onClick={() => {
                    action.reset();
                    refresh();
                    (onReload ?? onClose)();
                  }}
                >
                  {common.reload}
                </Button>
              </Stack>
            </Alert>
          )}
          {problems.map((message) => (
            <Alert key={message} color="red" variant="outline" icon={<IconAlertCircle />} role="alert">
              {message}
            </Alert>
          ))}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={action.running}>
              {common.cancel}
            </Button>
            <Button type="submit" color={danger ? 'red.9' : 'indigo'} loading={action.running} disabled={disabled ?? false}>
              {submit}
            </Button>
          </Group>
          <ShowGraphQL document={action.document} variables={action.variables} />
        </Stack>
      </form>
    </Dialog>
  );
}

/** The first field whose text is not a value at all, such as an amount with letters. The server checks everything else. */
function unreadableIn(form: HTMLFormElement): HTMLInputElement | undefined {
  return Array.from(form.querySelectorAll('input')).find(({ validity }) => validity.customError || validity.badInput);
}
