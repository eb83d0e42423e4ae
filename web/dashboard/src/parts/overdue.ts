/** True if an invoice is late in real time. One on a test clock has a time of its own. */
export function isOverdue({ status, dueAt, testClock }: { status: string; dueAt?: string | null; testClock?: object | null }): boolean {
  return status === 'OPEN' && !testClock && Boolean(dueAt) && new Date(dueAt ?? '') <= new Date();
}
