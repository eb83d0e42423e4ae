import { SimpleGrid } from '@mantine/core';
import { useAction } from '../../../app/useAction';
import { usePreview } from '../../../app/usePreview';
import { CreateSubscriptionDocument, PreviewSubscriptionDocument } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { CountField, errorAt, InstantField, TextField, useValues } from '../../../parts/fields';
import { InvoicePreview, PreviewArea } from '../../../parts/InvoicePreview';
import { actionTexts } from '../../../texts/customer';
import { PlanField, usePlans } from './PlanField';

const texts = actionTexts.subscribe;

interface Values {
  planId: string;
  quantity: number | null;
  trialDays: number | null;
  startAt: string | null;
  coupon: string;
}

export function Subscribe({ customer, onClose }: { customer: { id: string; currency?: string | null }; onClose: () => void }) {
  const { values, set } = useValues<Values>({ planId: '', quantity: 1, trialDays: null, startAt: null, coupon: '' });
  const plans = usePlans(customer.currency ?? null);
  const input = {
    customerId: customer.id,
    planId: values.planId,
    quantity: values.quantity ?? 0,
    ...(values.trialDays === null ? {} : { trialDays: values.trialDays }),
    ...(values.startAt === null ? {} : { startAt: values.startAt }),
    ...(values.coupon.trim() ? { couponCodes: [values.coupon.trim()] } : {}),
  };
  const action = useAction({
    document: CreateSubscriptionDocument,
    mutation: 'createSubscription',
    input: (idempotencyKey) => ({ ...input, idempotencyKey }),
    done: ({ invoice }) =>
      invoice ? (
        <Done text={texts.done} link={actionTexts.openInvoice} to={{ to: '/invoices/$id', params: { id: invoice.id } }} />
      ) : (
        <Done text={texts.done} />
      ),
  });
  const preview = usePreview(PreviewSubscriptionDocument, { input }, { pause: !values.planId });
  const previewed = preview.data?.previewSubscription;
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      disabled={!values.planId || preview.waiting}
      size="lg"
      onClose={onClose}
    >
      <PlanField {...plans} value={values.planId} onChange={(planId) => set('planId', planId)} {...errorAt(action, 'planId')} />
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <CountField
          label={actionTexts.quantity}
          min={1}
          value={values.quantity}
          onChange={(quantity) => set('quantity', quantity)}
          {...errorAt(action, 'quantity')}
        />
        <CountField
          label={texts.trialDays}
          placeholder={texts.trialHint}
          min={0}
          value={values.trialDays}
          onChange={(trialDays) => set('trialDays', trialDays)}
          {...errorAt(action, 'trialDays')}
        />
        <InstantField
          label={texts.startAt}
          description={texts.startHint}
          value={values.startAt}
          onChange={(startAt) => set('startAt', startAt)}
          {...errorAt(action, 'startAt')}
        />
        <TextField
          label={texts.coupon}
          value={values.coupon}
          onChange={(coupon) => set('coupon', coupon)}
          {...errorAt(action, 'couponCodes')}
        />
      </SimpleGrid>
      {values.planId && (
        <PreviewArea preview={preview} problems={previewed?.userErrors ?? []}>
          {previewed?.invoice && <InvoicePreview invoice={previewed.invoice} />}
        </PreviewArea>
      )}
    </ActionDialog>
  );
}
