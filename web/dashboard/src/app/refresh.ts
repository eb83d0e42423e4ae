import { makeOperation, type Exchange, type Operation } from '@urql/core';
import { pipe, tap } from 'wonka';

/**
 * Reads the queries on the screen again after a mutation, when the window gets the focus, and when `refresh` is called,
 * as `live.ts` does when somebody else changes something. There is no polling.
 */
const watched = new Map<number, Operation>();
let readAgain: (operation: Operation) => void = () => undefined;

let soon: ReturnType<typeof setTimeout> | undefined;

/** Several calls at about the same time, such as for the focus and for an event, are one. */
export function refresh() {
  soon ??= setTimeout(() => {
    soon = undefined;
    for (const operation of watched.values()) readAgain(operation);
  }, 20);
}

export const refreshExchange: Exchange = ({ client, forward }) => {
  readAgain = (operation) => {
    client.reexecuteOperation(
      makeOperation('query', operation, { ...operation.context, requestPolicy: 'network-only' }),
    );
  };
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') refresh();
  });
  window.addEventListener('focus', refresh);
  window.addEventListener('online', refresh);
  return (operations) =>
    pipe(
      operations,
      tap((operation) => {
        if (operation.kind === 'query') watched.set(operation.key, operation);
        else if (operation.kind === 'teardown') watched.delete(operation.key);
      }),
      forward,
      tap((result) => {
        if (result.operation.kind === 'mutation' && !result.error) refresh();
      }),
    );
};
