import { useQuery, type AnyVariables, type TypedDocumentNode } from 'urql';
import type { CombinedError } from '@urql/core';
import { useRef } from 'react';

export interface Loaded<Data> {
  data?: Data;
  error?: CombinedError;
  /** True while nothing can be shown yet. */
  loading: boolean;
  reload: () => void;
}

/**
 * Reads the document of a page. While the same document is read with other variables, and if reading it again with the
 * same variables fails, `data` stays what was read last.
 *
 * The cache may know a part of an object from another page. Such partial data is not shown.
 */
export function usePage<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  options: { pause?: boolean } = {},
): Loaded<Data> {
  const [{ data, error, operation, stale, fetching }, execute] = useQuery({ query, variables, pause: options.pause ?? false });
  const last = useRef<{ data: Data; key: number | undefined }>(undefined);
  const complete = !(stale && operation?.context.meta?.cacheOutcome === 'partial');
  if (data && complete && !error) last.current = { data, key: operation?.key };
  // After a failure, what was read with other variables would be taken for what was asked for.
  const shown = error && last.current?.key !== operation?.key ? undefined : last.current?.data;
  return {
    ...(shown === undefined ? {} : { data: shown }),
    ...(error ? { error } : {}),
    loading: shown === undefined && !error && (fetching || !complete || !options.pause),
    reload: () => execute({ requestPolicy: 'network-only' }),
  };
}
