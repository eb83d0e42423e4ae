import { CloseButton } from '@mantine/core';
import { useSyncExternalStore, type ReactNode } from 'react';
import { common } from '../texts/common';

interface Note {
  number: number;
  message: ReactNode;
}

/** What was said about the last actions. A note goes away after a while, unless it is pointed at or focused. */
const SHOWN_MS = 8_000;

let notes: readonly Note[] = [];
let last = 0;
const listeners = new Set<() => void>();

function become(next: readonly Note[]) {
  notes = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function close(number: number) {
  become(notes.filter((note) => note.number !== number));
}

function closeLater(number: number) {
  setTimeout(() => {
    const note = document.querySelector(`[data-note="${number}"]`);
    if (note?.matches(':hover, :focus-within')) closeLater(number);
    else close(number);
  }, SHOWN_MS);
}

/** Says what an action did. */
export function notify(message: ReactNode) {
  last += 1;
  become([...notes, { number: last, message }]);
  closeLater(last);
}

export function Notes() {
  const shown = useSyncExternalStore(subscribe, () => notes);
  return (
    <div className="notes" role="status">
      {shown.map(({ number, message }) => (
        <div key={number} className="note-card" data-note={number}>
          <div className="grow">{message}</div>
          <CloseButton size="sm" aria-label={common.close} onClick={() => close(number)} />
        </div>
      ))}
    </div>
  );
}
