import { useAction } from '../../../app/useAction';
import { usePage } from '../../../app/usePage';
import { CustomerCreditNotesDocument, RecordRefundDocument, ReversePaymentDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { ChoiceField, errorAt, MoneyField, TextField, useValues } from '../../../parts/fields';
import { actionTexts } from '../../../texts/customer';

const MOST_NOTES = 100;

interface Payment {
  id: string;
  amountCents: number;
  currency: string;
  refundedCents: number;
  reversedCents: number;
}

const remainderOf = (payment: Payment) => payment.amountCents - payment.refundedCents - payment.reversedCents;

export function Refund({ customerId, payment, onClose }: { customerId: string; payment: Payment; onClose: () => void }) {
  const texts = actionTexts.refund;
  const { values, set } = useValues<{ amountCents: number | null; creditNoteId: string; reference: string }>({
    amountCents: remainderOf(payment),
    creditNoteId: '',
    reference: '',
  });
  const { data } = usePage(CustomerCreditNotesDocument, { id: customerId, first: MOST_NOTES });
  const open = (data?.customer?.creditNotes.nodes ?? []).filter((note) => note.refundedCents < note.refundCents);
  const action = useAction({
    document: RecordRefundDocument,
    mutation: 'recordRefund',
    input: (idempotencyKey) => ({
      paymentId: payment.id,
      amountCents: values.amountCents ?? 0,
      ...(values.creditNoteId ? { creditNoteId: values.creditNoteId } : {}),
      ...(values.reference ? { reference: values.reference } : {}),
      idempotencyKey,
    }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={values.amountCents === null}
      onClose={onClose}
    >
      <MoneyField
        label={actionTexts.amount}
        required
        autoFocus
        currency={payment.currency}
        value={values.amountCents}
        onChange={(amountCents) => set('amountCents', amountCents)}
        {...errorAt(action, 'amountCents')}
      />
      <ChoiceField
        label={texts.creditNote}
        {...(data?.customer?.creditNotes.pageInfo.hasNextPage ? { description: texts.moreNotes } : {})}
        choices={[{ value: '', label: texts.noCreditNote }, ...open.map(({ id, number }) => ({ value: id, label: number }))]}
        value={values.creditNoteId}
        onChange={(creditNoteId) => set('creditNoteId', creditNoteId)}
        {...errorAt(action, 'creditNoteId')}
      />
      <TextField
        label={actionTexts.reference}
        description={actionTexts.referenceHint}
        value={values.reference}
        onChange={(reference) => set('reference', reference)}
        {...errorAt(action, 'reference')}
      />
    </ActionDialog>
  );
}

export function Reverse({ payment, onClose }: { payment: Payment; onClose: () => void }) {
  const texts = actionTexts.reverse;
  const { values, set } = useValues<{ amountCents: number | null; reason: string }>({ amountCents: null, reason: '' });
  const action = useAction({
    document: ReversePaymentDocument,
    mutation: 'reversePayment',
    input: (idempotencyKey) => ({
      id: payment.id,
      ...(values.amountCents === null ? {} : { amountCents: values.amountCents }),
      reason: values.reason,
      idempotencyKey,
    }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} danger onClose={onClose}>
      <MoneyField
        label={actionTexts.amount}
        description={texts.amountHint}
        currency={payment.currency}
        value={values.amountCents}
        onChange={(amountCents) => set('amountCents', amountCents)}
        {...errorAt(action, 'amountCents')}
      />
      <TextField
        label={actionTexts.reason}
        description={actionTexts.reasonHint}
        required
        autoFocus
        value={values.reason}
        onChange={(reason) => set('reason', reason)}
        {...errorAt(action, 'reason')}
      />
    </ActionDialog>
  );
}
