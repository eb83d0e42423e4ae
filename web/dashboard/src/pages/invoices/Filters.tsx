import { Button, Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { oneOf } from '../../app/search-params';
import type { InvoicesQueryVariables } from '../../generated/invoices/graphql';
import { CustomerField } from '../../parts/CustomerField';
import { CurrencyFilter } from '../../parts/filters';
import { pageArguments } from '../../parts/DataTable';
import { common } from '../../texts/common';
import { invoicesTexts as texts } from '../../texts/invoices';

const route = getRouteApi('/invoices');

export type InvoicesSearch = ReturnType<typeof route.useSearch>;

type Status = keyof typeof common.invoiceStatus;
const STATUSES = Object.keys(common.invoiceStatus) as Status[];
const OVERDUE = 'OVERDUE';
export const ORDERS = ['CREATED_AT', 'PERIOD_START', 'DUE_AT', 'AMOUNT'] as const;

const NO_FILTER = {
  number: undefined,
  status: undefined,
  customer: undefined,
  currency: undefined,
  from: undefined,
  until: undefined,
} satisfies Partial<InvoicesSearch>;

export function isFiltered(search: InvoicesSearch): boolean {
  return (Object.keys(NO_FILTER) as (keyof typeof NO_FILTER)[]).some((name) => search[name] !== undefined);
}

/** Start of a day in the reader's zone, as an instant. Undefined if the text is no date. */
function dayStart(text: string | undefined, daysLater = 0): string | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text ?? '');
  if (!match) return undefined;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  const start = new Date(year, month - 1, day + daysLater);
  return Number.isNaN(start.getTime()) ? undefined : start.toISOString();
}

/** The variables of the list for an address. An invoice is overdue when the day (UTC) on which it was due is over. */
export function variablesOf(search: InvoicesSearch, now: Date): InvoicesQueryVariables {
  const status = oneOf(search.status, STATUSES);
  const order = oneOf(search.order, ORDERS);
  const from = dayStart(search.from);
  const until = dayStart(search.until, 1);
  return {
    ...pageArguments(search),
    byNumber: search.number !== undefined,
    ofCustomer: search.customer !== undefined,
    ...(search.number ? { number: search.number } : {}),
    ...(search.customer ? { customerId: search.customer } : {}),
    filter: {
      ...(status ? { status: [status] } : {}),
      ...(search.status === OVERDUE ? { status: ['OPEN'], dueAt: { until: `${now.toISOString().slice(0, 10)}T00:00:00Z` } } : {}),
      ...(search.customer ? { customerId: search.customer } : {}),
      ...(search.currency ? { currency: search.currency } : {}),
      ...(from || until ? { issuedAt: { ...(from ? { from } : {}), ...(until ? { until } : {}) } } : {}),
    },
    orderBy: order
      ? { field: order, direction: search.direction ?? 'ASC' }
      : { field: 'CREATED_AT', direction: 'DESC' },
  };
}

export function Filters({ search, customer, onFilter }: {
  search: InvoicesSearch;
  /** The customer of the filter, once it is known. */
  customer: { id: string; name: string; email: string } | null;
  onFilter: (changed: Partial<InvoicesSearch>) => void;
}) {
  const [number, setNumber] = useState(search.number ?? '');
  const [asked, setAsked] = useState(search.number);
  if (asked !== search.number) {
    setAsked(search.number);
    // The address lost it, for example by a link to this page.
    if (search.number === undefined) setNumber('');
  }
  // A number names one invoice, whatever the other filters say.
  const ask = useDebouncedCallback((text: string) => onFilter(text.trim() ? { ...NO_FILTER, number: text.trim() } : { number: undefined }), 250);
  const statuses = [
    { value: OVERDUE, label: texts.overdue },
    ...STATUSES.map((value) => ({ value, label: common.invoiceStatus[value] })),
  ];
  return (
    <Group className="filters" gap="xs">
      <TextInput
        className="grow"
        aria-label={texts.number}
        placeholder={texts.numberPlaceholder}
        leftSection={<IconSearch size={16} aria-hidden />}
        type="search"
        maxLength={100}
        value={number}
        onChange={(event) => {
          setNumber(event.currentTarget.value);
          ask(event.currentTarget.value);
        }}
      />
      <Select
        aria-label={texts.status}
        placeholder={texts.anyStatus}
        clearable
        w={150}
        data={statuses}
        value={search.status === OVERDUE ? OVERDUE : (oneOf(search.status, STATUSES) ?? null)}
        onChange={(status) => onFilter({ status: status ?? undefined })}
      />
      <CustomerField
        label={texts.customer}
        hiddenLabel
        clearable
        chosen={customer}
        onChange={(chosen) => onFilter({ customer: chosen?.id })}
      />
      <CurrencyFilter value={search.currency} onChange={(currency) => onFilter({ currency })} />
      <Group gap="xs">
        <DateField label={texts.from} value={search.from} onChange={(from) => onFilter({ from })} />
        <DateField label={texts.until} value={search.until} onChange={(until) => onFilter({ until })} />
      </Group>
      {isFiltered(search) && (
        <Button
          variant="subtle"
          color="gray"
          className="quiet"
          onClick={() => {
            setNumber('');
            onFilter(NO_FILTER);
          }}
        >
          {texts.clear}
        </Button>
      )}
    </Group>
  );
}

function DateField({ label, value, onChange }: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  return (
    <TextInput
      type="date"
      label={label}
      classNames={{ root: 'date-field' }}
      value={value ?? ''}
      onChange={(event) => onChange(event.currentTarget.value || undefined)}
    />
  );
}
