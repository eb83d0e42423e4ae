import { Status } from '../../parts/values';
import { webhooksTexts as texts } from '../../texts/webhooks';

export function EndpointStatus({ status }: { status: keyof typeof texts.statuses }) {
  return <Status value={status === 'ENABLED' ? 'ACTIVE' : 'UNCOLLECTIBLE'}>{texts.statuses[status]}</Status>;
}

const VALUES = { PENDING: 'PENDING', SUCCEEDED: 'ACTIVE', FAILED: 'UNCOLLECTIBLE' } as const;

export function DeliveryStatus({ status }: { status: keyof typeof VALUES }) {
  return <Status value={VALUES[status]}>{texts.deliveries.statuses[status]}</Status>;
}
