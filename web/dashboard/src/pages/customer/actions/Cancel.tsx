import { Checkbox, Radio, Stack, Text } from '@mantine/core';
import { formatTime } from '../../../app/format';
import { useAction } from '../../../app/useAction';
import { usePreview } from '../../../app/usePreview';
import { CancelSubscriptionDocument, PreviewCancellationDocument, type CancelSubscriptionMutationVariables } from '../../../generated/customer/graphql';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Done } from '../../../parts/Done';
import { errorAt, InstantField, useValues } from '../../../parts/fields';
import { InvoicePreview, PreviewArea } from '../../../parts/InvoicePreview';
import { actionTexts } from '../../../texts/customer';

const texts = actionTexts.cancel;

type When = 'atPeriodEnd' | 'now' | 'at';

interface Values {
  when: When;
  at: string | null;
  credit: boolean;
}

export function Cancel({ id, onClose }: { id: string; onClose: () => void }) {
  const { values, set } = useValues<Values>({ when: 'atPeriodEnd', at: null, credit: false });
  const { when, at } = values;
  const mayCredit = when !== 'atPeriodEnd';
  const input: Omit<CancelSubscriptionMutationVariables['input'], 'idempotencyKey'> = {
    id,
    atPeriodEnd: when !== 'now',
    ...(when === 'at' && at ? { at } : {}),
    ...(mayCredit && values.credit ? { settlement: 'CREDIT' as const } : {}),
  };
  const incomplete = when === 'at' && !at;
  const preview = usePreview(PreviewCancellationDocument, { input }, { pause: incomplete });
  const previewed = preview.data?.previewCancellation;
  const action = useAction({
    document: CancelSubscriptionDocument,
    mutation: 'cancelSubscription',
    input: (idempotencyKey) => ({ ...input, idempotencyKey }),
    done: ({ subscription, invoice }) => {
      const text = subscription?.status === 'CANCELED' ? texts.done : texts.scheduled;
      return invoice ? (
        <Done text={text} link={actionTexts.openInvoice} to={{ to: '/invoices/$id', params: { id: invoice.id } }} />
      ) : (
        <Done text={text} />
      );
    },
  });
  return (
    <ActionDialog
      action={action}
      title={texts.title}
      intro={texts.intro}
      submit={texts.submit}
      danger
      disabled={incomplete || preview.waiting}
      onClose={onClose}
    >
      <Radio.Group label={texts.when} value={when} onChange={(next) => set('when', next as When)}>
        <Stack gap="xs" mt="xs">
          <Radio value="atPeriodEnd" label={texts.atPeriodEnd} data-autofocus />
          <Radio value="now" label={texts.now} />
          <Radio value="at" label={texts.at} />
        </Stack>
      </Radio.Group>
      {when === 'at' && (
        <InstantField
          label={texts.time}
          description={texts.timeHint}
          value={at}
          onChange={(next) => set('at', next)}
          {...errorAt(action, 'at')}
        />
      )}
      {mayCredit && (
        <Checkbox label={texts.credit} checked={values.credit} onChange={(event) => set('credit', event.currentTarget.checked)} />
      )}
      {!incomplete && (
        <PreviewArea preview={preview} problems={previewed?.userErrors ?? []}>
          {previewed?.endsAt && (
            <Text size="sm">{when === 'now' ? texts.endsNow : texts.ends(formatTime(previewed.endsAt))}</Text>
          )}
          {previewed?.invoices?.map((invoice, place) => <InvoicePreview key={place} invoice={invoice} />)}
        </PreviewArea>
      )}
    </ActionDialog>
  );
}
