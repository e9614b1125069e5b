/** Connections: found by user, address or channel, looked into, and ended. */
import { CLOSE_CODES, type CloseCode } from '@belfry/shared/protocol';
import type { CommandArguments, CommandOutcome } from '../cluster/commands.js';
import type { SessionDetails } from '../session/details.js';
import type { Session } from '../session/session.js';

/** What connections are asked for; an empty field asks for nothing. */
export interface ConnectionFilter {
  readonly user: string;
  readonly address: string;
  readonly channel: string;
}

const filterOf = (args: CommandArguments): ConnectionFilter => ({
  user: String(args.user ?? ''),
  address: String(args.address ?? ''),
  channel: String(args.channel ?? ''),
});

const fits = (session: Session, { address, channel, user }: ConnectionFilter): boolean =>
  (user === '' || session.identity?.userId === user) &&
  (address === '' || session.address === address) &&
  (channel === '' || session.subscriptions.has(channel));

export interface ConnectionPage {
  readonly connections: readonly SessionDetails[];
  readonly total: number;
}

/** The connections of this gateway that fit, in the order of their ids, behind `after`. */
export function connectionsHere(sessions: Iterable<Session>, args: CommandArguments): ConnectionPage {
  const filter = filterOf(args);
  const after = String(args.after ?? '');
  const found: Session[] = [];
  for (const session of sessions) if (fits(session, filter)) found.push(session);
  const page = found.filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1));
  return { total: found.length, connections: page.slice(0, Number(args.limit)).map((session) => session.details()) };
}

/** One page out of every gateway's; `next` is where the following one begins. */
export function mergeConnections(outcome: CommandOutcome, limit: number) {
  const pages = outcome.replies.map(({ result }) => result as ConnectionPage);
  const all = pages.flatMap(({ connections }) => connections);
  const connections = all.sort((a, b) => (a.connection_id < b.connection_id ? -1 : 1)).slice(0, limit);
  return {
    total: pages.reduce((sum, { total }) => sum + total, 0),
    connections,
    next: all.length > limit ? connections.at(-1)?.connection_id : undefined,
    missing: outcome.missing,
    incomplete: outcome.incomplete,
  };
}

export function findHere(sessions: Iterable<Session>, id: string): Session | undefined {
  for (const session of sessions) if (session.id === id) return session;
  return undefined;
}

/** Ends every connection for which `wanted` says so; returns how many. */
export function endWhere(sessions: Iterable<Session>, wanted: (session: Session) => boolean, close: CloseCode): number {
  // A copy: ending a session takes it out of what is walked through.
  const ending = [...sessions].filter(wanted);
  for (const session of ending) session.end(close);
  return ending.length;
}

export const disconnectUserHere = (sessions: Iterable<Session>, user: string): number =>
  endWhere(sessions, ({ identity }) => identity?.userId === user, CLOSE_CODES.disconnectedByOperator);

/** The sum of numbers that every gateway answered with. */
export const sumOf = ({ replies }: CommandOutcome): number =>
  replies.reduce((sum, { result }) => sum + (typeof result === 'number' ? result : 0), 0);
