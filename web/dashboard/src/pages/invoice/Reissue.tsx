import { useAction } from '../../app/useAction';
import { ReissueInvoiceDocument, type InvoicePartsFragment } from '../../generated/invoice/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { invoiceTexts } from '../../texts/invoice';

const texts = invoiceTexts.reissue;

export function Reissue({ invoice, onClose }: { invoice: InvoicePartsFragment; onClose: () => void }) {
  const action = useAction({
    document: ReissueInvoiceDocument,
    mutation: 'reissueInvoice',
    input: (idempotencyKey) => ({ id: invoice.id, idempotencyKey }),
    done: ({ invoice: created }) => (
      <Done text={texts.done(created?.number ?? '')} link={texts.open} to={{ to: '/invoices/$id', params: { id: created?.id ?? '' } }} />
    ),
  });
  return <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} onClose={onClose} />;
}
