import { SimpleGrid, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useMoney } from '../../../app/format';
import { useAction } from '../../../app/useAction';
import { usePreview } from '../../../app/usePreview';
import {
  ChangeSubscriptionDocument,
  PreviewSubscriptionChangeDocument,
  type ChangeSubscriptionMutationVariables,
  type SubscriptionPartsFragment,
} from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { ChoiceField, choicesOf, CountField, errorAt, useValues } from '../../../parts/fields';
import { InvoicePreview, PreviewArea } from '../../../parts/InvoicePreview';
import { Price, Time } from '../../../parts/values';
import { actionTexts } from '../../../texts/customer';
import { PlanField, usePlans, type PlanChoice } from './PlanField';

const texts = actionTexts.change;

type Mode = keyof typeof texts.modes;

interface Values {
  planId: string;
  quantity: number | null;
  mode: Mode;
}

export function ChangePlan({ subscription: current, onClose }: { subscription: SubscriptionPartsFragment; onClose: () => void }) {
  // As it was when the dialog opened: what others change meanwhile is not undone.
  const [subscription] = useState(current);
  const { values, set } = useValues<Values>({
    planId: subscription.plan.id,
    quantity: subscription.quantity,
    mode: 'DEFAULT',
  });
  const plans = usePlans(subscription.plan.currency);
  // The plan may be archived by now.
  const choices = plans.plans.some(({ id }) => id === subscription.plan.id)
    ? plans.plans
    : [{ ...subscription.plan, code: '', trialDays: 0 }, ...plans.plans];
  const plan = choices.find(({ id }) => id === values.planId);
  const input: ChangeSubscriptionMutationVariables['input'] = {
    id: subscription.id,
    ...(values.planId === subscription.plan.id ? {} : { planId: values.planId }),
    ...(values.quantity === subscription.quantity ? {} : { quantity: values.quantity ?? 0 }),
    ...(values.mode === 'DEFAULT' ? {} : { mode: values.mode }),
  };
  const unchanged = values.planId === subscription.plan.id && values.quantity === subscription.quantity;
  const preview = usePreview(PreviewSubscriptionChangeDocument, { input }, { pause: unchanged });
  const previewed = preview.data?.previewSubscriptionChange;
  const action = useAction({
    document: ChangeSubscriptionDocument,
    mutation: 'changeSubscription',
    input: (idempotencyKey) => ({ ...input, idempotencyKey }),
    done: ({ invoice }) =>
      invoice ? (
        <Done text={texts.done} link={actionTexts.openInvoice} to={{ to: '/invoices/$id', params: { id: invoice.id } }} />
      ) : (
        <Done text={previewed?.mode === 'PERIOD_END' ? texts.scheduled : texts.done} />
      ),
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={`${texts.intro} ${texts.modeHint}`}
      submit={texts.submit}
      disabled={unchanged || preview.waiting}
      size={860}
      onClose={onClose}
    >
      <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
        <PlanField
          {...plans}
          plans={choices}
          value={values.planId}
          onChange={(planId) => set('planId', planId)}
          {...errorAt(action, 'planId')}
        />
        <CountField
          label={actionTexts.quantity}
          min={1}
          value={values.quantity}
          onChange={(quantity) => set('quantity', quantity)}
          {...errorAt(action, 'quantity')}
        />
        <ChoiceField
          label={texts.mode}
          value={values.mode}
          choices={choicesOf<Mode>(texts.modes)}
          onChange={(mode) => set('mode', mode)}
          {...errorAt(action, 'mode')}
        />
      </SimpleGrid>
      {/* Side by side, and from the top. */}
      <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm" className="start">
        <Terms title={texts.today} plan={subscription.plan} quantity={subscription.quantity} />
        {plan && (
          <Terms title={texts.then} plan={plan} quantity={values.quantity ?? 0}>
            {previewed?.effectiveAt && (
              <Text size="xs" c="dimmed">
                {texts.effective} <Time at={previewed.effectiveAt} time />
              </Text>
            )}
            {previewed?.withdrawnChange && <Text size="xs">{texts.replaces}</Text>}
          </Terms>
        )}
        {!unchanged && (
          <PreviewArea preview={preview} problems={previewed?.userErrors ?? []}>
            {previewed?.invoice && <InvoicePreview title={texts.invoice} invoice={previewed.invoice} />}
            {previewed?.nextInvoice && <InvoicePreview title={texts.nextInvoice} invoice={previewed.nextInvoice} />}
          </PreviewArea>
        )}
      </SimpleGrid>
    </ActionDialog>
  );
}

function Terms({ title, plan, quantity, children }: {
  title: string;
  plan: Pick<PlanChoice, 'name' | 'amountCents' | 'currency' | 'interval' | 'intervalCount'>;
  quantity: number;
  children?: React.ReactNode;
}) {
  const { money } = useMoney();
  return (
    <section className="preview" aria-label={title}>
      <Stack gap={4}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Text size="sm">
          {quantity} × {plan.name}
        </Text>
        <Text size="sm" c="dimmed">
          {texts.each(money(plan.amountCents, plan.currency))}
        </Text>
        <Text fw={600}>
          <Price plan={plan} quantity={quantity} />
        </Text>
        {children}
      </Stack>
    </section>
  );
}
