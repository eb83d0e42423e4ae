import './workers.js';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './playground.css';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-sse';
import { createRoot } from 'react-dom/client';
import { ApiKey, fetchWithKey } from './key.jsx';
import { IdsInTabs, rememberingIds } from './remember.js';
import { handedOver, openingTab, tabs } from './tabs/index.js';

// The page is served at the endpoint's own address, so it needs no configuration.
const url = window.location.pathname;
const once = rememberingIds(createGraphiQLFetcher({ url, fetch: fetchWithKey, enableIncrementalDelivery: false }));

function fetcher(request, options) {
  const operation = options?.documentAST && getOperationAST(options.documentAST, request.operationName);
  if (operation?.operation !== 'subscription') return once(request, options);
  // Server-sent events, because a WebSocket cannot send the headers that a person writes.
  return createClient({ url, fetchFn: fetchWithKey, headers: options.headers }).iterate(request);
}

const { query, variables } = openingTab();

// Long lines wrap, also on a phone. Lines of invoices read "2 × Pro", in which Monaco would mark the × as a character
// that looks like an x.
import('monaco-graphql/esm/monaco-editor.js').then(({ editor }) => {
  const options = { wordWrap: 'on', unicodeHighlight: { ambiguousCharacters: false } };
  const adjust = (each) => each.updateOptions(options);
  editor.onDidCreateEditor(adjust);
  // Some editors may have been created while this module loaded.
  editor.getEditors().forEach(adjust);
});

createRoot(document.getElementById('playground')).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={[HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })]}
    defaultTabs={handedOver ? [handedOver, ...tabs] : tabs}
    initialQuery={query}
    initialVariables={variables}
    defaultEditorToolsVisibility
    inputValueDeprecation
    schemaDescription
    shouldPersistHeaders={false}
  >
    <GraphiQL.Logo>Billing API</GraphiQL.Logo>
    <GraphiQL.Footer>
      <ApiKey />
    </GraphiQL.Footer>
    <IdsInTabs />
  </GraphiQL>,
);
