// Follows the events with a client, from a cursor on, and prints each as a line of JSON: node live.mjs CLIENT URL CURSOR
import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import WebSocket from 'ws';

const [name, url, after] = process.argv.slice(2);

const query = `
  subscription Events($after: String) {
    events(after: $after) { cursor node { id type version object { __typename id } } }
  }
`;

function print(data) {
  console.log(JSON.stringify(data.events));
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

const webSocket = () => createWsClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket });
const sink = { next: ({ data, errors }) => (errors ? fail(errors) : print(data)), error: fail, complete() {} };

const clients = {
  'graphql-ws'() {
    webSocket().subscribe({ query, variables: { after } }, sink);
  },
  'graphql-sse'() {
    createSseClient({ url }).subscribe({ query, variables: { after } }, sink);
  },
  apollo() {
    const client = new ApolloClient({ link: new GraphQLWsLink(webSocket()), cache: new InMemoryCache() });
    client.subscribe({ query: gql(query), variables: { after } }).subscribe({
      next: ({ data, error }) => (error ? fail(error) : print(data)),
      error: fail,
    });
  },
  urql() {
    const ws = webSocket();
    const forwardSubscription = (request) => ({
      subscribe: (observer) => ({ unsubscribe: ws.subscribe({ ...request, query: request.query ?? '' }, observer) }),
    });
    const client = new Client({ url, exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })] });
    client.subscription(query, { after }).subscribe(({ data, error }) => (error ? fail(error) : print(data)));
  },
  async relay() {
    const { follow } = await import('./relay/built/live.js');
    follow(webSocket(), after, print, fail);
  },
};
await clients[name]();
