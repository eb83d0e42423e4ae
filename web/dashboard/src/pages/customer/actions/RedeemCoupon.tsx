import { useAction } from '../../../app/useAction';
import { RedeemCouponDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { ChoiceField, errorAt, TextField, useValues } from '../../../parts/fields';
import { actionTexts } from '../../../texts/customer';

const texts = actionTexts.coupon;

export function RedeemCoupon({ customerId, subscriptionId, onClose }: {
  customerId: string;
  subscriptionId: string | null;
  onClose: () => void;
}) {
  const { values, set } = useValues<{ code: string; scope: 'subscription' | 'customer' }>({
    code: '',
    scope: subscriptionId ? 'subscription' : 'customer',
  });
  const action = useAction({
    document: RedeemCouponDocument,
    mutation: 'redeemCoupon',
    input: (idempotencyKey) => ({
      code: values.code,
      ...(values.scope === 'subscription' ? { subscriptionId } : { customerId }),
      idempotencyKey,
    }),
    done: ({ discount }) => <Done text={texts.done(discount?.coupon.name ?? '')} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={!values.code.trim()}
      onClose={onClose}
    >
      <TextField
        label={texts.code}
        required
        autoFocus
        value={values.code}
        onChange={(code) => set('code', code)}
        {...errorAt(action, 'code')}
      />
      {subscriptionId && (
        <ChoiceField
          label={texts.scope}
          choices={[
            { value: 'subscription', label: texts.forSubscription },
            { value: 'customer', label: texts.forCustomer },
          ]}
          value={values.scope}
          onChange={(scope) => set('scope', scope)}
        />
      )}
    </ActionDialog>
  );
}
