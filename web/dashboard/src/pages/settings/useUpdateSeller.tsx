import { useState } from 'react';
import { useAction, type Action } from '../../app/useAction';
import { UpdateSellerDocument, type UpdateSellerInput } from '../../generated/settings/graphql';
import { Done } from '../../parts/Done';
import { settingsTexts } from '../../texts/settings';
import type { Seller } from './Settings';

type Changes = Omit<UpdateSellerInput, 'expectedRevision'>;

/** Makes a new version of the seller. The server refuses it if somebody else made one while the dialog was open. */
export function useUpdateSeller(seller: Seller | null, changes: () => Changes): Action {
  const [expectedRevision] = useState(seller?.revision ?? 0);
  return useAction({
    document: UpdateSellerDocument,
    mutation: 'updateSeller',
    input: () => ({ expectedRevision, ...changes() }),
    done: ({ seller: stored }) => <Done text={settingsTexts.update.done(stored?.revision ?? 0)} />,
  });
}
