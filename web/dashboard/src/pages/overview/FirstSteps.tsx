import { Button, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { formatCount } from '../../app/format';
import { useSession } from '../../app/session';
import { useAction } from '../../app/useAction';
import { CreateDemoDataDocument } from '../../generated/overview/graphql';
import { ActionDialog } from '../../parts/ActionDialog';
import { Done } from '../../parts/Done';
import { CountField, errorAt } from '../../parts/fields';
import { Panel } from '../../parts/Page';
import { overviewTexts } from '../../texts/overview';
import { CreateCustomer } from '../customers/CreateCustomer';
import { CreatePlan } from '../plans/CreatePlan';

const texts = overviewTexts.first;

/** What a person sees before anything is billed: three steps to the first invoice, or demo data. */
export default function FirstSteps({ hasPlan, customerId }: { hasPlan: boolean; customerId: string | null }) {
  const { canWrite, isAdmin } = useSession();
  const [dialog, setDialog] = useState<'plan' | 'customer' | 'demo' | null>(null);
  const close = () => setDialog(null);
  return (
    <Panel title={texts.title}>
      {dialog === 'plan' && <CreatePlan onClose={close} />}
      {dialog === 'customer' && <CreateCustomer onClose={close} />}
      {dialog === 'demo' && <FillWithDemoData onClose={close} />}
      <Stack gap="lg">
        <Text c="dimmed">{canWrite ? texts.intro : texts.readOnly}</Text>
        {canWrite && (
          <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="md">
            <Step number={1} title={texts.plan} hint={texts.planHint} done={hasPlan}>
              <Button variant={hasPlan ? 'default' : 'filled'} onClick={() => setDialog('plan')}>
                {texts.plan}
              </Button>
            </Step>
            <Step number={2} title={texts.customer} hint={texts.customerHint} done={customerId !== null}>
              <Button variant={hasPlan && !customerId ? 'filled' : 'default'} onClick={() => setDialog('customer')}>
                {texts.customer}
              </Button>
            </Step>
            <Step number={3} title={texts.subscription} hint={texts.subscriptionHint} done={false}>
              {customerId && (
                <Button
                  component={Link}
                  {...({ to: '/customers/$id', params: { id: customerId } } as object)}
                  variant={hasPlan ? 'filled' : 'default'}
                >
                  {texts.openCustomer}
                </Button>
              )}
            </Step>
          </SimpleGrid>
        )}
        {isAdmin && !hasPlan && !customerId && (
          <Group gap="md" className="demo">
            <div className="grow">
              <Text fw={600}>{texts.or}</Text>
              <Text size="sm" c="dimmed">
                {texts.demoHint}
              </Text>
            </div>
            <Button variant="default" onClick={() => setDialog('demo')}>
              {texts.demo}
            </Button>
          </Group>
        )}
      </Stack>
    </Panel>
  );
}

function Step({ number, title, hint, done, children }: {
  number: number;
  title: string;
  hint: string;
  done: boolean;
  children: ReactNode;
}) {
  return (
    <section className="preview" aria-label={title}>
      <Stack gap="xs" align="flex-start">
        <Group gap="xs">
          {done ? <IconCircleCheck size={22} className="done" aria-label={texts.done} /> : <span className="number">{number}</span>}
          <Text fw={600}>{title}</Text>
        </Group>
        <Text size="sm" c="dimmed">
          {hint}
        </Text>
        {children}
      </Stack>
    </section>
  );
}

function FillWithDemoData({ onClose }: { onClose: () => void }) {
  const [customers, setCustomers] = useState<number | null>(40);
  const action = useAction({
    document: CreateDemoDataDocument,
    mutation: 'createDemoData',
    input: () => ({ customers: customers ?? 0 }),
    done: (payload) => <Done text={texts.demoDone(formatCount(payload.customers ?? 0))} />,
  });
  return (
    <ActionDialog
      action={action}
      title={texts.demoTitle}
      intro={texts.demoIntro}
      submit={texts.demoSubmit}
      disabled={customers === null}
      onClose={onClose}
    >
      <CountField
        label={texts.demoCustomers}
        min={1}
        autoFocus
        value={customers}
        onChange={setCustomers}
        {...errorAt(action, 'customers')}
      />
    </ActionDialog>
  );
}
