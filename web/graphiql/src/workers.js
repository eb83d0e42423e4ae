import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker';
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker';
import GraphQLWorker from './graphql.worker.js?worker';

// What `graphiql/setup-workers/vite` does, without its line on the console for every worker.
const workers = { graphql: GraphQLWorker, json: JsonWorker };

window.MonacoEnvironment = {
  getWorker: (_id, language) => new (workers[language] ?? EditorWorker)(),
};
