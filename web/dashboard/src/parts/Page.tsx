import { Alert, Button, Group, Paper, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import type { CombinedError } from '@urql/core';
import { useEffect, type ReactNode } from 'react';
import type { Loaded } from '../app/usePage';
import { common } from '../texts/common';

/** A page: its title, its actions, and its content. */
export function Page({ title, label, actions, children }: {
  title: ReactNode;
  /** Title of the window, if `title` is not text. */
  label?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const name = label ?? (typeof title === 'string' ? title : common.product);
  useEffect(() => {
    document.title = `${name} · ${common.product}`;
  }, [name]);
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="center" gap="sm" mih={36}>
        <Title order={1} className="page-title">
          {title}
        </Title>
        {actions && (
          <Group gap="xs" className="page-actions">
            {actions}
          </Group>
        )}
      </Group>
      {children}
    </Stack>
  );
}

/** A part of a page, with a title and a frame. `flush` leaves out the padding, for a table. */
export function Panel({ title, actions, flush, children }: {
  title?: ReactNode;
  actions?: ReactNode;
  flush?: boolean;
  children: ReactNode;
}) {
  return (
    <Paper component="section" withBorder className="panel">
      {title && (
        <Group justify="space-between" gap="xs" px="md" pt="sm" pb={flush ? 'sm' : 0} mih={44}>
          <Title order={2}>{title}</Title>
          {actions}
        </Group>
      )}
      <div className={flush ? '' : 'panel-body'}>{children}</div>
    </Paper>
  );
}

/** Explains a failed request and offers to repeat it. */
export function Failed({ error, retry }: { error: CombinedError; retry: () => void }) {
  return (
    <Alert color="red" variant="outline" icon={<IconAlertCircle />} title={common.errors.title} role="alert">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">{messageOf(error)}</Text>
        <Button size="xs" variant="default" onClick={retry}>
          {common.retry}
        </Button>
      </Stack>
    </Alert>
  );
}

export function messageOf(error: CombinedError): string {
  const [first] = error.graphQLErrors;
  if (first) return first.message;
  return error.response ? common.errors.unknown : common.errors.network;
}

/** Shows what was loaded. Until then a placeholder, or why there is nothing. */
export function Show<Data>({ loaded, placeholder, children }: {
  loaded: Loaded<Data>;
  placeholder?: ReactNode;
  children: (data: Data) => ReactNode;
}) {
  if (loaded.data !== undefined) return <>{children(loaded.data)}</>;
  if (loaded.error) return <Failed error={loaded.error} retry={loaded.reload} />;
  return <div aria-busy="true" aria-label={common.loading} role="status">{placeholder ?? <Placeholder />}</div>;
}

export function Placeholder({ rows = 6 }: { rows?: number }) {
  return (
    <Stack gap="sm">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={28} radius="sm" />
      ))}
    </Stack>
  );
}

/** Says that there is nothing, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" py="xl" px="md">
      <Text fw={600}>{title}</Text>
      {children && (
        <Text size="sm" c="dimmed" ta="center" component="div" maw={460}>
          {children}
        </Text>
      )}
    </Stack>
  );
}

/** Labels with values, as a list of definitions. Those without a value are left out. */
export function Facts({ facts }: { facts: [label: string, value: ReactNode][] }) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return (
    <dl className="facts">
      {known.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
