import { useState, type ReactNode } from 'react';
import { useMutation, type TypedDocumentNode } from 'urql';
import { common } from '../texts/common';
import { notify } from './notes';
import { randomId } from './uuid';

interface UserError {
  code: string;
  message: string;
  field?: readonly string[] | null;
}

interface Payload {
  userErrors: readonly UserError[];
}

type PayloadOf<Data, Name extends keyof Data> = NonNullable<Data[Name]>;

interface Options<Data, Input, Name extends keyof Data> {
  document: TypedDocumentNode<Data, { input: Input }>;
  /** Name of the mutation's field. */
  mutation: Name;
  /** The input. It takes the key if the mutation accepts one: repeated attempts have the same key. */
  input: (idempotencyKey: string) => Input;
  /** Called after success, with the payload. Its result is shown as a notification. */
  done: (payload: PayloadOf<Data, Name>) => ReactNode;
  /** What to do if no response arrives, if there is more to say than to look first. */
  lost?: string;
}

export interface Action {
  document: unknown;
  variables: object;
  running: boolean;
  /** Submits the input. Resolves to true on success. */
  submit: () => Promise<boolean>;
  /** The message of the error at an input field, by its path in the input, such as `address.country`. */
  error: (field: string) => string | undefined;
  /** Messages that no shown field has claimed with `error`. */
  problems: () => string[];
  /** True if somebody else changed the object since it was read. */
  conflict: boolean;
  reset: () => void;
}

const CONFLICT = 'VERSION_CONFLICT';

/** A mutation that a person submits: its input, its errors, and what is said after it. */
export function useAction<Data, Input, Name extends keyof Data & string>(options: Options<Data, Input, Name>): Action {
  const { document, mutation, input, done } = options;
  const [{ fetching }, execute] = useMutation(document);
  const [errors, setErrors] = useState<readonly UserError[]>([]);
  // One for as long as the dialog is open: what was stored once is not stored again, also with a corrected input.
  const [key] = useState(randomId);
  const variables = { input: input(key) };
  const lost = options.lost ?? ('idempotencyKey' in (variables.input as object) ? common.errors.maybeChanged : common.errors.maybeChangedOnce);
  const claimed = new Set<string>();

  async function submit(): Promise<boolean> {
    const { data, error } = await execute(variables);
    const payload = data?.[mutation] as (PayloadOf<Data, Name> & Payload) | null | undefined;
    if (!payload) {
      setErrors([{ code: 'FAILED', message: failure(error, lost) }]);
      return false;
    }
    setErrors(payload.userErrors);
    if (payload.userErrors.length) return false;
    notify(done(payload));
    return true;
  }

  return {
    document,
    variables,
    running: fetching,
    submit,
    error(field) {
      claimed.add(field);
      return errors.find((each) => each.code !== CONFLICT && pathOf(each) === field)?.message;
    },
    problems: () =>
      errors.filter((each) => each.code !== CONFLICT && !claimed.has(pathOf(each))).map(({ message }) => message),
    conflict: errors.some(({ code }) => code === CONFLICT),
    reset: () => setErrors([]),
  };
}

/** The path of a field inside of the input: the server's path starts with the name of the argument. */
function pathOf({ field }: UserError): string {
  return (field ?? []).slice(1).join('.');
}

function failure(error: { graphQLErrors: readonly { message: string }[]; response?: unknown } | undefined, lost: string): string {
  const status = (error?.response as Response | undefined)?.status;
  if (status === 401) return common.errors.needsKey;
  return error?.graphQLErrors[0]?.message ?? (status ? common.errors.unknown : lost);
}
