import type { ListState } from '../parts/DataTable';

/** What an address has after its `?`. Anyone can write it, so pages read it with these functions. */
export type Search = Record<string, unknown>;

export function textOf(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value ? value : undefined;
}

/** Returns `value` if it is one of these. */
export function oneOf<Value extends string>(value: string | undefined, values: readonly Value[]): Value | undefined {
  return values.find((each) => each === value);
}

/** The order of a list and the position in it. */
export function listSearch(search: Search): ListState {
  return {
    order: textOf(search['order']),
    direction: oneOf(textOf(search['direction']), ['ASC', 'DESC']),
    after: textOf(search['after']),
    before: textOf(search['before']),
  };
}
