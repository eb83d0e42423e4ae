import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { formatDate } from '../../app/format';
import type { SubscriptionPartsFragment } from '../../generated/customer/graphql';
import { InvoiceStatus, Money, PageLink } from '../../parts/values';
import { customerTexts } from '../../texts/customer';

const texts = customerTexts.timeline;

/** The latest periods of a subscription, the current one, and the next one with what it will cost. */
export function Timeline({ subscription }: { subscription: SubscriptionPartsFragment }) {
  const { trialStart, trialEnd, currentPeriodStart, cancelAt, endedAt, currentPeriodEnd, status } = subscription;
  const periods = subscription.periods.nodes.toReversed();
  const [upcoming] = subscription.upcomingInvoices;
  const ends = endedAt ?? cancelAt ?? (subscription.cancelAtPeriodEnd ? currentPeriodEnd : null);
  const hasTrial = trialStart && trialEnd && periods.length < 8;
  const isLive = status !== 'CANCELED';
  return (
    <ol className="timeline" tabIndex={0} aria-label={texts.title} ref={scrollToEnd}>
      {hasTrial && (
        <Span from={trialStart} until={trialEnd} current={status === 'TRIALING'} title={texts.trial} />
      )}
      {periods.map(({ id, number, status: paid, currency, amountCents, periodStart, periodEnd }) => (
        <Span key={id} from={periodStart} until={periodEnd} current={isLive && periodStart === currentPeriodStart}>
          <PageLink to="/invoices/$id" params={{ id }} className="strong">
            {number ?? customerTexts.draft}
          </PageLink>
          <span className="timeline-money">
            <Money cents={amountCents} currency={currency} />
          </span>
          <InvoiceStatus status={paid} />
        </Span>
      ))}
      {upcoming && (
        <Span from={upcoming.periodStart} until={upcoming.periodEnd} title={texts.upcoming} planned>
          <span className="timeline-money">
            <Money cents={upcoming.amountCents} currency={upcoming.currency} />
          </span>
        </Span>
      )}
      {ends && (
        <li className="period planned">
          <Text size="xs" c="dimmed">
            {formatDate(ends)}
          </Text>
          <Text size="sm" fw={600}>
            {texts.end}
          </Text>
        </li>
      )}
    </ol>
  );
}

/** The current period and the next one are at the end. */
function scrollToEnd(list: HTMLElement | null) {
  if (list) list.scrollLeft = list.scrollWidth;
}

function Span({ from, until, current, planned, title, children }: {
  from: string;
  until: string;
  current?: boolean;
  planned?: boolean;
  title?: string;
  children?: ReactNode;
}) {
  const share = (Date.now() - Date.parse(from)) / (Date.parse(until) - Date.parse(from));
  return (
    <li className={`period${current ? ' current' : ''}${planned ? ' planned' : ''}`} aria-current={current ? 'date' : undefined}>
      <Text size="xs" c="dimmed">
        {customerTexts.preview.period(formatDate(from), formatDate(until))}
      </Text>
      {title && (
        <Text size="sm" fw={600}>
          {title}
        </Text>
      )}
      {children}
      {current && <progress max={1} value={Math.min(1, Math.max(0, share))} aria-label={texts.now} />}
    </li>
  );
}
