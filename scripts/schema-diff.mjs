// Lists changes of a schema that could break clients of a released one. Fails if any change is breaking:
//
//   node schema-diff.mjs RELEASED CURRENT
//
// Fields that were deprecated in the released schema may be removed.
import { readFileSync } from 'node:fs';
import { CriticalityLevel, DiffRule, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

const [released, current] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, 'utf8')));
const changes = await diff(released, current, [DiffRule.suppressRemovalOfDeprecatedField]);

function list(level, name) {
  const found = changes.filter((change) => change.criticality.level === level);
  for (const { path, message } of found) console.error(`  ${name}: ${path}: ${message}`);
  return found.length;
}

list(CriticalityLevel.Dangerous, 'worth a look');
process.exitCode = list(CriticalityLevel.Breaking, 'breaking') > 0 ? 1 : 0;
