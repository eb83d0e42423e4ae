import { useAction } from '../../../app/useAction';
import { AdjustBalanceDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { CurrencyField, errorAt, MoneyField, TextField, useValues } from '../../../parts/fields';
import { actionTexts } from '../../../texts/customer';

const texts = actionTexts.balance;

export function AdjustBalance({ customer, onClose }: { customer: { id: string; currency?: string | null }; onClose: () => void }) {
  const { values, set } = useValues<{ amountCents: number | null; currency: string; reason: string }>({
    amountCents: null,
    currency: customer.currency ?? 'EUR',
    reason: '',
  });
  const action = useAction({
    document: AdjustBalanceDocument,
    mutation: 'adjustBalance',
    input: (idempotencyKey) => ({
      customerId: customer.id,
      amountCents: values.amountCents ?? 0,
      currency: values.currency,
      reason: values.reason,
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
        description={texts.hint}
        required
        autoFocus
        currency={values.currency}
        value={values.amountCents}
        onChange={(amountCents) => set('amountCents', amountCents)}
        {...errorAt(action, 'amountCents')}
      />
      <TextField
        label={actionTexts.reason}
        description={actionTexts.reasonHint}
        required
        value={values.reason}
        onChange={(reason) => set('reason', reason)}
        {...errorAt(action, 'reason')}
      />
    </ActionDialog>
  );
}
