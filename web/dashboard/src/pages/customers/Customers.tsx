import { Button, Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconPlus, IconSearch } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { oneOf } from '../../app/search-params';
import { useSession } from '../../app/session';
import { usePage } from '../../app/usePage';
import { CustomersDocument, type CustomersQuery, type CustomersQueryVariables } from '../../generated/customers/graphql';
import { DataTable, pageArguments, type Column, type ListState } from '../../parts/DataTable';
import { archivedCondition, ArchivedFilter, CurrencyFilter } from '../../parts/filters';
import { Empty, Page, Panel, Show } from '../../parts/Page';
import { Money, PageLink, Price, SubscriptionStatus, Time } from '../../parts/values';
import { common } from '../../texts/common';
import { customersTexts as texts } from '../../texts/customers';
import { CreateCustomer } from './CreateCustomer';

const route = getRouteApi('/customers');

type Row = CustomersQuery['customers']['nodes'][number];
type Statuses = keyof typeof common.subscriptionStatus;
// Customers are found by their live subscription, which is never canceled.
const STATUSES = (Object.keys(common.subscriptionStatus) as Statuses[]).filter((status) => status !== 'CANCELED');
const ORDERS = ['NAME', 'EMAIL', 'CREATED_AT'] as const;

const COLUMNS: readonly Column<Row>[] = [
  {
    id: 'name',
    header: texts.columns.name,
    sort: 'NAME',
    cell: ({ id, name }) => (
      <PageLink to="/customers/$id" params={{ id }} className="strong">
        {name}
      </PageLink>
    ),
  },
  { id: 'email', header: texts.columns.email, sort: 'EMAIL', cell: ({ email }) => email },
  {
    id: 'status',
    header: texts.columns.status,
    cell: ({ subscription }) =>
      subscription ? <SubscriptionStatus status={subscription.status} /> : <span className="dimmed">{texts.noSubscription}</span>,
  },
  { id: 'plan', header: texts.columns.plan, cell: ({ subscription }) => subscription?.plan.name ?? common.none },
  {
    id: 'price',
    header: texts.columns.price,
    align: 'right',
    cell: ({ subscription }) =>
      subscription ? <Price plan={subscription.plan} quantity={subscription.quantity} /> : common.none,
  },
  {
    id: 'nextPeriod',
    header: texts.columns.nextPeriod,
    hidden: true,
    cell: ({ subscription }) => <Time at={subscription?.currentPeriodEnd} />,
  },
  {
    id: 'balance',
    header: texts.columns.balance,
    align: 'right',
    hidden: true,
    cell: ({ balanceCents, currency }) => (currency ? <Money cents={balanceCents} currency={currency} /> : common.none),
  },
  { id: 'currency', header: texts.columns.currency, hidden: true, cell: ({ currency }) => currency ?? common.none },
  { id: 'externalId', header: texts.columns.externalId, hidden: true, cell: ({ externalId }) => externalId ?? common.none },
  { id: 'created', header: texts.columns.created, sort: 'CREATED_AT', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'archived', header: texts.columns.archived, hidden: true, cell: ({ archivedAt }) => <Time at={archivedAt} /> },
];

export default function Customers() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { canWrite } = useSession();
  const [creating, setCreating] = useState(false);
  const order = oneOf(search.order, ORDERS);
  const list: ListState = order ? search : { ...search, order: 'CREATED_AT', direction: 'DESC' };
  const variables = useMemo(() => variablesOf(search), [search]);
  const loaded = usePage(CustomersDocument, variables);
  const filtered = Boolean(search.query ?? search.status ?? search.currency ?? search.archived);

  // Another filter starts at the first page.
  const filter = (changed: Partial<typeof search>) =>
    navigate({
      search: { ...search, ...changed, after: undefined, before: undefined },
      replace: true,
    });

  return (
    <Page
      title={texts.title}
      actions={
        canWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
            {texts.create}
          </Button>
        )
      }
    >
      {creating && <CreateCustomer onClose={() => setCreating(false)} />}
      <Panel flush>
        <Filters search={search} onFilter={filter} filtered={filtered} />
        <Show loaded={loaded} placeholder={<DataTable label={texts.title} columns={COLUMNS} rows={[]} empty={<Empty title={`${common.loading} …`} />} />}>
          {({ customers }) => (
            <DataTable
              label={texts.title}
              columns={COLUMNS}
              rows={customers.nodes}
              list={list}
              onList={(next) => void navigate({ search: { ...search, ...next, after: next.after, before: next.before } })}
              pageInfo={customers.pageInfo}
              empty={
                filtered ? (
                  <Empty title={texts.nothing}>{texts.nothingHint}</Empty>
                ) : (
                  <Empty title={texts.empty}>{texts.emptyHint}</Empty>
                )
              }
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}

type CustomersSearch = ReturnType<typeof route.useSearch>;

function variablesOf(search: CustomersSearch): CustomersQueryVariables {
  const status = oneOf(search.status, STATUSES);
  const order = oneOf(search.order, ORDERS);
  return {
    ...pageArguments(search),
    query: search.query ?? null,
    filter: {
      ...archivedCondition(search.archived),
      ...(status ? { subscriptionStatus: [status] } : {}),
      ...(search.currency ? { currency: search.currency } : {}),
    },
    orderBy: order
      ? { field: order, direction: search.direction ?? 'ASC' }
      : { field: 'CREATED_AT', direction: 'DESC' },
  };
}

function Filters({ search, onFilter, filtered }: {
  search: CustomersSearch;
  onFilter: (changed: Partial<CustomersSearch>) => void;
  filtered: boolean;
}) {
  const [text, setText] = useState(search.query ?? '');
  const [asked, setAsked] = useState(search.query);
  if (asked !== search.query) {
    setAsked(search.query);
    // The address lost it, for example by a link to this page.
    if (search.query === undefined) setText('');
  }
  const ask = useDebouncedCallback((query: string) => onFilter({ query: query.trim() || undefined }), 150);
  return (
    <Group className="filters" gap="xs">
      <TextInput
        className="grow"
        aria-label={texts.search}
        placeholder={texts.searchPlaceholder}
        leftSection={<IconSearch size={16} aria-hidden />}
        type="search"
        maxLength={200}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          ask(event.currentTarget.value);
        }}
      />
      <Select
        aria-label={texts.status}
        placeholder={texts.anyStatus}
        clearable
        w={150}
        data={STATUSES.map((value) => ({ value, label: common.subscriptionStatus[value] }))}
        value={oneOf(search.status, STATUSES) ?? null}
        onChange={(status) => onFilter({ status: status ?? undefined })}
      />
      <CurrencyFilter value={search.currency} onChange={(currency) => onFilter({ currency })} />
      <ArchivedFilter value={search.archived} onChange={(archived) => onFilter({ archived })} />
      {filtered && (
        <Button
          variant="subtle"
          color="gray"
          className="quiet"
          onClick={() => {
            setText('');
            onFilter({ query: undefined, status: undefined, currency: undefined, archived: undefined });
          }}
        >
          {texts.clear}
        </Button>
      )}
    </Group>
  );
}
