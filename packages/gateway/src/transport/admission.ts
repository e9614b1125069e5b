/**
 * Who gets in: how many connections there are in total and from each address, who is refused, and how that is answered.
 * A stream counts as a connection like any WebSocket.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { Budgets } from '@belfry/shared/service';
import { networkOf } from '../session/client-network.js';
import type { OriginCheck } from './upgrade.js';

export type RefusalReason = 'origin' | 'full' | 'address' | 'draining' | 'rate' | 'unauthenticated';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly status: string;
}

export interface AdmissionOptions {
  readonly originAllowed: OriginCheck;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Whether an upgrade that brings no token may be accepted. */
  readonly admitUnauthenticated: (address: string) => 'yes' | 'full' | 'address';
  /** Requests and upgrades of an address. */
  readonly requestsOfAddress: Budgets;
  readonly onRefused: (reason: RefusalReason) => void;
  /** Seconds after which a refused client may try again. */
  readonly retryAfterSeconds: () => number;
}

export interface Admission {
  /** Takes an upgrade out of its address' budget. False where that has nothing left: the request is answered then. */
  withinRate(response: HttpResponse, address: string): boolean;
  /** Why there is no connection for this origin and address; undefined where there is. */
  refusal(origin: string, address: string): Refusal | undefined;
  /** The same for who does not bring a token along. */
  unauthenticatedRefusal(address: string): Refusal | undefined;
  /** Answers a request that is refused. */
  refuse(response: HttpResponse, refusal: Refusal): void;
  /** A connection was opened. */
  entered(address: string): void;
  /** It is gone. */
  left(address: string): void;
  /** Refuses everybody from now on. */
  stop(): void;
}

/** An address that is this far beyond its budget, by floods, is not answered any more: its connections are closed. */
const IN_DEBT_MS = 1_000;
const UNAVAILABLE = '503 Service Unavailable';
const TOO_MANY = '429 Too Many Requests';
/** Of who waited in vain for a place among those without a token. */
export const NO_PLACE: Refusal = { reason: 'unauthenticated', status: UNAVAILABLE };

export function createAdmission(options: AdmissionOptions): Admission {
  const perAddress = new Map<string, number>();
  let connections = 0;
  let accepting = true;

  function refuse(response: HttpResponse, { reason, status }: Refusal): void {
    options.onRefused(reason);
    response.writeStatus(status);
    if (reason !== 'origin') response.writeHeader('Retry-After', String(options.retryAfterSeconds()));
    // With the connection: who was refused has nothing more to say on it.
    response.end(`${reason}\n`, true);
  }

  return {
    refuse,
    withinRate(response, address) {
      const waitMs = options.requestsOfAddress.take(networkOf(address));
      if (waitMs === 0) return true;
      if (waitMs <= IN_DEBT_MS) refuse(response, { reason: 'rate', status: TOO_MANY });
      else {
        options.onRefused('rate');
        response.close();
      }
      return false;
    },
    refusal(origin, address) {
      if (!options.originAllowed(origin)) return { reason: 'origin', status: '403 Forbidden' };
      if (!accepting) return { reason: 'draining', status: UNAVAILABLE };
      if (connections >= options.maxConnections) return { reason: 'full', status: UNAVAILABLE };
      const held = perAddress.get(networkOf(address)) ?? 0;
      return held >= options.maxConnectionsPerAddress ? { reason: 'address', status: TOO_MANY } : undefined;
    },
    unauthenticatedRefusal(address) {
      const answer = options.admitUnauthenticated(address);
      if (answer === 'yes') return undefined;
      return { reason: 'unauthenticated', status: answer === 'full' ? UNAVAILABLE : TOO_MANY };
    },
    entered(address) {
      connections += 1;
      const network = networkOf(address);
      perAddress.set(network, (perAddress.get(network) ?? 0) + 1);
    },
    left(address) {
      connections -= 1;
      const network = networkOf(address);
      const held = (perAddress.get(network) ?? 1) - 1;
      if (held > 0) perAddress.set(network, held);
      else perAddress.delete(network);
    },
    stop() {
      accepting = false;
    },
  };
}
