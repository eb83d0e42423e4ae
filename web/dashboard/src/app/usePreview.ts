import { useDebouncedValue } from '@mantine/hooks';
import { useMemo } from 'react';
import { useQuery, type AnyVariables, type TypedDocumentNode } from 'urql';

const PAUSE_MS = 200;

/** Reads a preview while a person fills in a form. It is never taken from the cache. `waiting`: it is of older values. */
export function usePreview<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  options: { pause?: boolean } = {},
) {
  const text = JSON.stringify(variables);
  const [asked] = useDebouncedValue(text, PAUSE_MS);
  const stable = useMemo(() => JSON.parse(asked) as Variables, [asked]);
  const pause = options.pause ?? false;
  const [{ data, error, fetching }] = useQuery({ query, variables: stable, pause, requestPolicy: 'network-only' });
  return { data: pause ? undefined : data, error, waiting: !pause && (fetching || asked !== text) };
}
