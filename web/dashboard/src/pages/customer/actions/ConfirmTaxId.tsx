import { useAction } from '../../../app/useAction';
import { ConfirmTaxIdDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { actionTexts } from '../../../texts/customer';

const texts = actionTexts.confirm;

/** Confirms a VAT number after a person has checked it elsewhere. */
export function ConfirmTaxId({ customerId, taxId, onClose }: {
  customerId: string;
  taxId: { country: string; value: string };
  onClose: () => void;
}) {
  const { country, value } = taxId;
  const action = useAction({
    document: ConfirmTaxIdDocument,
    mutation: 'confirmTaxId',
    input: () => ({ customerId, country, value }),
    done: () => <Done text={texts.done} />,
  });
  return <ActionDialog action={action} title={texts.title(value)} intro={texts.intro} submit={texts.submit} onClose={onClose} />;
}
