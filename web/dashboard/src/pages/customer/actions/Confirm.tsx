import type { TypedDocumentNode } from 'urql';
import { useAction } from '../../../app/useAction';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';

/** The dialog of an action that needs nothing but an id. */
export function Confirm<Data, Name extends keyof Data & string>({ document, mutation, id, texts, danger, onClose }: {
  document: TypedDocumentNode<Data, { input: { id: string } }>;
  mutation: Name;
  id: string;
  texts: { title: string; intro: string; submit: string; done: string };
  danger?: boolean;
  onClose: () => void;
}) {
  const action = useAction({ document, mutation, input: () => ({ id }), done: () => <Done text={texts.done} /> });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} danger={danger ?? false} onClose={onClose} />
  );
}
