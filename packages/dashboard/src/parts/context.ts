/** The session that all signed-in pages work with. */
import { createContext, useContext } from 'react';
import type { NoticeSettings } from '../notify/notices.js';
import type { Session } from '../session/session.js';
import type { Store } from '../state/store.js';
import type { Theme } from './theme.js';

export interface Signed {
  readonly session: Session;
  readonly notices: Store<NoticeSettings>;
  readonly theme: Store<Theme>;
  /** Base of the operators' calls; empty where they are not offered. */
  readonly operators: string;
  readonly operatorToken: Store<string>;
  signOut(): void;
  /** Signs in anew at other gateways, with the same token. */
  moveTo(gateway: string): void;
}

export const SignedContext = createContext<Signed | undefined>(undefined);

export function useSigned(): Signed {
  const signed = useContext(SignedContext);
  if (!signed) throw new Error('this page is for signed-in users');
  return signed;
}
