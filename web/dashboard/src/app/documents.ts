import { stringifyDocument } from '@urql/core';

interface AstNode {
  [member: string]: unknown;
}

/** The hash of a generated document, by which the server knows it. */
export function hashOf(document: unknown): string {
  return (document as { __meta__: { hash: string } }).__meta__.hash;
}

/** The text of a generated document as a person would write it: without the `__typename` that the cache adds. */
export function documentText(document: unknown): string {
  return stringifyDocument(withoutTypenames(document) as Parameters<typeof stringifyDocument>[0]);
}

function withoutTypenames(node: unknown): unknown {
  if (Array.isArray(node)) return node.filter((each) => !isTypename(each)).map(withoutTypenames);
  if (typeof node !== 'object' || node === null) return node;
  const members = Object.entries(node as AstNode).filter(([name]) => name !== '__meta__' && name !== 'loc');
  return Object.fromEntries(members.map(([name, member]) => [name, withoutTypenames(member)]));
}

function isTypename(node: unknown): boolean {
  const { kind, name } = (node ?? {}) as { kind?: string; name?: { value: string } };
  return kind === 'Field' && name?.value === '__typename';
}
