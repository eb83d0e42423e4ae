import { createHash } from 'node:crypto';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';
import type { CodegenConfig } from '@graphql-codegen/cli';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** Generates `src/generated`: the types of all documents, and their texts by hash. */
const config: CodegenConfig = {
  schema: process.env['SCHEMA'] ?? '../../schema.graphql',
  documents: 'src/**/*.graphql',
  generates: {
    'src/generated/': {
      preset: 'client',
      presetConfig: { persistedDocuments: { hashAlgorithm: hash }, fragmentMasking: false },
      documentTransforms: [addTypenameSelectionDocumentTransform],
      config: {
        scalars: { ID: 'string', Cents: 'number', Currency: 'string', DateTime: 'string', TimeOfDay: 'string', Percent: 'string' },
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
      },
    },
  },
};

export default config;
