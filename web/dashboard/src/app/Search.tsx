import { Combobox, Group, Kbd, Loader, Text, TextInput, useCombobox } from '@mantine/core';
import { useDebouncedValue, useHotkeys } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { useQuery } from 'urql';
import { SearchDocument, type SearchQuery } from '../generated/app/graphql';
import { InvoiceStatus, Money, SubscriptionStatus } from '../parts/values';
import { common } from '../texts/common';

const PAUSE_MS = 150;
const SEARCHABLE = /[\p{L}\p{N}]/u;

/** Finds customers while a person types, and invoices by their number. */
export function Search() {
  const [text, setText] = useState('');
  const [asked] = useDebouncedValue(text.trim().slice(0, 200), PAUSE_MS);
  const pause = !SEARCHABLE.test(asked);
  const [{ data, fetching }] = useQuery({
    query: SearchDocument,
    variables: { text: asked, number: asked },
    pause,
    requestPolicy: 'network-only',
  });
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const input = useRef<HTMLInputElement>(null);
  const navigate = useNavigate();
  useHotkeys([['/', () => input.current?.focus()]]);

  function choose(path: string) {
    combobox.closeDropdown();
    setText('');
    input.current?.blur();
    void navigate({ to: path });
  }

  return (
    <Combobox store={combobox} onOptionSubmit={choose} withinPortal shadow="md">
      <Combobox.Target>
        <TextInput
          ref={input}
          className="search"
          aria-label={common.search.label}
          placeholder={common.search.placeholder}
          type="search"
          autoComplete="off"
          maxLength={200}
          value={text}
          leftSection={<IconSearch size={17} aria-hidden />}
          rightSection={fetching && !pause ? <Loader size={16} /> : <Kbd size="xs" className="hint">/</Kbd>}
          onFocus={() => combobox.openDropdown()}
          onClick={() => combobox.openDropdown()}
          onBlur={() => combobox.closeDropdown()}
          onChange={(event) => {
            setText(event.currentTarget.value);
            combobox.openDropdown();
            combobox.resetSelectedOption();
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Options aria-label={common.search.label} mah={420} className="scroll">
          <Results data={pause ? undefined : data} text={pause ? '' : asked} waiting={fetching} />
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

function Results({ data, text, waiting }: { data: SearchQuery | undefined; text: string; waiting: boolean }) {
  if (!text) return <Combobox.Empty className="dimmed">{common.search.hint}</Combobox.Empty>;
  if (!data) return <Combobox.Empty className="dimmed">{waiting ? `${common.loading} …` : common.errors.network}</Combobox.Empty>;
  const { customers, invoiceByNumber: invoice } = data;
  if (!customers.nodes.length && !invoice) {
    return <Combobox.Empty className="dimmed">{common.search.nothing(text)}</Combobox.Empty>;
  }
  return (
    <>
      {invoice && (
        <Combobox.Group label={common.search.invoices}>
          <Combobox.Option value={`/invoices/${invoice.id}`}>
            <Group justify="space-between" wrap="nowrap" gap="sm">
              <div className="truncate">
                <Text size="sm" fw={550} truncate>
                  {invoice.number}
                </Text>
                <Text size="xs" c="dimmed" truncate>
                  {invoice.customer.name}
                </Text>
              </div>
              <Group gap="xs" wrap="nowrap">
                <Money cents={invoice.amountCents} currency={invoice.currency} />
                <InvoiceStatus status={invoice.status} />
              </Group>
            </Group>
          </Combobox.Option>
        </Combobox.Group>
      )}
      {customers.nodes.length > 0 && (
        <Combobox.Group label={common.search.customers}>
          {customers.nodes.map(({ id, name, email, subscription }) => (
            <Combobox.Option key={id} value={`/customers/${id}`}>
              <Group justify="space-between" wrap="nowrap" gap="sm">
                <div className="truncate">
                  <Text size="sm" fw={550} truncate>
                    {name}
                  </Text>
                  <Text size="xs" c="dimmed" truncate>
                    {email}
                  </Text>
                </div>
                {subscription && <SubscriptionStatus status={subscription.status} />}
              </Group>
            </Combobox.Option>
          ))}
        </Combobox.Group>
      )}
    </>
  );
}
