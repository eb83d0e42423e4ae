import { Client, fetchExchange } from '@urql/core';
import { cacheExchange, type CacheExchangeOpts } from '@urql/exchange-graphcache';
import { persistedExchange } from '@urql/exchange-persisted';
import schema from '../generated/schema.json';
import { noteConnection } from './connection';
import { hashOf } from './documents';
import { currentKey, noteAnswer } from './key';
import { refreshExchange } from './refresh';

/** Objects without an id are stored inside of the object that they belong to. */
const embedded = Object.fromEntries(
  schema.__schema.types
    .filter((type) => 'fields' in type && !type.fields?.some((field) => field.name === 'id'))
    .map((type) => [type.name, () => null]),
);

/** `fetch` with the key. Notes if the server refuses it, and if the server does not respond. */
async function fetchWithKey(url: RequestInfo | URL, options: RequestInit = {}): Promise<Response> {
  const key = currentKey();
  const headers = new Headers(options.headers);
  if (key) headers.set('Authorization', `Bearer ${key}`);
  try {
    const response = await fetch(url, { ...options, headers });
    noteConnection(true);
    noteAnswer(key, response.status === 401);
    return response;
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) noteConnection(false);
    throw error;
  }
}

export const client = new Client({
  url: '/graphql',
  fetch: fetchWithKey,
  // Names and e-mail addresses do not belong in the logs of proxies, so nothing is sent in an address.
  preferGetMethod: false,
  requestPolicy: 'cache-and-network',
  exchanges: [
    refreshExchange,
    cacheExchange({ schema: schema as CacheExchangeOpts['schema'], keys: embedded }),
    persistedExchange({
      preferGetForPersistedQueries: false,
      enforcePersistedQueries: true,
      enableForMutation: true,
      generateHash: (_text, document) => Promise.resolve(hashOf(document)),
    }),
    fetchExchange,
  ],
});
