import { Modal, type MantineSize } from '@mantine/core';
import type { ReactNode } from 'react';
import { common } from '../texts/common';

/** A dialog over the page. Without `onClose`, nothing closes it. With `keepsInput`, a click beside it does not. */
export function Dialog({ title, size, keepsInput = false, onClose, children }: {
  title: string;
  size?: MantineSize | number;
  keepsInput?: boolean;
  onClose?: () => void;
  children: ReactNode;
}) {
  const closes = onClose !== undefined;
  return (
    <Modal.Root
      opened
      centered
      size={size ?? 'md'}
      onClose={onClose ?? (() => undefined)}
      closeOnEscape={closes}
      closeOnClickOutside={closes && !keepsInput}
      zIndex={closes ? 200 : 1000}
    >
      <Modal.Overlay backgroundOpacity={0.45} />
      <Modal.Content>
        {/* Mantine's own head is a `header`, which would be a second banner of the page. */}
        <div className="dialog-head">
          <Modal.Title component="h2" fw={650} fz="md">
            {title}
          </Modal.Title>
          {closes && <Modal.CloseButton aria-label={common.close} />}
        </div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
