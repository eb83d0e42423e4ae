import { Alert, Button, Group, Menu, Stack, Text } from '@mantine/core';
import { IconDots } from '@tabler/icons-react';
import { useState } from 'react';
import { useSession } from '../../app/session';
import {
  UndoSubscriptionCancellationDocument,
  WithdrawSubscriptionChangeDocument,
  type CustomerQuery,
  type SubscriptionPartsFragment,
} from '../../generated/customer/graphql';
import { Empty, Facts, Panel } from '../../parts/Page';
import { Money, Price, SubscriptionStatus, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { actionTexts, customerTexts } from '../../texts/customer';
import { Cancel } from './actions/Cancel';
import { ChangePlan } from './actions/ChangePlan';
import { Confirm } from '../../parts/Confirm';
import { Subscribe } from './actions/Subscribe';
import { Timeline } from './Timeline';

const texts = customerTexts.subscription;

type Customer = NonNullable<CustomerQuery['customer']>;
type Dialog = 'subscribe' | 'change' | 'cancel' | 'undo' | 'withdraw';

/** The live subscription, or the last one, with what can be done about it. */
export function Subscription({ customer }: { customer: Customer }) {
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  const live = customer.subscription ?? null;
  const shown = live ?? customer.lastSubscriptions.nodes[0] ?? null;
  return (
    <Panel
      title={
        <Group gap="sm" component="span">
          {texts.title}
          {shown && <SubscriptionStatus status={shown.status} />}
        </Group>
      }
      actions={<Actions customer={customer} subscription={live} onOpen={setDialog} again={shown !== null} />}
    >
      {dialog === 'subscribe' && <Subscribe customer={customer} onClose={close} />}
      {dialog === 'change' && live && <ChangePlan subscription={live} onClose={close} />}
      {dialog === 'cancel' && live && <Cancel id={live.id} onClose={close} />}
      {dialog === 'undo' && live && (
        <Confirm
          document={UndoSubscriptionCancellationDocument}
          mutation="undoSubscriptionCancellation"
          id={live.id}
          texts={actionTexts.undo}
          onClose={close}
        />
      )}
      {dialog === 'withdraw' && live && (
        <Confirm
          document={WithdrawSubscriptionChangeDocument}
          mutation="withdrawSubscriptionChange"
          id={live.id}
          texts={actionTexts.withdraw}
          onClose={close}
        />
      )}
      {shown ? <Details subscription={shown} /> : <Empty title={texts.none}>{texts.noneHint}</Empty>}
    </Panel>
  );
}

function isEnding(subscription: SubscriptionPartsFragment): boolean {
  return subscription.cancelAtPeriodEnd || Boolean(subscription.cancelAt);
}

function Actions({ customer, subscription, onOpen, again }: {
  customer: Customer;
  subscription: SubscriptionPartsFragment | null;
  onOpen: (dialog: Dialog) => void;
  again: boolean;
}) {
  const { canWrite } = useSession();
  if (!canWrite || customer.archivedAt) return null;
  if (!subscription) {
    return (
      <Button size="xs" onClick={() => onOpen('subscribe')}>
        {again ? texts.again : texts.subscribe}
      </Button>
    );
  }
  return (
    <Group gap="xs">
      {subscription.status !== 'PENDING' && (
        <Button size="xs" variant="default" onClick={() => onOpen('change')}>
          {texts.change}
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default" px="xs" aria-label={`${texts.title}: ${common.more}`}>
            <IconDots size={16} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {subscription.pendingChange && <Menu.Item onClick={() => onOpen('withdraw')}>{texts.withdraw}</Menu.Item>}
          {isEnding(subscription) && <Menu.Item onClick={() => onOpen('undo')}>{texts.undo}</Menu.Item>}
          <Menu.Item onClick={() => onOpen('cancel')}>{texts.cancel}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

function Details({ subscription }: { subscription: SubscriptionPartsFragment }) {
  const { plan, quantity, pendingChange, billingHold, pendingLines } = subscription;
  const ends = subscription.cancelAt ?? (subscription.cancelAtPeriodEnd ? subscription.currentPeriodEnd : null);
  return (
    <Stack gap="md">
      {billingHold && (
        <Alert color="red" variant="outline" title={texts.hold}>
          {texts.holdReason(billingHold.reason, billingHold.attempts)} <Time at={billingHold.retryAt} time />.
        </Alert>
      )}
      {(pendingChange || ends) && (
        <Group gap="xs">
          {pendingChange && (
            <Text size="sm" className="note">
              {texts.pendingChange(pendingChange.quantity, pendingChange.plan.name)} <Time at={pendingChange.effectiveAt} />
            </Text>
          )}
          {ends && (
            <Text size="sm" className="note">
              {texts.cancelAt} <Time at={ends} />
            </Text>
          )}
        </Group>
      )}
      <Facts
        facts={[
          [texts.plan, plan.name],
          [texts.quantity, quantity],
          [customerTexts.facts.price, <Price plan={plan} quantity={quantity} />],
          subscription.endedAt
            ? [texts.ended, <Time at={subscription.endedAt} time />]
            : [texts.next, <Time at={subscription.nextBillingAt} time />],
        ]}
      />
      {pendingLines.length > 0 && (
        <section className="preview" aria-label={texts.pendingLines}>
          <Text size="sm" fw={600} mb={4}>
            {texts.pendingLines}
          </Text>
          {pendingLines.map(({ id, description, amountCents }) => (
            <Group key={id} justify="space-between" gap="md">
              <Text size="sm">{description}</Text>
              <Text size="sm" component="span">
                <Money cents={amountCents} currency={plan.currency} />
              </Text>
            </Group>
          ))}
        </section>
      )}
      <Timeline subscription={subscription} />
    </Stack>
  );
}
