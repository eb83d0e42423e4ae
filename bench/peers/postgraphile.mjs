// PostGraphile on the product's tables, with its Amber preset. Rows are written only by the functions in the schema
// `bench`, which create_subscription.sql creates.
import { createServer } from "node:http";
import { printSchema } from "graphql";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { jsonPgSmartTags } from "postgraphile/utils";

const preset = {
  extends: [PostGraphileAmberPreset],
  // Avoids a clash with the root type Subscription of GraphQL.
  plugins: [
    jsonPgSmartTags({ version: 1, config: { class: { "public.subscriptions": { tags: { name: "plan_subscriptions" } } } } }),
  ],
  // Otherwise, it hides relations whose columns are not exactly the first columns of an index.
  disablePlugins: ["PgIndexBehaviorsPlugin"],
  schema: { defaultBehavior: "-insert -update -delete" },
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false },
  grafast: { explain: false },
  // The database address is in PGHOST, PGPORT, PGUSER and PGDATABASE.
  pgServices: [makePgService({ schemas: ["public", "bench"], poolConfig: { max: 10 } })],
};
const served = postgraphile(preset);

if (process.argv.includes("--print-schema")) {
  console.log(printSchema((await served.getSchemaResult()).schema));
  await served.release();
} else {
  const server = createServer();
  await served.createServ(grafserv).addTo(server);
  server.listen(Number(process.env.PORT), "127.0.0.1");
}
