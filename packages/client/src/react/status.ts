/** The connection, for indicators and toasts. */
import { useCallback, useEffect, useSyncExternalStore } from 'react';
import type { ConnectionState, StatusReason, User } from '../api.js';
import { useLatest } from './latest.js';
import { useClient } from './provider.js';

/** Status, data mode, failures, when the next attempt is due, and why. */
export function useStatus(): ConnectionState {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on('status', changed), [client]);
  const get = () => client.state;
  return useSyncExternalStore(subscribe, get, get);
}

/** Who the gateway says we are; undefined before the first connection. */
export function useUser(): User | undefined {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on('user', changed), [client]);
  const get = () => client.user;
  return useSyncExternalStore(subscribe, get, get);
}

export type Outage = 'lost' | 'restored' | 'failed';

/** Told when the connection has been away long enough to say so, when it is back after that, and when it is given up. */
export function useLostConnection(onChange: (outage: Outage, reason: StatusReason | undefined) => void): void {
  const client = useClient();
  const latest = useLatest(onChange);
  useEffect(() => {
    const ends = [
      client.on('lost', () => latest.current('lost', client.state.reason)),
      client.on('restored', () => latest.current('restored', undefined)),
      client.on('failed', (reason) => latest.current('failed', reason)),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [client, latest]);
}
