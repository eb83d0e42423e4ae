import { createClient } from 'graphql-ws';
import { LiveDocument, type LiveSubscription } from '../generated/app/graphql';
import { hashOf } from './documents';
import { currentKey } from './key';
import { refresh } from './refresh';

/** Minimum time between two readings of the page because of events, in milliseconds. A billing run makes thousands. */
const PAUSE = 1500;
const FIRST_PAUSE = 100;

/**
 * Reads everything on the screen again when somebody else changes something: follows the events of the server over a
 * WebSocket, and after a lost connection from the last event on. Returns a function that ends this.
 */
export function followEvents(): () => void {
  let cursor: string | null = null;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let lastRead = 0;
  let stopped = false;
  let end = () => {};
  const key = currentKey();
  const client = createClient({
    url: `${window.location.origin.replace(/^http/, 'ws')}/graphql`,
    connectionParams: key ? { Authorization: `Bearer ${key}` } : {},
    retryAttempts: 0,
  });

  function changed() {
    // A page that is not seen is read again when it is.
    if (document.visibilityState === 'hidden') return;
    const soon = Math.max(FIRST_PAUSE, lastRead + PAUSE - Date.now());
    waiting ??= setTimeout(() => {
      waiting = undefined;
      lastRead = Date.now();
      refresh();
    }, soon);
  }

  function subscribe(failures: number) {
    let failed = failures;
    const again = () => {
      if (!stopped) setTimeout(() => !stopped && subscribe(failed + 1), Math.min(30_000, 1000 * 2 ** failed));
    };
    end = client.subscribe<LiveSubscription>(
      { query: '', variables: { after: cursor }, extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(LiveDocument) } } },
      {
        next({ data }) {
          failed = 0;
          if (data) cursor = data.events.cursor;
          changed();
        },
        error: again,
        complete: again,
      },
    );
  }

  subscribe(0);
  return () => {
    stopped = true;
    clearTimeout(waiting);
    end();
    void client.dispose();
  };
}
