import { Alert, Group, Stack, Text } from '@mantine/core';
import type { CombinedError } from '@urql/core';
import { formatDate } from '../app/format';
import type { InvoicePreviewPartsFragment } from '../generated/parts/graphql';
import { customerTexts } from '../texts/customer';
import { messageOf } from './Page';
import { Money, Time } from './values';

const texts = customerTexts.preview;

/** An invoice that does not exist yet: its lines, discounts, taxes and total. */
export function InvoicePreview({ invoice, title }: { invoice: InvoicePreviewPartsFragment; title?: string }) {
  const { currency } = invoice;
  return (
    <section className="preview" aria-label={title ?? texts.title}>
      <Group justify="space-between" gap="xs" mb={6}>
        <Text size="sm" fw={600}>
          {title ?? texts.title}
        </Text>
        <Text size="xs" c="dimmed">
          {texts.period(formatDate(invoice.periodStart), formatDate(invoice.periodEnd))}
        </Text>
      </Group>
      <dl className="amounts">
        {invoice.lines.map(({ description, amountCents }, line) => (
          <Amount key={line} label={description} cents={amountCents} currency={currency} />
        ))}
        {invoice.discounts.map(({ name, amountCents }, place) => (
          <Amount key={`discount ${place}`} label={name} cents={-amountCents} currency={currency} quiet />
        ))}
        {invoice.taxes.map(({ name, percent, amountCents }, place) => (
          <Amount key={`tax ${place}`} label={`${name} ${percent}%`} cents={amountCents} currency={currency} quiet />
        ))}
        {invoice.roundingCents !== 0 && (
          <Amount label={texts.rounding} cents={invoice.roundingCents} currency={currency} quiet />
        )}
        <Amount label={texts.total} cents={invoice.amountCents} currency={currency} strong />
        {invoice.amountDueCents !== invoice.amountCents && (
          <Amount label={texts.dueNow} cents={invoice.amountDueCents} currency={currency} strong />
        )}
      </dl>
      {invoice.dueAt && (
        <Text size="xs" c="dimmed" mt={6}>
          {texts.due} <Time at={invoice.dueAt} />
        </Text>
      )}
    </section>
  );
}

export function Amount({ label, cents, currency, strong, quiet }: {
  label: string;
  cents: number;
  currency: string;
  strong?: boolean;
  quiet?: boolean;
}) {
  return (
    <div className={quiet ? 'amount dimmed' : strong ? 'amount total' : 'amount'}>
      <dt>{label}</dt>
      <dd>
        <Money cents={cents} currency={currency} />
      </dd>
    </div>
  );
}

/** Where a preview is shown: its errors, or that it is being calculated. */
export function PreviewArea({ preview: { waiting, error }, problems, children }: {
  preview: { waiting: boolean; error?: CombinedError | undefined };
  problems: readonly { message: string }[];
  children: React.ReactNode;
}) {
  const messages = error ? [messageOf(error)] : problems.map(({ message }) => message);
  return (
    <div aria-live="polite" aria-busy={waiting} className={waiting ? 'waiting-preview' : ''}>
      <Stack gap="sm">
        {messages.map((message, place) => (
          <Alert key={place} color="orange" variant="outline" py="xs">
            {message}
          </Alert>
        ))}
        {children}
        {!messages.length && !children && (
          <Text size="sm" c="dimmed">
            {waiting ? texts.waiting : texts.nothing}
          </Text>
        )}
      </Stack>
    </div>
  );
}
