import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';
import type { CodegenConfig } from '@graphql-codegen/cli';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** Generates the types of the documents in some folders, and their texts by hash. */
function generated(...folders: string[]): CodegenConfig['generates'][string] {
  return {
    documents: folders.map((folder) => `src/${folder}/**/*.graphql`),
    preset: 'client',
    presetConfig: { persistedDocuments: { hashAlgorithm: hash }, fragmentMasking: false },
    documentTransforms: [addTypenameSelectionDocumentTransform],
    config: {
      scalars: { ID: 'string', Cents: 'number', Currency: 'string', DateTime: 'string', TimeOfDay: 'string', Percent: 'string' },
      strictScalars: true,
      enumsAsTypes: true,
      useTypeImports: true,
    },
  };
}

/** Each page has a module of its own, so that a browser loads the documents of the pages that are opened. */
const config: CodegenConfig = {
  schema: process.env['SCHEMA'] ?? '../../schema.graphql',
  generates: {
    'src/generated/app/': generated('app'),
    'src/generated/parts/': generated('parts'),
    ...Object.fromEntries(
      readdirSync('src/pages').map((page) => [`src/generated/${page}/`, generated(`pages/${page}`, 'parts')]),
    ),
  },
};

export default config;
