import { CloseButton } from '@mantine/core';
import { useSyncExternalStore, type ReactNode } from 'react';
import { common } from '../texts/common';

interface Note {
  number: number;
  message: ReactNode;
}

/** What was said about the last actions. A note goes away after a while, or when it is closed. */
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

/** Says what an action did. */
export function notify(message: ReactNode) {
  last += 1;
  const number = last;
  become([...notes, { number, message }]);
  setTimeout(close, SHOWN_MS, number);
}

export function Notes() {
  const shown = useSyncExternalStore(subscribe, () => notes);
  return (
    <div className="notes" role="status">
      {shown.map(({ number, message }) => (
        <div key={number} className="note-card">
          <div className="grow">{message}</div>
          <CloseButton size="sm" aria-label={common.close} onClick={() => close(number)} />
        </div>
      ))}
    </div>
  );
}
