import { Button, Menu } from '@mantine/core';
import { IconDots, IconDownload, IconPrinter } from '@tabler/icons-react';
import { useState } from 'react';
import { useMoney } from '../../app/format';
import { useSession } from '../../app/session';
import { MarkInvoiceUncollectibleDocument, VoidInvoiceDocument, type InvoicePartsFragment } from '../../generated/invoice/graphql';
import { Confirm } from '../../parts/Confirm';
import { common } from '../../texts/common';
import { invoiceTexts as texts } from '../../texts/invoice';
import { CreditNote } from '../customer/actions/CreditNote';
import { RecordPayment } from '../customer/actions/RecordPayment';
import { AddLine, DeleteDraft, EditTerms, Finalize } from './DraftActions';
import { downloadCsv, downloadJson } from './download';
import { Reissue } from './Reissue';

type Dialog = 'recordPayment' | 'credit' | 'finalize' | 'addLine' | 'edit' | 'delete' | 'void' | 'uncollectible' | 'reissue';

/** What can be done with an invoice now. The first action is the usual one. */
function actionsFor({ status, kind, creditableCents, amountDueCents, lines, replacedBy }: InvoicePartsFragment): readonly Dialog[] {
  const can = (action: Dialog, possible: boolean): Dialog[] => (possible ? [action] : []);
  switch (status) {
    case 'DRAFT':
      return [...can('finalize', lines.length > 0), 'addLine', 'edit', 'delete'];
    case 'OPEN':
      return [...can('recordPayment', amountDueCents > 0), ...can('credit', creditableCents > 0), 'void', 'uncollectible'];
    case 'UNCOLLECTIBLE':
      return [...can('recordPayment', amountDueCents > 0), ...can('credit', creditableCents > 0), 'void'];
    case 'PAID':
      return can('credit', creditableCents > 0);
    case 'VOID':
      return can('reissue', kind !== 'ONE_OFF' && !replacedBy);
  }
}

export function Actions({ invoice }: { invoice: InvoicePartsFragment }) {
  const { canWrite } = useSession();
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [first, ...others] = canWrite ? actionsFor(invoice) : [];
  return (
    <>
      {dialog && <Opened dialog={dialog} invoice={invoice} onClose={() => setDialog(null)} />}
      <Button variant="default" leftSection={<IconPrinter size={16} aria-hidden />} onClick={() => window.print()}>
        {texts.print}
      </Button>
      <Download invoice={invoice} />
      {first && <Button onClick={() => setDialog(first)}>{texts.actions[first]}</Button>}
      {others.length > 0 && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" px="xs" aria-label={common.more}>
              <IconDots size={18} aria-hidden />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {others.map((action) => (
              <Menu.Item key={action} onClick={() => setDialog(action)}>
                {texts.actions[action]}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
    </>
  );
}

function Download({ invoice }: { invoice: InvoicePartsFragment }) {
  const { digitsOf } = useMoney();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
          {texts.download}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => downloadJson(invoice)}>{texts.json}</Menu.Item>
        <Menu.Item onClick={() => downloadCsv(invoice, digitsOf(invoice.currency))}>{texts.csv}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function Opened({ dialog, invoice, onClose }: { dialog: Dialog; invoice: InvoicePartsFragment; onClose: () => void }) {
  const { id, customer, currency, amountDueCents } = invoice;
  switch (dialog) {
    case 'recordPayment':
      return <RecordPayment customer={{ id: customer.id, currency }} invoiceId={id} outstandingCents={amountDueCents} onClose={onClose} />;
    case 'credit':
      return <CreditNote invoice={invoice} onClose={onClose} />;
    case 'finalize':
      return <Finalize invoice={invoice} onClose={onClose} />;
    case 'addLine':
      return <AddLine invoice={invoice} onClose={onClose} />;
    case 'edit':
      return <EditTerms invoice={invoice} onClose={onClose} />;
    case 'delete':
      return <DeleteDraft invoice={invoice} onClose={onClose} />;
    case 'void':
      return <Confirm document={VoidInvoiceDocument} mutation="voidInvoice" id={id} texts={texts.void} danger withKey onClose={onClose} />;
    case 'uncollectible':
      return (
        <Confirm
          document={MarkInvoiceUncollectibleDocument}
          mutation="markInvoiceUncollectible"
          id={id}
          texts={texts.uncollectible}
          danger
          withKey
          onClose={onClose}
        />
      );
    case 'reissue':
      return <Reissue invoice={invoice} onClose={onClose} />;
  }
}
