import { useState } from 'react';
import { useAction } from '../../app/useAction';
import { AddInvoiceLineDocument, UpdateInvoiceDocument } from '../../generated/invoice/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { CountField, errorAt, TextField, useValues } from '../../parts/fields';
import { emptyLine, lineErrors, LineFields, lineInput } from '../../parts/LineFields';
import { invoiceActionTexts } from '../../texts/invoice';
import type { InvoiceView } from './Invoice';

export function AddLine({ invoice, onClose }: { invoice: InvoiceView; onClose: () => void }) {
  const texts = invoiceActionTexts.line;
  const [line, setLine] = useState(() => emptyLine());
  const action = useAction({
    document: AddInvoiceLineDocument,
    mutation: 'addInvoiceLine',
    input: (idempotencyKey) => ({ invoiceId: invoice.id, ...lineInput(line), idempotencyKey }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      size="xl"
      disabled={line.unitAmountCents === null}
      onClose={onClose}
    >
      <LineFields line={line} currency={invoice.currency} onChange={setLine} autoFocus {...lineErrors(action)} />
    </ActionDialog>
  );
}

export function EditDraft({ invoice, onClose }: { invoice: InvoiceView; onClose: () => void }) {
  const texts = invoiceActionTexts.edit;
  // As it was when the dialog opened: only what the person changed is sent.
  const [before] = useState({ netDays: invoice.netDays ?? null, poNumber: invoice.poNumber ?? '', memo: invoice.memo ?? '' });
  const { values, set } = useValues(before);
  const action = useAction({
    document: UpdateInvoiceDocument,
    mutation: 'updateInvoice',
    input: () => ({
      id: invoice.id,
      ...(values.netDays === before.netDays ? {} : { netDays: values.netDays }),
      ...(values.poNumber === before.poNumber ? {} : { poNumber: values.poNumber || null }),
      ...(values.memo === before.memo ? {} : { memo: values.memo || null }),
    }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} onClose={onClose}>
      <CountField
        label={texts.netDays}
        description={texts.netDaysHint}
        autoFocus
        value={values.netDays}
        onChange={(netDays) => set('netDays', netDays)}
        {...errorAt(action, 'netDays')}
      />
      <TextField
        label={texts.poNumber}
        value={values.poNumber}
        onChange={(poNumber) => set('poNumber', poNumber)}
        {...errorAt(action, 'poNumber')}
      />
      <TextField
        label={texts.memo}
        rows={3}
        value={values.memo}
        onChange={(memo) => set('memo', memo)}
        {...errorAt(action, 'memo')}
      />
    </ActionDialog>
  );
}
