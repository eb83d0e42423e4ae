import { createContext, use, useMemo, useState, type ReactNode } from 'react';
import { useQuery } from 'urql';
import { SessionDocument, type SessionQuery } from '../generated/app/graphql';

type Scope = SessionQuery['viewer']['scope'];

interface Session {
  scope: Scope;
  /** True if mutations are allowed. Pages show no actions otherwise. */
  canWrite: boolean;
  /** True if API keys and the seller may be changed. */
  isAdmin: boolean;
  /** Number of digits after the point, by currency. */
  minorUnits: ReadonlyMap<string, number>;
}

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = use(SessionContext);
  if (!session) throw new Error('useSession is used outside of a Session');
  return session;
}

/** Reads the rights of the caller and the currencies. Renders `waiting` until they are known. */
export function Session({ children, waiting }: { children: ReactNode; waiting: (error: boolean) => ReactNode }) {
  const [{ data, error }] = useQuery({ query: SessionDocument });
  const [known, setKnown] = useState<SessionQuery>();
  if (data && data !== known) setKnown(data);
  const session = useMemo(() => (known ? sessionOf(known) : null), [known]);
  if (!session) return waiting(error !== undefined);
  return <SessionContext value={session}>{children}</SessionContext>;
}

function sessionOf({ viewer: { scope }, currencies }: SessionQuery): Session {
  return {
    scope,
    canWrite: scope === 'WRITE' || scope === 'ADMIN',
    isAdmin: scope === 'ADMIN',
    minorUnits: new Map(currencies.map(({ code, minorUnits }) => [code, minorUnits])),
  };
}
