import type { TypedDocumentNode } from 'urql';
import { useAction } from '../app/useAction';
import { ActionDialog } from './ActionDialog';
import { Done } from './Done';

/** The dialog of an action that needs nothing but an id. */
export function Confirm<Data, Name extends keyof Data & string>({ document, mutation, id, texts, danger, withKey, onClose }: {
  document: TypedDocumentNode<Data, { input: { id: string } }>;
  mutation: Name;
  id: string;
  texts: { title: string; intro: string; submit: string; done: string };
  danger?: boolean;
  /** True if the mutation takes an idempotency key. */
  withKey?: boolean;
  onClose: () => void;
}) {
  const action = useAction({
    document,
    mutation,
    input: (idempotencyKey) => ({ id, ...(withKey ? { idempotencyKey } : {}) }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} danger={danger ?? false} onClose={onClose} />
  );
}
