import { Checkbox } from '@mantine/core';
import { useMoney } from '../../../app/format';
import { useAction } from '../../../app/useAction';
import { RecordPaymentDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { ChoiceField, choicesOf, CurrencyField, errorAt, InstantField, MoneyField, TextField, useValues } from '../../../parts/fields';
import { common } from '../../../texts/common';
import { actionTexts } from '../../../texts/customer';

const texts = actionTexts.payment;

type Method = keyof typeof common.methods;

interface Values {
  amountCents: number | null;
  currency: string;
  method: Method;
  reference: string;
  receivedAt: string | null;
  allowOverpayment: boolean;
}

export function RecordPayment({ customer, invoice, outstandingCents, onClose }: {
  customer: { id: string; currency?: string | null };
  /** The payment is for this invoice alone. */
  invoice?: { id: string; number?: string | null };
  /** Null if it is not known. */
  outstandingCents: number | null;
  onClose: () => void;
}) {
  const { money } = useMoney();
  const { values, set } = useValues<Values>({
    amountCents: outstandingCents || null,
    currency: customer.currency ?? 'EUR',
    method: 'BANK_TRANSFER',
    reference: '',
    receivedAt: null,
    allowOverpayment: false,
  });
  const action = useAction({
    document: RecordPaymentDocument,
    mutation: 'recordPayment',
    input: (idempotencyKey) => ({
      customerId: customer.id,
      amountCents: values.amountCents ?? 0,
      currency: values.currency,
      method: values.method,
      ...(values.reference ? { reference: values.reference } : {}),
      ...(values.receivedAt ? { receivedAt: values.receivedAt } : {}),
      ...(invoice ? { allocations: [{ invoiceId: invoice.id }] } : {}),
      ...(values.allowOverpayment ? { allowOverpayment: true } : {}),
      idempotencyKey,
    }),
    done: ({ payment }) => <Done text={payment ? texts.done(money(payment.amountCents, payment.currency)) : ''} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={invoice ? texts.introFor(invoice.number ?? '') : texts.intro}
      submit={texts.submit}
      disabled={values.amountCents === null}
      onClose={onClose}
    >
      {!customer.currency && (
        <CurrencyField
          label={actionTexts.currency}
          description={actionTexts.currencyHint}
          value={values.currency}
          onChange={(currency) => set('currency', currency)}
          {...errorAt(action, 'currency')}
        />
      )}
      <MoneyField
        label={actionTexts.amount}
        required
        autoFocus
        currency={values.currency}
        value={values.amountCents}
        onChange={(amountCents) => set('amountCents', amountCents)}
        {...errorAt(action, 'amountCents')}
      />
      <ChoiceField
        label={texts.method}
        choices={choicesOf<Method>(common.methods)}
        value={values.method}
        onChange={(method) => set('method', method)}
        {...errorAt(action, 'method')}
      />
      <TextField
        label={actionTexts.reference}
        description={actionTexts.referenceHint}
        value={values.reference}
        onChange={(reference) => set('reference', reference)}
        {...errorAt(action, 'reference')}
      />
      <InstantField
        label={texts.receivedAt}
        description={texts.receivedHint}
        value={values.receivedAt}
        onChange={(receivedAt) => set('receivedAt', receivedAt)}
        {...errorAt(action, 'receivedAt')}
      />
      <Checkbox
        label={texts.over}
        {...(outstandingCents === null
          ? {}
          : { description: (invoice ? texts.overHintFor : texts.overHint)(money(outstandingCents, values.currency)) })}
        checked={values.allowOverpayment}
        onChange={(event) => set('allowOverpayment', event.currentTarget.checked)}
      />
    </ActionDialog>
  );
}
