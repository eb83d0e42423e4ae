import { ActionIcon, Button, Group, Menu, Select, Table, Text, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconChevronLeft, IconChevronRight, IconChevronsLeft, IconColumns3, IconSelector } from '@tabler/icons-react';
import { columnVisibilityFeature, tableFeatures, useTable, type ColumnDef } from '@tanstack/react-table';
import { useMemo, useState, type ReactNode } from 'react';
import { common } from '../texts/common';

export interface Column<Row> {
  id: string;
  header: string;
  cell: (row: Row) => ReactNode;
  /** Order of the list that sorts by this column. */
  sort?: string;
  align?: 'right';
  /** Hidden until the person chooses it. */
  hidden?: boolean;
}

/** Order and position of a list, as they stand in the address of the page. */
export interface ListState {
  order?: string | undefined;
  direction?: 'ASC' | 'DESC' | undefined;
  after?: string | undefined;
  before?: string | undefined;
}

interface PageInfo {
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  startCursor?: string | null;
  endCursor?: string | null;
}

const features = tableFeatures({ columnVisibilityFeature });

interface Props<Row> {
  /** Name of the table for screen readers. */
  label: string;
  /** Name under which the browser remembers the columns, if `label` is not enough. */
  name?: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  empty: ReactNode;
  /** With these, the list can be sorted and paged. */
  list?: ListState;
  onList?: (list: ListState) => void;
  pageInfo?: PageInfo;
}

/** A list of objects with an id. The server sorts it and returns one page of it. On narrow screens, each row is a card. */
export function DataTable<Row extends { id: string }>({ label, name, columns, rows, empty, list = {}, onList, pageInfo }: Props<Row>) {
  const definitions = useMemo<ColumnDef<typeof features, Row>[]>(
    () => columns.map(({ id, header, cell }) => ({ id, header, cell: ({ row }) => cell(row.original) })),
    [columns],
  );
  const [columnVisibility, setVisibility] = useRememberedColumns(name ?? label, columns);
  const table = useTable({
    features,
    columns: definitions,
    data: rows as Row[],
    getRowId: (row) => row.id,
    state: { columnVisibility },
    onColumnVisibilityChange: setVisibility,
  });
  const byId = new Map(columns.map((column) => [column.id, column]));
  if (!rows.length && !list.after && !list.before) return <>{empty}</>;
  return (
    <>
      <div className="table-scroll">
        <Table className="data-table" aria-label={label} role="table" highlightOnHover>
          <Table.Thead role="rowgroup">
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id} role="row">
                {group.headers.map((header) => {
                  const column = byId.get(header.column.id);
                  return column && <Header key={header.id} column={column} list={list} onList={onList} />;
                })}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody role="rowgroup">
            {table.getRowModel().rows.map((row) => (
              <Table.Tr key={row.id} role="row">
                {row.getVisibleCells().map((cell) => (
                  <Table.Td
                    key={cell.id}
                    role="cell"
                    data-label={byId.get(cell.column.id)?.header}
                    className={byId.get(cell.column.id)?.align === 'right' ? 'right' : ''}
                  >
                    <table.FlexRender cell={cell} />
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {onList && (
        <Group justify="space-between" className="table-foot" gap="xs">
          <ColumnMenu
            columns={columns}
            isVisible={(id) => columnVisibility[id] ?? true}
            onChange={(id, visible) => setVisibility({ ...columnVisibility, [id]: visible })}
          />
          <SortMenu columns={columns} list={list} onList={onList} />
          {pageInfo && <Pager pageInfo={pageInfo} list={list} onList={onList} />}
        </Group>
      )}
    </>
  );
}

function Header<Row>({ column, list, onList }: { column: Column<Row>; list: ListState; onList: Props<Row>['onList'] }) {
  const { header, sort, align } = column;
  if (!sort || !onList) {
    return (
      <Table.Th role="columnheader" className={align ?? ''}>
        {header}
      </Table.Th>
    );
  }
  const sorted = list.order === sort ? (list.direction ?? 'ASC') : null;
  const Icon = sorted === 'ASC' ? IconArrowUp : sorted === 'DESC' ? IconArrowDown : IconSelector;
  return (
    <Table.Th
      role="columnheader"
      className={align ?? ''}
      aria-sort={sorted === 'ASC' ? 'ascending' : sorted === 'DESC' ? 'descending' : 'none'}
    >
      <UnstyledButton
        className="sort"
        title={common.sortBy(header)}
        onClick={() => onList({ order: sort, direction: sorted === 'ASC' ? 'DESC' : 'ASC' })}
      >
        {header} <Icon size={14} aria-hidden />
      </UnstyledButton>
    </Table.Th>
  );
}

/** The orders of a list, for narrow screens, on which a table has no head. */
function SortMenu<Row>({ columns, list, onList }: { columns: readonly Column<Row>[]; list: ListState; onList: (list: ListState) => void }) {
  const sortable = columns.flatMap(({ sort, header }) => (sort ? [{ value: sort, label: common.sortBy(header) }] : []));
  if (!sortable.length) return null;
  const { order, direction } = list;
  const descends = direction === 'DESC';
  return (
    <Group className="narrow-only" gap={4} wrap="nowrap">
      <Select
        size="xs"
        aria-label={common.sort}
        data={sortable}
        value={order ?? null}
        onChange={(next) => onList(next ? { order: next, direction } : {})}
      />
      {order && (
        <ActionIcon
          variant="default"
          aria-label={descends ? common.ascending : common.descending}
          onClick={() => onList({ order, direction: descends ? 'ASC' : 'DESC' })}
        >
          {descends ? <IconArrowDown size={16} aria-hidden /> : <IconArrowUp size={16} aria-hidden />}
        </ActionIcon>
      )}
    </Group>
  );
}

function ColumnMenu<Row>({ columns, isVisible, onChange }: {
  columns: readonly Column<Row>[];
  isVisible: (id: string) => boolean;
  onChange: (id: string, visible: boolean) => void;
}) {
  return (
    <Menu closeOnItemClick={false} position="top-start" withinPortal>
      <Menu.Target>
        <Button size="compact-sm" variant="subtle" className="quiet" leftSection={<IconColumns3 size={16} />}>
          {common.columns}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {columns.slice(1).map(({ id, header }) => (
          <Menu.CheckboxItem key={id} checked={isVisible(id)} onChange={(checked) => onChange(id, checked)}>
            {header}
          </Menu.CheckboxItem>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Pager({ pageInfo, list, onList }: { pageInfo: PageInfo; list: ListState; onList: (list: ListState) => void }) {
  const { order, direction } = list;
  const { hasPreviousPage: hasPrevious, hasNextPage: hasNext } = pageInfo;
  return (
    <Group gap={4} component="nav" aria-label={common.pages} ml="auto">
      {!hasPrevious && !hasNext ? (
        <Text size="xs" c="dimmed">
          {common.lastPage}
        </Text>
      ) : (
        <>
          <ActionIcon variant="default" aria-label={common.firstPage} disabled={!hasPrevious} onClick={() => onList({ order, direction })}>
            <IconChevronsLeft size={16} />
          </ActionIcon>
          <ActionIcon
            variant="default"
            aria-label={common.previousPage}
            disabled={!hasPrevious}
            onClick={() => onList({ order, direction, before: pageInfo.startCursor ?? undefined })}
          >
            <IconChevronLeft size={16} />
          </ActionIcon>
          <ActionIcon
            variant="default"
            aria-label={common.nextPage}
            disabled={!hasNext}
            onClick={() => onList({ order, direction, after: pageInfo.endCursor ?? undefined })}
          >
            <IconChevronRight size={16} />
          </ActionIcon>
        </>
      )}
    </Group>
  );
}

function useRememberedColumns<Row>(table: string, columns: readonly Column<Row>[]) {
  const name = `billing:columns:${table}`;
  const [visibility, setVisibility] = useState<Record<string, boolean>>(() => ({
    ...Object.fromEntries(columns.map(({ id, hidden }) => [id, !hidden])),
    ...stored(name),
  }));
  function change(next: Record<string, boolean> | ((before: Record<string, boolean>) => Record<string, boolean>)) {
    const changed = typeof next === 'function' ? next(visibility) : next;
    localStorage.setItem(name, JSON.stringify(changed));
    setVisibility(changed);
  }
  return [visibility, change] as const;
}

function stored(name: string): Record<string, boolean> {
  try {
    return JSON.parse(localStorage.getItem(name) ?? '{}') as Record<string, boolean>;
  } catch {
    return {};
  }
}

/** Number of rows on a page of a list. */
export const PAGE_SIZE = 25;

/** The arguments of a connection for the position in a list. */
export function pageArguments({ after, before }: ListState) {
  return before ? { last: PAGE_SIZE, before } : after ? { first: PAGE_SIZE, after } : { first: PAGE_SIZE };
}
