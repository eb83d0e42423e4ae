import { useSyncExternalStore } from 'react';

/** True while the server does not respond. */
let lost = false;
const listeners = new Set<() => void>();

export function noteConnection(responds: boolean) {
  if (lost === !responds) return;
  lost = !responds;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function useConnectionLost(): boolean {
  return useSyncExternalStore(subscribe, () => lost);
}
