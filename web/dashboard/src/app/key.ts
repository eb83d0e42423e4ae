import { useSyncExternalStore } from 'react';

/** The API key of this tab. It is kept in memory, or in the session storage until the tab is closed. */
const STORED_AS = 'billing:dashboard-key';

interface Access {
  key: string;
  /** True if the server answered the last request with this key, or without one, by 401. */
  refused: boolean;
}

let current: Access = { key: sessionStorage.getItem(STORED_AS) ?? '', refused: false };
const listeners = new Set<() => void>();

function become(next: Access) {
  if (next.key === current.key && next.refused === current.refused) return;
  current = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function currentKey(): string {
  return current.key;
}

/** Uses a key from now on. An empty one means none. */
export function changeKey(key: string, options: { remember: boolean }) {
  if (key && options.remember) sessionStorage.setItem(STORED_AS, key);
  else sessionStorage.removeItem(STORED_AS);
  become({ key, refused: false });
}

/** Notes how the server answered a request with a key. Ignored if another key is in use by now. */
export function noteAnswer(key: string, refused: boolean) {
  if (key === current.key) become({ key, refused });
}

export function useAccess(): Access {
  return useSyncExternalStore(subscribe, () => current);
}
