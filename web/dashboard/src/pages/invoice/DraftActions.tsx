import { SimpleGrid } from '@mantine/core';
import { router } from '../../app/router';
import { useAction } from '../../app/useAction';
import {
  AddInvoiceLineDocument,
  DeleteDraftInvoiceDocument,
  FinalizeInvoiceDocument,
  UpdateInvoiceDocument,
  type InvoicePartsFragment,
} from '../../generated/invoice/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { ChoiceField, choicesOf, CountField, errorAt, MoneyField, TextField, useValues } from '../../parts/fields';
import { Amount } from '../../parts/InvoicePreview';
import { invoiceTexts } from '../../texts/invoice';
import { invoicesTexts } from '../../texts/invoices';

const labels = invoicesTexts.form;

interface Props {
  invoice: InvoicePartsFragment;
  onClose: () => void;
}

export function Finalize({ invoice, onClose }: Props) {
  const texts = invoiceTexts.finalize;
  const action = useAction({
    document: FinalizeInvoiceDocument,
    mutation: 'finalizeInvoice',
    input: (idempotencyKey) => ({ id: invoice.id, idempotencyKey }),
    done: ({ invoice: finalized }) => <Done text={texts.done(finalized?.number ?? '')} />,
  });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} onClose={onClose}>
      <section className="preview" aria-label={invoiceTexts.total}>
        <dl className="amounts">
          <Amount label={invoiceTexts.total} cents={invoice.amountCents} currency={invoice.currency} />
        </dl>
      </section>
    </ActionDialog>
  );
}

/** Deletes the draft, and leaves its page, on which there is nothing any more. */
export function DeleteDraft({ invoice, onClose }: Props) {
  const texts = invoiceTexts.delete;
  const action = useAction({
    document: DeleteDraftInvoiceDocument,
    mutation: 'deleteDraftInvoice',
    input: () => ({ id: invoice.id }),
    done: () => {
      router.history.push('/invoices');
      return <Done text={texts.done} />;
    },
  });
  return <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} danger onClose={onClose} />;
}

export function AddLine({ invoice, onClose }: Props) {
  const texts = invoiceTexts.addLine;
  const { values, set } = useValues<{
    description: string;
    quantity: number | null;
    unitAmountCents: number | null;
    taxBehavior: keyof typeof labels.behaviors;
  }>({ description: '', quantity: 1, unitAmountCents: null, taxBehavior: 'EXCLUSIVE' });
  const action = useAction({
    document: AddInvoiceLineDocument,
    mutation: 'addInvoiceLine',
    input: (idempotencyKey) => ({
      invoiceId: invoice.id,
      description: values.description,
      quantity: values.quantity ?? 0,
      unitAmountCents: values.unitAmountCents ?? 0,
      taxBehavior: values.taxBehavior,
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
      disabled={values.quantity === null || values.unitAmountCents === null}
      onClose={onClose}
    >
      <TextField
        label={labels.description}
        required
        autoFocus
        value={values.description}
        onChange={(description) => set('description', description)}
        {...errorAt(action, 'description')}
      />
      <SimpleGrid cols={2} spacing="sm">
        <CountField
          label={labels.quantity}
          min={1}
          value={values.quantity}
          onChange={(quantity) => set('quantity', quantity)}
          {...errorAt(action, 'quantity')}
        />
        <MoneyField
          label={labels.price}
          required
          currency={invoice.currency}
          value={values.unitAmountCents}
          onChange={(unitAmountCents) => set('unitAmountCents', unitAmountCents)}
          {...errorAt(action, 'unitAmountCents')}
        />
      </SimpleGrid>
      <ChoiceField
        label={labels.taxBehavior}
        choices={choicesOf(labels.behaviors)}
        value={values.taxBehavior}
        onChange={(taxBehavior) => set('taxBehavior', taxBehavior)}
      />
    </ActionDialog>
  );
}

export function EditTerms({ invoice, onClose }: Props) {
  const texts = invoiceTexts.edit;
  const { values, set } = useValues({
    netDays: invoice.netDays ?? null,
    poNumber: invoice.poNumber ?? '',
    memo: invoice.memo ?? '',
  });
  const action = useAction({
    document: UpdateInvoiceDocument,
    mutation: 'updateInvoice',
    input: () => ({
      id: invoice.id,
      netDays: values.netDays,
      poNumber: values.poNumber || null,
      memo: values.memo || null,
    }),
    done: () => <Done text={texts.done} />,
  });
  return (
    <ActionDialog action={action} title={texts.title} intro={texts.intro} submit={texts.submit} onClose={onClose}>
      <CountField
        label={labels.netDays}
        placeholder={labels.netDaysHint}
        min={0}
        value={values.netDays}
        onChange={(netDays) => set('netDays', netDays)}
        {...errorAt(action, 'netDays')}
      />
      <TextField
        label={labels.poNumber}
        value={values.poNumber}
        onChange={(poNumber) => set('poNumber', poNumber)}
        {...errorAt(action, 'poNumber')}
      />
      <TextField label={labels.memo} rows={2} value={values.memo} onChange={(memo) => set('memo', memo)} {...errorAt(action, 'memo')} />
    </ActionDialog>
  );
}
