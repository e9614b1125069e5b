/**
 * One-time tickets: a client that has to put a credential into a URL fetches one with its token, and uses it within a
 * minute on any gateway. What a proxy writes into its log is worthless by then.
 */
import { randomBytes } from 'node:crypto';
import type { Verification } from '@belfry/shared/auth';
import { refused } from '@belfry/shared/auth';
import type { ClusterKeys, Connection } from '@belfry/shared/log';

export const TICKET_SECONDS = 60;
const PREFIX = 'ticket-';

export interface Tickets {
  /** A ticket for the bearer of a token that was found good. */
  issue(token: string): Promise<string>;
  /** Whether a credential is a ticket. */
  isTicket(credential: string): boolean;
  /** The token behind a ticket, once; a refusal the second time. */
  redeem(ticket: string): Promise<{ readonly token: string } | Extract<Verification, { ok: false }>>;
}

export function createTickets(options: { readonly connection: Connection; readonly keys: ClusterKeys }): Tickets {
  const { connection, keys } = options;
  const isTicket = (credential: string): boolean => /^ticket-[\w-]{32}$/.test(credential);
  return {
    async issue(token) {
      const ticket = `${PREFIX}${randomBytes(24).toString('base64url')}`;
      await connection.set(keys.ticket(ticket), token, 'EX', TICKET_SECONDS);
      return ticket;
    },
    isTicket,
    async redeem(ticket) {
      const token = await connection.getdel(keys.ticket(ticket));
      return token === null ? refused('the ticket was used, or is older than a minute') : { token };
    },
  };
}
