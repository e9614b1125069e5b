/** Gives the hooks below it their client. The application makes the client and ends it: components come and go. */
import { createContext, createElement, type ReactNode, useContext } from 'react';
import type { Client } from '../api.js';

const ClientContext = createContext<Client | undefined>(undefined);

export interface BelfryProviderProps {
  readonly client: Client;
  readonly children?: ReactNode;
}

export function BelfryProvider({ client, children }: BelfryProviderProps): ReactNode {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** @throws outside of a `BelfryProvider` */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('no BelfryProvider above this component');
  return client;
}
