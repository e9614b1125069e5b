/** What is said while nothing comes in: what is wrong, how old the picture is, what becomes of it. */
import type { ConnectionState } from '@belfry/client';
import { clockTime } from '../parts/now.js';

export interface Outage extends Pick<ConnectionState, 'mode' | 'status'> {
  /** Why it is disconnected, where somebody said so. */
  readonly why: string | undefined;
  /** Whether the device has a network. */
  readonly online: boolean;
  /** Whether this page ever had something of the cluster to show. */
  readonly received: boolean;
  /** Milliseconds since 1970 at which it began. */
  readonly since: number | undefined;
}

function causeOf({ online, received, status, why }: Outage): string {
  if (status === 'disconnected') return `Disconnected${why ? `: ${why}` : ''}.`;
  if (!online) return 'This device is offline.';
  return received ? 'The connection is interrupted.' : 'There is no connection yet.';
}

function effectOf({ mode, online, received, since, status }: Outage): string {
  if (mode === 'polling') return 'Current numbers are fetched every few seconds until it is back.';
  if (received) return `Shown is how things were${since ? ` at ${clockTime(since)}` : ''}. Nothing will be missed.`;
  if (status === 'disconnected') return '';
  return `The page fills by itself once ${online ? 'there is one' : 'it is not'}.`;
}

export const outageOf = (outage: Outage): string => `${causeOf(outage)} ${effectOf(outage)}`.trim();
