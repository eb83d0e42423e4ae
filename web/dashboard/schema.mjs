// Writes `src/generated/schema.json`: the part of the schema that the cache needs.
import { readFileSync, writeFileSync } from 'node:fs';
import { minifyIntrospectionQuery } from '@urql/introspection';
import { buildSchema, introspectionFromSchema } from 'graphql';

const schema = buildSchema(readFileSync(process.env.SCHEMA ?? '../../schema.graphql', 'utf8'));
const minified = minifyIntrospectionQuery(introspectionFromSchema(schema, { descriptions: false }));
// Without a root type for subscriptions, the cache would take the type Subscription for it, which is an object here.
minified.__schema.subscriptionType ??= { kind: 'OBJECT', name: 'NoSubscriptions' };
// The cache reads only the types of fields.
for (const { fields } of minified.__schema.types) for (const field of fields ?? []) delete field.args;
writeFileSync('src/generated/schema.json', JSON.stringify(minified));
