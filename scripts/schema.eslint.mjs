// What schema.graphql has to be, beyond valid: graphql-eslint's recommended rules and those of Relay, and our own.
// scripts/check-schema runs it, beside the packages of tests/clients.
import graphql from '@graphql-eslint/eslint-plugin';

/** Types that are values: they are a part of the object they are in, and have no id of their own. */
const values = [
  'Address',
  'BillTo',
  'BillingHold',
  'Count',
  'InvoicePreview',
  'InvoicePreviewLine',
  'MetadataEntry',
  'PageInfo',
  'PendingChange',
  'UserError',
];

const ours = [
  {
    selector: 'ScalarTypeDefinition:not(:has(Directive[name.value="specifiedBy"]))',
    message: 'A scalar says by @specifiedBy which standard its values follow.',
  },
  {
    selector: ':matches(FieldDefinition, InputValueDefinition)[name.value=/Cents$/]:not([description.value=/minor units/])',
    message: 'A description of money says that it is in minor units, and of which currency where none is beside it.',
  },
  {
    selector: 'Directive[name.value="deprecated"] StringValue:not([value=/\\b20\\d\\d-\\d\\d-\\d\\d\\b/])',
    message: 'A deprecation says from which day on it may be gone: 2027-01-31.',
  },
];

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: './schema.graphql' } },
    },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,

      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
        },
      ],
      '@graphql-eslint/input-name': ['error', { checkInputType: true, checkMutations: true, caseSensitiveInputType: false }],
      '@graphql-eslint/no-scalar-result-type-on-mutation': 'error',
      '@graphql-eslint/require-nullable-fields-with-oneof': 'error',
      'no-restricted-syntax': ['error', ...ours],

      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          acceptedIdNames: ['id'],
          acceptedIdTypes: ['ID'],
          exceptions: { types: values, suffixes: ['Connection', 'Edge', 'Payload'] },
        },
      ],
      // Events, runs and entries of a ledger are read as lists and never asked for again by `node`. And a list may hold
      // anything, not edges alone: connections have their `nodes`, and an invoice has its lines, 100 at most.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false, withEdgeSuffix: true },
      ],
      // The feed of events is read forwards only, as Relay allows: it has no last page to begin from.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
    },
  },
];
