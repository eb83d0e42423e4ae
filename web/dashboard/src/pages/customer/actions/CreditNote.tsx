import { Radio, Stack } from '@mantine/core';
import { useMoney } from '../../../app/format';
import { useAction } from '../../../app/useAction';
import { usePreview } from '../../../app/usePreview';
import { CreateCreditNoteDocument, PreviewCreditNoteDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { errorAt, MoneyField, TextField, useValues } from '../../../parts/fields';
import { Amount, PreviewArea } from '../../../parts/InvoicePreview';
import { actionTexts } from '../../../texts/customer';

const texts = actionTexts.credit;

interface Values {
  how: 'whole' | 'part';
  amountCents: number | null;
  to: 'balance' | 'refund';
  reason: string;
  memo: string;
}

interface Invoice {
  id: string;
  number?: string | null;
  currency: string;
  creditableCents: number;
}

/** Credits an invoice, or a part of it. What was paid goes to the balance, or is to be refunded. */
export function CreditNote({ invoice, onClose }: { invoice: Invoice; onClose: () => void }) {
  const { money } = useMoney();
  const { values, set } = useValues<Values>({ how: 'whole', amountCents: null, to: 'balance', reason: '', memo: '' });
  const { currency } = invoice;
  const what = values.how === 'whole' ? { whole: true } : { amountCents: values.amountCents ?? 0 };
  const incomplete = values.how === 'part' && values.amountCents === null;
  // The first preview says how much there is to distribute.
  const first = usePreview(PreviewCreditNoteDocument, { input: { invoiceId: invoice.id, ...what } }, { pause: incomplete });
  const toDistribute = first.data?.previewCreditNote.toDistributeCents ?? 0;
  const distribution = values.to === 'refund' ? { distribution: { refundCents: toDistribute } } : {};
  const input = { invoiceId: invoice.id, ...what, ...distribution };
  const second = usePreview(PreviewCreditNoteDocument, { input }, { pause: incomplete || values.to === 'balance' });
  const { data, waiting } = values.to === 'refund' ? second : first;
  const previewed = data?.previewCreditNote;
  const note = previewed?.creditNote;
  const action = useAction({
    document: CreateCreditNoteDocument,
    mutation: 'createCreditNote',
    input: (idempotencyKey) => ({
      ...input,
      reason: values.reason,
      ...(values.memo ? { memo: values.memo } : {}),
      idempotencyKey,
    }),
    done: ({ creditNote }) => <Done text={texts.done(creditNote?.number ?? '')} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title(invoice.number ?? '')}
      intro={texts.intro}
      submit={texts.submit}
      disabled={incomplete || waiting || first.waiting}
      onClose={onClose}
    >
      <Radio.Group label={texts.how} value={values.how} onChange={(how) => set('how', how as Values['how'])}>
        <Stack gap="xs" mt="xs">
          <Radio value="whole" label={texts.whole(money(invoice.creditableCents, currency))} />
          <Radio value="part" label={texts.part} />
        </Stack>
      </Radio.Group>
      {values.how === 'part' && (
        <MoneyField
          label={actionTexts.amount}
          required
          currency={currency}
          value={values.amountCents}
          onChange={(amountCents) => set('amountCents', amountCents)}
          {...errorAt(action, 'amountCents')}
        />
      )}
      {toDistribute > 0 && (
        <Radio.Group label={texts.to} value={values.to} onChange={(to) => set('to', to as Values['to'])}>
          <Stack gap="xs" mt="xs">
            <Radio value="balance" label={texts.toBalance} />
            <Radio value="refund" label={texts.toRefund} />
          </Stack>
        </Radio.Group>
      )}
      <TextField
        label={actionTexts.reason}
        description={actionTexts.reasonHint}
        required
        autoFocus
        value={values.reason}
        onChange={(reason) => set('reason', reason)}
        {...errorAt(action, 'reason')}
      />
      <TextField
        label={texts.memo}
        rows={2}
        value={values.memo}
        onChange={(memo) => set('memo', memo)}
        {...errorAt(action, 'memo')}
      />
      {!incomplete && (
        <PreviewArea preview={values.to === 'refund' ? second : first} problems={previewed?.userErrors ?? []}>
          {note && (
            <section className="preview" aria-label={texts.title(invoice.number ?? '')}>
              <dl className="amounts">
                {note.appliedCents > 0 && <Amount label={texts.applied} cents={note.appliedCents} currency={currency} />}
                {note.restoredCents > 0 && <Amount label={texts.restored} cents={note.restoredCents} currency={currency} />}
                {note.balanceCents > 0 && <Amount label={texts.balance} cents={note.balanceCents} currency={currency} />}
                {note.refundCents > 0 && <Amount label={texts.refund} cents={note.refundCents} currency={currency} />}
                {note.taxCents !== 0 && <Amount label={texts.tax} cents={note.taxCents} currency={currency} quiet />}
                <Amount label={actionTexts.amount} cents={note.amountCents} currency={currency} strong />
              </dl>
            </section>
          )}
        </PreviewArea>
      )}
    </ActionDialog>
  );
}
