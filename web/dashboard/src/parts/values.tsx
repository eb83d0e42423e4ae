import { Anchor, Tooltip, type MantineColor } from '@mantine/core';
import { Link, type LinkProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { formatDate, formatTime, formatUtc, useMoney } from '../app/format';
import { common } from '../texts/common';

export function Money({ cents, currency, strong }: { cents: number; currency: string; strong?: boolean }) {
  const { money } = useMoney();
  return <span className={strong ? 'money strong' : 'money'}>{money(cents, currency)}</span>;
}

/** A time in the reader's zone, with the time in UTC on hover. */
export function Time({ at, time = false }: { at: string | null | undefined; time?: boolean }) {
  if (!at) return <span className="dimmed">{common.none}</span>;
  return (
    <Tooltip label={common.utc(formatUtc(at))} events={{ hover: true, focus: false, touch: true }}>
      <time dateTime={at} className="time">
        {time ? formatTime(at) : formatDate(at)}
      </time>
    </Tooltip>
  );
}

const COLORS = {
  ACTIVE: 'teal',
  PAID: 'teal',
  ISSUED: 'teal',
  OPEN: 'indigo',
  TRIALING: 'cyan',
  PENDING: 'gray',
  DRAFT: 'gray',
  PAST_DUE: 'orange',
  UNCOLLECTIBLE: 'red',
  VOID: 'gray',
  CANCELED: 'gray',
} satisfies Record<string, MantineColor>;

/** A status, in words and a color. `value` chooses the color. */
export function Status({ value, children }: { value: keyof typeof COLORS; children: ReactNode }) {
  return (
    <span className="status" data-color={COLORS[value]}>
      {children}
    </span>
  );
}

export function SubscriptionStatus({ status }: { status: keyof typeof common.subscriptionStatus }) {
  return <Status value={status}>{common.subscriptionStatus[status]}</Status>;
}

export function InvoiceStatus({ status }: { status: keyof typeof common.invoiceStatus }) {
  return <Status value={status}>{common.invoiceStatus[status]}</Status>;
}

export function CreditNoteStatus({ status }: { status: keyof typeof common.creditNoteStatus }) {
  return <Status value={status}>{common.creditNoteStatus[status]}</Status>;
}

/** A link to a page of the dashboard. */
export function PageLink({ children, className, ...to }: { children: ReactNode; className?: string } & LinkProps) {
  return (
    <Anchor component={Link} inherit className={className ?? ''} {...(to as object)}>
      {children}
    </Anchor>
  );
}

/** The price of a plan, such as `29.00 EUR / month`. */
export function Price({ plan, quantity = 1 }: {
  plan: { amountCents: number; currency: string; interval: keyof typeof common.intervals; intervalCount: number };
  quantity?: number;
}) {
  const { money } = useMoney();
  const interval = common.intervals[plan.interval](plan.intervalCount);
  return <span className="money">{common.perInterval(money(plan.amountCents * quantity, plan.currency), interval)}</span>;
}
