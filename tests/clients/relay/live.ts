// Follows the events with Relay. The compiler generates the types and the artifact of the subscription.
import { Environment, Network, Observable, RecordSource, Store, graphql, requestSubscription } from 'relay-runtime';
import type { GraphQLResponse, RequestParameters, Variables } from 'relay-runtime';
import type { liveEventsSubscription } from './__generated__/liveEventsSubscription.graphql';

/** The parts of a client of `graphql-ws` that are used here. */
interface Client {
  subscribe(
    payload: { operationName: string; query: string; variables: Variables },
    sink: { next(value: unknown): void; error(error: unknown): void; complete(): void },
  ): () => void;
}

export function follow(
  client: Client,
  after: string,
  onEvent: (data: liveEventsSubscription['response']) => void,
  onError: (error: Error) => void,
): void {
  const subscribe = ({ name, text }: RequestParameters, variables: Variables) =>
    Observable.create<GraphQLResponse>((sink) =>
      client.subscribe(
        { operationName: name, query: text ?? '', variables },
        {
          next: (value) => sink.next(value as GraphQLResponse),
          error: (error) => sink.error(error as Error),
          complete: () => sink.complete(),
        },
      ),
    );
  const fetch = () => Promise.reject(new Error('This program only subscribes.'));
  const environment = new Environment({
    network: Network.create(fetch, subscribe),
    store: new Store(new RecordSource()),
  });
  requestSubscription<liveEventsSubscription>(environment, {
    subscription: graphql`
      subscription liveEventsSubscription($after: String) {
        events(after: $after) {
          cursor
          node {
            id
            type
            version
            object {
              __typename
              id
            }
          }
        }
      }
    `,
    variables: { after },
    onNext: (data) => {
      if (data) onEvent(data);
    },
    onError,
  });
}
