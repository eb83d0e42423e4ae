import { Button, Group, Menu, Stack, Tabs, Text } from '@mantine/core';
import { IconDots } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { formatCount, useMoney } from '../../app/format';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { ArchiveCustomerDocument, CustomerDocument, UnarchiveCustomerDocument, type CustomerQuery } from '../../generated/customer/graphql';
import { Empty, Facts, Page, Panel, Show } from '../../parts/Page';
import { Status, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { actionTexts, customerTexts as texts } from '../../texts/customer';
import { customersTexts } from '../../texts/customers';
import { AdjustBalance } from './actions/AdjustBalance';
import { ConfirmTaxId } from './actions/ConfirmTaxId';
import { Confirm } from '../../parts/Confirm';
import { EditCustomer } from './actions/EditCustomer';
import { RecordPayment } from './actions/RecordPayment';
import { RedeemCoupon } from './actions/RedeemCoupon';
import { Subscription } from './Subscription';
import { TABS, TabContent, type Tab } from './tabs';

const route = getRouteApi('/customers/$id');

type Customer = NonNullable<CustomerQuery['customer']>;
type TaxId = Customer['taxIds'][number];
type Dialog = 'edit' | 'payment' | 'balance' | 'coupon' | 'archive' | 'unarchive' | TaxId;

export default function CustomerPage() {
  const { id } = route.useParams();
  // Another customer is another page, which shows nothing of this one.
  return <CustomerById key={id} id={id} />;
}

function CustomerById({ id }: { id: string }) {
  const loaded = usePage(CustomerDocument, { id });
  const customer = loaded.data?.customer;
  if (!customer) {
    return (
      <Page title={texts.customer}>
        <Show loaded={loaded}>{() => <Empty title={texts.notFound} />}</Show>
      </Page>
    );
  }
  return <Loaded customer={customer} />;
}

/** The amount due on all open invoices. Null if there are more than were read. */
function outstandingOf(customer: Customer): number | null {
  if (customer.openInvoices.pageInfo.hasNextPage) return null;
  return customer.openInvoices.nodes.reduce((sum, { amountDueCents }) => sum + amountDueCents, 0);
}

function Loaded({ customer }: { customer: Customer }) {
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  return (
    <Page
      label={customer.name}
      title={
        <Group gap="sm" component="span">
          {customer.name}
          {customer.archivedAt && <Status value="VOID">{texts.archived}</Status>}
          {customer.testClock && (
            <Status value="TRIALING">{texts.onTestClock(customer.testClock.name ?? customer.testClock.id)}</Status>
          )}
        </Group>
      }
      actions={<Actions customer={customer} onOpen={setDialog} />}
    >
      {dialog === 'edit' && <EditCustomer customer={customer} onClose={close} />}
      {dialog === 'payment' && (
        <RecordPayment customer={customer} outstandingCents={outstandingOf(customer)} onClose={close} />
      )}
      {dialog === 'balance' && <AdjustBalance customer={customer} onClose={close} />}
      {dialog === 'coupon' && (
        <RedeemCoupon customerId={customer.id} subscriptionId={customer.subscription?.id ?? null} onClose={close} />
      )}
      {dialog === 'archive' && (
        <Confirm
          document={ArchiveCustomerDocument}
          mutation="archiveCustomer"
          id={customer.id}
          texts={actionTexts.archive}
          danger
          onClose={close}
        />
      )}
      {dialog === 'unarchive' && (
        <Confirm
          document={UnarchiveCustomerDocument}
          mutation="unarchiveCustomer"
          id={customer.id}
          texts={actionTexts.unarchive}
          onClose={close}
        />
      )}
      {typeof dialog === 'object' && dialog && <ConfirmTaxId customerId={customer.id} taxId={dialog} onClose={close} />}
      <Summary customer={customer} />
      <Subscription customer={customer} />
      <Related id={customer.id} />
    </Page>
  );
}

function Actions({ customer, onOpen }: { customer: Customer; onOpen: (dialog: Dialog) => void }) {
  const { canWrite } = useSession();
  if (!canWrite) return null;
  const unconfirmed = customer.taxIds.filter(({ verifiedAt }) => !verifiedAt);
  return (
    <>
      <Button variant="default" onClick={() => onOpen('edit')}>
        {texts.edit}
      </Button>
      <Button onClick={() => onOpen('payment')}>{texts.actions.recordPayment}</Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px="xs" aria-label={common.more}>
            <IconDots size={18} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => onOpen('coupon')}>{texts.actions.redeemCoupon}</Menu.Item>
          <Menu.Item onClick={() => onOpen('balance')}>{texts.actions.adjustBalance}</Menu.Item>
          {unconfirmed.map((taxId) => (
            <Menu.Item key={taxId.country + taxId.value} onClick={() => onOpen(taxId)}>
              {texts.confirm(taxId.value)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          {customer.archivedAt ? (
            <Menu.Item onClick={() => onOpen('unarchive')}>{texts.unarchive}</Menu.Item>
          ) : (
            <Menu.Item onClick={() => onOpen('archive')}>{texts.archive}</Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

function Summary({ customer }: { customer: Customer }) {
  const { money } = useMoney();
  const { currency, openInvoices, balanceCents, address, netDays } = customer;
  const outstanding = outstandingOf(customer);
  const open = `${formatCount(openInvoices.nodes.length)}${openInvoices.pageInfo.hasNextPage ? '+' : ''}`;
  const lines = [address?.line1, address?.line2, [address?.postalCode, address?.city].filter(Boolean).join(' '), address?.region, address?.country];
  return (
    <Panel>
      <Stack gap="md">
        <div className="figures">
          <Figure label={texts.facts.outstanding} hint={texts.facts.openInvoices(open)}>
            {currency && outstanding !== null ? money(outstanding, currency) : common.none}
          </Figure>
          <Figure label={texts.facts.balance}>{currency ? money(balanceCents, currency) : common.none}</Figure>
          <Figure label={texts.facts.since}>
            <Time at={customer.createdAt} />
          </Figure>
        </div>
        <Facts
          facts={[
            [texts.facts.email, customer.email],
            [texts.facts.externalId, customer.externalId],
            [texts.facts.address, lines.filter(Boolean).join(', ') || null],
            [texts.facts.tax, [customersTexts.taxStatus[customer.taxStatus], customer.taxId].filter(Boolean).join(', ')],
            [texts.facts.taxIds, customer.taxIds.map(taxIdText).join(', ')],
            [texts.facts.taxRates, customer.taxRates.map(({ name, percent }) => `${name} ${percent}%`).join(', ')],
            [texts.facts.netDays, netDays],
            [texts.facts.poNumber, customer.poNumber],
          ]}
        />
      </Stack>
    </Panel>
  );
}

function taxIdText({ value, verifiedAt }: TaxId): string {
  return verifiedAt ? `${value} (${texts.confirmed})` : value;
}

function Figure({ label, hint, children }: { label: string; hint?: string; children: React.ReactNode }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text size="xl" fw={650} className="money">
        {children}
      </Text>
      {hint && (
        <Text size="xs" c="dimmed">
          {hint}
        </Text>
      )}
    </div>
  );
}

/** The lists of a customer. Each one is read when its tab is opened. */
function Related({ id }: { id: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tab = oneOf(search.tab, TABS) ?? 'invoices';
  return (
    <Panel flush>
      <Tabs
        value={tab}
        onChange={(next) => void navigate({ search: { tab: next === 'invoices' || next === null ? undefined : next }, replace: true })}
        keepMounted={false}
      >
        <Tabs.List aria-label={texts.tabs.label} className="tabs">
          {TABS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {texts.tabs[each]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((each: Tab) => (
          <Tabs.Panel key={each} value={each}>
            <TabContent tab={each} id={id} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Panel>
  );
}
