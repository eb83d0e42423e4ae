import { Button, Menu } from '@mantine/core';
import { IconDots, IconPrinter } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useMoney } from '../../app/format';
import { useSession } from '../../app/session';
import {
  DeleteDraftInvoiceDocument,
  FinalizeInvoiceDocument,
  MarkInvoiceUncollectibleDocument,
  ReissueInvoiceDocument,
  VoidInvoiceDocument,
} from '../../generated/invoice/graphql';
import { Confirm } from '../../parts/Confirm';
import { Done } from '../../parts/Done';
import { common } from '../../texts/common';
import { invoiceActionTexts as texts } from '../../texts/invoice';
import { CreditNote } from '../customer/actions/CreditNote';
import { RecordPayment } from '../customer/actions/RecordPayment';
import { downloadJson, downloadLines } from './download';
import { AddLine, EditDraft } from './DraftActions';
import type { InvoiceView } from './Invoice';

type Dialog = 'finalize' | 'line' | 'edit' | 'delete' | 'payment' | 'credit' | 'uncollectible' | 'void' | 'reissue';

/** The actions that the status of an invoice allows, the most likely one first. */
function allowed({ status, kind, creditableCents, replacedBy }: InvoiceView): Dialog[] {
  const credit: Dialog[] = creditableCents > 0 ? ['credit'] : [];
  switch (status) {
    case 'DRAFT':
      return ['finalize', 'line', 'edit', 'delete'];
    case 'OPEN':
      return ['payment', ...credit, 'uncollectible', 'void'];
    case 'UNCOLLECTIBLE':
      return ['payment', ...credit, 'void'];
    case 'PAID':
      return credit;
    case 'VOID':
      return kind === 'ONE_OFF' || replacedBy ? [] : ['reissue'];
  }
}

export function InvoiceActions({ invoice }: { invoice: InvoiceView }) {
  const { canWrite } = useSession();
  const { digitsOf } = useMoney();
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const dialogs = canWrite ? allowed(invoice) : [];
  const [first, ...others] = dialogs;
  return (
    <>
      {dialog && <OpenDialog dialog={dialog} invoice={invoice} onClose={() => setDialog(null)} />}
      <Button variant="default" leftSection={<IconPrinter size={16} aria-hidden />} onClick={() => window.print()}>
        {texts.print}
      </Button>
      {first && (
        <Button variant={first === 'credit' ? 'default' : 'filled'} onClick={() => setDialog(first)}>
          {texts[first].action}
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px="xs" aria-label={common.more}>
            <IconDots size={18} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {others.map((each) => (
            <Menu.Item key={each} onClick={() => setDialog(each)}>
              {texts[each].action}
            </Menu.Item>
          ))}
          {others.length > 0 && <Menu.Divider />}
          <Menu.Item onClick={() => downloadJson(invoice)}>{texts.downloadJson}</Menu.Item>
          <Menu.Item onClick={() => downloadLines(invoice, digitsOf(invoice.currency))}>{texts.downloadCsv}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

function OpenDialog({ dialog, invoice, onClose }: { dialog: Dialog; invoice: InvoiceView; onClose: () => void }) {
  const { money } = useMoney();
  const navigate = useNavigate();
  const { id, currency, amountCents, amountDueCents } = invoice;
  const number = invoice.number ?? '';
  switch (dialog) {
    case 'payment':
      return <RecordPayment customer={invoice.customer} invoice={invoice} outstandingCents={amountDueCents} onClose={onClose} />;
    case 'credit':
      return <CreditNote invoice={invoice} onClose={onClose} />;
    case 'line':
      return <AddLine invoice={invoice} onClose={onClose} />;
    case 'edit':
      return <EditDraft invoice={invoice} onClose={onClose} />;
    case 'finalize':
      return (
        <Confirm
          id={id}
          onClose={onClose}
          withKey
          document={FinalizeInvoiceDocument}
          mutation="finalizeInvoice"
          texts={{
            ...texts.finalize,
            intro: texts.finalize.intro(money(amountCents, currency)),
            done: ({ invoice: finalized }) => <Done text={texts.finalize.done(finalized?.number ?? '')} />,
          }}
        />
      );
    case 'void':
      return (
        <Confirm
          id={id}
          onClose={onClose}
          danger
          withKey
          document={VoidInvoiceDocument}
          mutation="voidInvoice"
          texts={{
            ...texts.void,
            intro: texts.void.intro(number, money(amountDueCents, currency)),
            done: texts.void.done(number),
          }}
        />
      );
    case 'uncollectible':
      return (
        <Confirm
          id={id}
          onClose={onClose}
          danger
          withKey
          document={MarkInvoiceUncollectibleDocument}
          mutation="markInvoiceUncollectible"
          texts={{
            ...texts.uncollectible,
            intro: texts.uncollectible.intro(money(amountDueCents, currency)),
            done: texts.uncollectible.done(number),
          }}
        />
      );
    case 'reissue':
      return (
        <Confirm
          id={id}
          onClose={onClose}
          withKey
          document={ReissueInvoiceDocument}
          mutation="reissueInvoice"
          texts={{
            ...texts.reissue,
            intro: texts.reissue.intro(number),
            done: ({ invoice: created }) => (
              <Done
                text={texts.reissue.done(created?.number ?? '')}
                link={texts.reissue.open}
                to={{ to: '/invoices/$id', params: { id: created?.id ?? '' } }}
              />
            ),
          }}
        />
      );
    case 'delete':
      return (
        <Confirm
          id={id}
          onClose={onClose}
          danger
          document={DeleteDraftInvoiceDocument}
          mutation="deleteDraftInvoice"
          texts={{
            ...texts.delete,
            done: () => {
              void navigate({ href: '/invoices' });
              return <Done text={texts.delete.done} />;
            },
          }}
        />
      );
  }
}
