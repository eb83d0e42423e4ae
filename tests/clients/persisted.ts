// Documents by their hash, with the links of Apollo Client and urql, and what each sends for it.
import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { CustomerWithInvoicesDocument } from './generated/graphql.js';

export async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function connectApollo(uri: string, send: typeof fetch): ApolloClient {
  const link = new PersistedQueryLink({ sha256 }).concat(new HttpLink({ uri, fetch: send }));
  return new ApolloClient({ link, cache: new InMemoryCache() });
}

export function connectUrql(url: string, send: typeof fetch): Client {
  const persisted = persistedExchange({ preferGetForPersistedQueries: false, generateHash: sha256 });
  return new Client({ url, fetch: send, preferGetMethod: false, exchanges: [persisted, fetchExchange] });
}

/** Asks three times with each client. Says what each sent, and what it made of the answers. */
export async function mainJob(url: string): Promise<object> {
  const sent: { [client: string]: unknown[] } = { apollo: [], urql: [] };
  const noted = (client: string): typeof fetch => (to, options) => {
    const { query, extensions } = JSON.parse(String(options?.body));
    sent[client]?.push({ query, hash: extensions?.persistedQuery?.sha256Hash });
    return fetch(to, options);
  };
  const apollo = connectApollo(url, noted('apollo'));
  const urql = connectUrql(url, noted('urql'));
  const variables = { id: '0198c0de-0000-7000-8000-000000000000' };

  const found = [];
  for (let time = 0; time < 3; time += 1) {
    const answers = [
      await apollo.query({ query: CustomerWithInvoicesDocument, variables, fetchPolicy: 'network-only' }),
      await urql.query(CustomerWithInvoicesDocument, variables, { requestPolicy: 'network-only' }).toPromise(),
    ];
    found.push(...answers.map(({ data, error }) => error?.message ?? data));
  }
  return { sent, found };
}
