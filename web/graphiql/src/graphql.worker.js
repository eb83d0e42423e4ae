import { initialize } from 'monaco-editor/esm/vs/editor/editor.worker.js';
import { GraphQLWorker } from 'monaco-graphql/esm/GraphQLWorker.js';

/** Monaco's worker, except that variables may omit input fields that have a default, as GraphQL allows. */
class Worker extends GraphQLWorker {
  async doGetVariablesJSONSchema(uri) {
    const schema = await super.doGetVariablesJSONSchema(uri);
    for (const input of Object.values(schema?.definitions ?? {})) {
      input.required = input.required.filter((name) => !('default' in input.properties[name]));
    }
    return schema;
  }
}

globalThis.onmessage = () => {
  initialize((context, options) => new Worker(context, options));
};
