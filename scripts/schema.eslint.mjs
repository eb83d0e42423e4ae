// Lint rules for schema.graphql: graphql-eslint's recommended rules, its Relay rules, and our own.
// scripts/check-schema runs it with the packages of tests/clients.
import graphql from '@graphql-eslint/eslint-plugin';

/** Value types: they belong to the object that contains them, and have no id. */
const values = [
  'Address',
  'Analytics',
  'AppliedDiscount',
  'AppliedTax',
  'BankAccount',
  'BillTo',
  'BillingHold',
  'CashRounding',
  'Count',
  'CreditNotePreview',
  'CreditNotePreviewLine',
  'CurrencyFigures',
  'InvoicePreview',
  'InvoicePreviewLine',
  'MetadataEntry',
  'MonthFigures',
  'OverdueFigures',
  'PageInfo',
  'PendingChange',
  'SupportedCurrency',
  'TaxId',
  'TaxRegistration',
  'UserError',
  'Viewer',
];

const ours = [
  {
    selector: 'ScalarTypeDefinition:not(:has(Directive[name.value="specifiedBy"]))',
    message: 'A scalar must name the standard of its values with @specifiedBy.',
  },
  {
    selector: ':matches(FieldDefinition, InputValueDefinition)[name.value=/Cents$/]:not([description.value=/minor units/])',
    message: 'The description of an amount must state minor units, and the currency if none is next to it.',
  },
  {
    selector: 'Directive[name.value="deprecated"] StringValue:not([value=/\\b20\\d\\d-\\d\\d-\\d\\d\\b/])',
    message: 'A deprecation must state the earliest day of removal, such as 2027-01-31.',
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
      // Events, runs and ledger entries are only read in lists, never by `node`. Lists of other types than edges are
      // allowed: connections have `nodes`, and an invoice has at most 100 lines.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false, withEdgeSuffix: true },
      ],
      // The event feed is only read forwards, as Relay allows: it has no last page to start from.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
    },
  },
];
