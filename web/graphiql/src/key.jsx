import { Button, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useId, useRef, useSyncExternalStore } from 'react';

/**
 * The API key: sent with every request, introspection too, and kept where it is gone when the browser's tab closes.
 * `refused` is whether the server answered the last request that was sent with this very key, or without one, by 401.
 */
const STORED_AS = 'billing:api-key';
const PAUSE_MS = 500;

let current = { key: sessionStorage.getItem(STORED_AS) ?? '', refused: false };
const listeners = new Set();

function become(next) {
  current = next;
  for (const listener of listeners) listener();
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function keep(key) {
  if (key) sessionStorage.setItem(STORED_AS, key);
  else sessionStorage.removeItem(STORED_AS);
  become({ key, refused: false });
}

/** `fetch` with the key. What is written under "Headers" goes before it. */
export async function fetchWithKey(url, options) {
  const { key } = current;
  const headers = new Headers(options.headers);
  if (headers.has('Authorization')) return fetch(url, options);
  if (key) headers.set('Authorization', `Bearer ${key}`);
  const response = await fetch(url, { ...options, headers });
  // Of a key that has been changed in the meantime, the answer says nothing any more.
  if (key === current.key) become({ key, refused: response.status === 401 });
  return response;
}

/** The field for the key. The schema is read anew once typing in it pauses. */
export function ApiKey() {
  const { key, refused } = useSyncExternalStore(subscribe, () => current);
  const { introspect } = useGraphiQLActions();
  const { fetchError, responseEditor } = useGraphiQL(pick('fetchError', 'responseEditor'));
  const pause = useRef();
  const input = useRef();
  const id = useId();

  function change(text) {
    keep(text.trim());
    // Why the schema could not be read stands where answers do, and would stay there.
    if (fetchError) responseEditor?.setValue('');
    clearTimeout(pause.current);
    pause.current = setTimeout(introspect, PAUSE_MS);
  }

  function clear() {
    change('');
    input.current.focus();
  }

  return (
    <section className="api-key" aria-label="Authorization">
      <p id={`${id}-notice`} role="status">
        {refused && (key ? 'The server refuses this API key.' : 'This server wants an API key. Enter one below.')}
      </p>
      <label htmlFor={id}>API key</label>
      <input
        id={id}
        ref={input}
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="none"
        value={key}
        onChange={(event) => change(event.target.value)}
        aria-describedby={`${id}-notice`}
        aria-invalid={refused}
      />
      {key && (
        <Button type="button" onClick={clear} aria-label="Clear API key">
          Clear
        </Button>
      )}
    </section>
  );
}
