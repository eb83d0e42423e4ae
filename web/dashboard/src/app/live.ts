import { createClient } from 'graphql-ws';
import { LiveDocument, type LiveSubscription } from '../generated/app/graphql';
import { hashOf } from './documents';
import { currentKey } from './key';
import { refresh } from './refresh';

/** Time between two readings of the page while events keep coming, in milliseconds. A billing run makes thousands. */
const PAUSE = 1500;
const LONGEST_PAUSE = 20_000;
const FIRST_PAUSE = 100;

/**
 * Reads everything on the screen again when somebody else changes something: follows the events of the server over a
 * WebSocket, and after a lost connection from the last event on. Returns a function that ends this.
 */
export function followEvents(): () => void {
  let cursor: string | null = null;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let lastRead = 0;
  let pause = PAUSE;
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
    const quiet = Date.now() - lastRead > 2 * pause;
    pause = quiet ? PAUSE : pause;
    const soon = Math.max(FIRST_PAUSE, lastRead + pause - Date.now());
    waiting ??= setTimeout(() => {
      waiting = undefined;
      lastRead = Date.now();
      pause = Math.min(LONGEST_PAUSE, quiet ? PAUSE : 2 * pause);
      refresh();
    }, soon);
  }

  function subscribe(failures: number) {
    let failed = failures;
    // Without an event before the connection broke, there is no cursor to go on from.
    if (failures) changed();
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
        error(cause) {
          // The server rejects the cursor: its database was replaced by another one.
          if (Array.isArray(cause)) cursor = null;
          again();
        },
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
