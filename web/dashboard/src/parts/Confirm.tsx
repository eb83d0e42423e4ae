import type { ReactNode } from 'react';
import type { TypedDocumentNode } from 'urql';
import { useAction } from '../app/useAction';
import { ActionDialog } from './ActionDialog';
import { Done } from './Done';

interface Texts<Payload> {
  title: string;
  intro: string;
  submit: string;
  /** Says what was done. */
  done: string | ((payload: Payload) => ReactNode);
}

/** The dialog of an action that needs nothing but an id. */
export function Confirm<Data, Name extends keyof Data & string>({ document, mutation, id, texts, danger, withKey, onClose }: {
  document: TypedDocumentNode<Data, { input: { id: string } }>;
  mutation: Name;
  id: string;
  texts: Texts<NonNullable<Data[Name]>>;
  danger?: boolean;
  /** True if the mutation takes an idempotency key. */
  withKey?: boolean;
  onClose: () => void;
}) {
  const { title, intro, submit, done } = texts;
  const action = useAction({
    document,
    mutation,
    input: (idempotencyKey) => ({ id, ...(withKey ? { idempotencyKey } : {}) }),
    done: typeof done === 'string' ? () => <Done text={done} /> : done,
  });
  return <ActionDialog action={action} title={title} intro={intro} submit={submit} danger={danger ?? false} onClose={onClose} />;
}
