// Puts what the compiler made in the place of the `graphql` tags, as `babel-plugin-relay` does in a frontend's build.
import { writeFileSync } from 'node:fs';
import { transformFileSync } from '@babel/core';

process.env.BABEL_ENV = 'production';

const options = { babelrc: false, configFile: false, parserOpts: { plugins: ['typescript'] } };
for (const file of ['billing.ts', 'live.ts']) {
  const { code } = transformFileSync(file, { ...options, plugins: [['relay', { eagerEsModules: true }]] });
  writeFileSync(file, code);
}
