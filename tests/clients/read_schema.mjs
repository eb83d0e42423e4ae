// Prints, as JSON, what JavaScript's `graphql` package makes of the SDL on standard input.
import { readFileSync } from 'node:fs';
import { buildSchema, validateSchema } from 'graphql';

const schema = buildSchema(readFileSync(0, 'utf8'));
const type = schema.getType('Subscription');

console.log(
  JSON.stringify({
    problems: validateSchema(schema).map(String),
    roots: {
      query: String(schema.getQueryType()),
      mutation: String(schema.getMutationType()),
      subscription: String(schema.getSubscriptionType()),
    },
    Subscription: `${type.constructor.name} implements ${type.getInterfaces().join(', ')}`,
  }),
);
