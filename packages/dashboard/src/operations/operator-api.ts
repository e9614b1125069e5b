/** The operators' calls, and how a page asks for one of them again and again. */
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useSigned } from '../parts/context.js';

const REFRESH_MS = 2_000;

export interface NodeInfo {
  readonly node: string;
  readonly version: string;
  readonly started_at: number;
  readonly active_connections: number;
  readonly authenticated_connections: number;
  readonly max_connections: number;
  readonly total_subscriptions: number;
  readonly unique_properties: number;
  readonly link_whole: boolean;
  readonly draining: boolean;
}

export interface ConnectionInfo {
  readonly connection_id: string;
  readonly node: string;
  readonly user_id?: string;
  readonly role?: string;
  readonly address: string;
  readonly connected_at: number;
  readonly last_seen: number;
  readonly buffered_bytes: number;
  readonly messages_received: number;
  readonly subscriptions: Readonly<Record<string, string>>;
}

export interface OperatorCalls {
  /** @throws Error with the gateway's sentence */
  get<T>(path: string): Promise<T>;
  act<T>(path: string, method: 'POST' | 'DELETE', body?: unknown): Promise<T>;
}

export function useOperator(): OperatorCalls {
  const { operators, operatorToken } = useSigned();
  return useMemo(() => {
    async function call<T>(path: string, init: RequestInit): Promise<T> {
      const response = await fetch(`${operators}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${operatorToken.get()}` },
      });
      const body = (await response.json().catch(() => ({}))) as { message?: unknown };
      if (response.ok) return body as T;
      // Another token is the only thing that helps.
      if (response.status === 401) operatorToken.set('');
      throw new Error(typeof body.message === 'string' ? body.message : `the gateway answered ${response.status}`);
    }
    return {
      get: (path) => call(path, {}),
      act: (path, method, body) =>
        call(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }),
    };
  }, [operators, operatorToken]);
}

export interface Watched<T> {
  readonly value: T | undefined;
  /** What `value` was the answer to: for a moment after the path has changed, still the one before. */
  readonly answered: string | undefined;
  readonly error: string | undefined;
  refresh(): void;
}

/** Asks every two seconds, while somebody looks. */
export function useWatched<T>(path: string): Watched<T> {
  const operator = useOperator();
  const [{ answered, value }, setAnswer] = useState<{ answered?: string; value?: T }>({});
  const [error, setError] = useState<string>();
  const [round, setRound] = useState(0);
  const refresh = useCallback(() => setRound((n) => n + 1), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: every round asks again
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function ask(): Promise<void> {
      try {
        const answer = document.visibilityState === 'hidden' ? undefined : await operator.get<T>(path);
        if (gone) return;
        if (answer !== undefined) setAnswer({ answered: path, value: answer });
        setError(undefined);
      } catch (cause) {
        if (!gone) setError((cause as Error).message);
      }
      if (!gone) timer = setTimeout(() => void ask(), REFRESH_MS);
    }
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [operator, path, round]);
  return { value, answered, error, refresh };
}
