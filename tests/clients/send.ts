import type { TypedDocumentNode } from '@graphql-typed-document-node/core';

/** What every typed client offers: variables and result follow from the document. */
export declare function send<Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
): Promise<Result>;
