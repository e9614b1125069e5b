/** Everything operators can ask and do: each on the whole cluster, whichever gateway they ask. */
import type { PresenceReader } from '@belfry/shared/presence';
import { CLOSE_CODES } from '@belfry/shared/protocol';
import { type Clock, numberIn, OperatorError, type OperatorRoute, requiredText } from '@belfry/shared/service';
import type { HubChannel } from '../channels/hub-channel.js';
import { type CommandHandler, type Commands, whyAlone } from '../cluster/commands.js';
import type { NodeInfo, Nodes } from '../cluster/nodes.js';
import type { Revocations } from '../cluster/revocations.js';
import { drain } from '../session/drain.js';
import type { Sessions } from '../session/sessions.js';
import { connectionsHere, disconnectUserHere, endWhere, findHere, mergeConnections, sumOf } from './connections.js';
import { channelOfBroadcast, channelOfUser, type MessageSender } from './messages.js';
import { presenceOf } from './presence.js';
import { mergeRooms, roomsHere } from './rooms.js';
import { clusterStats } from './stats.js';
import { MAX_TRACE_SECONDS, type Traces } from './trace.js';

export interface OperationsParts {
  readonly node: string;
  readonly sessions: Sessions;
  readonly channels: ReadonlyMap<string, HubChannel>;
  readonly revocations: Revocations;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly random: () => number;
  readonly drainPerSecond: number;
}

/** Closes every session whose token is revoked; returns how many there were. */
export const endRevoked = ({ revocations, sessions }: Pick<OperationsParts, 'revocations' | 'sessions'>): number =>
  endWhere(
    sessions.all(),
    ({ identity }) => identity !== undefined && revocations.isRevoked(identity),
    CLOSE_CODES.tokenRevoked,
  );

/** What each gateway does when any gateway asks. */
export function commandHandlers(parts: OperationsParts): Record<string, CommandHandler> {
  const { channels, sessions, traces } = parts;
  return {
    rooms: ({ top }) => roomsHere(channels, Number(top)),
    connections: (args) => connectionsHere(sessions.all(), args),
    connection: ({ id }) => findHere(sessions.all(), String(id))?.details(),
    disconnect: ({ id }) =>
      endWhere(sessions.all(), (session) => session.id === id, CLOSE_CODES.disconnectedByOperator),
    'disconnect-user': ({ user }) => disconnectUserHere(sessions.all(), String(user)),
    'count-user': ({ user }) => connectionsHere(sessions.all(), { user, limit: 0 }).total,
    revoked: async ({ word }) => {
      // At once: an event that comes behind the word must not reach who is revoked while the others are read.
      parts.revocations.note(word);
      const ended = endRevoked(parts);
      await parts.revocations.reload();
      return ended + endRevoked(parts);
    },
    shed: ({ share, node }) => (node === '' || node === parts.node ? shed(parts, Number(share)) : 0),
    trace: (args) => traces.start(args),
  };
}

/** Lets a share of the clients go, paced and told when to come back, so that a balancer can spread them anew. */
function shed({ clock, drainPerSecond, random, sessions }: OperationsParts, share: number): number {
  const chosen = [...sessions.all()].filter(() => random() < share);
  drain({ clock, random, perSecond: drainPerSecond, windowMs: 60_000, remaining: () => chosen, reason: 'rebalancing' });
  return chosen.length;
}

export interface OperatorRoutesParts {
  readonly self: () => NodeInfo;
  readonly nodes: Pick<Nodes, 'list'>;
  readonly commands: Commands;
  readonly revocations: Revocations;
  readonly messages: MessageSender;
  readonly presence: PresenceReader;
  readonly traces: Traces;
}

const ONE_DAY_SECONDS = 86_400;

export function createOperatorRoutes(parts: OperatorRoutesParts): OperatorRoute[] {
  const { commands, messages, nodes, presence, revocations, self, traces } = parts;

  /** Every gateway; without Redis this one alone, and why. */
  async function listed(): Promise<{ readonly nodes: readonly NodeInfo[]; readonly incomplete?: string }> {
    try {
      return { nodes: await nodes.list() };
    } catch (error) {
      return { nodes: [self()], incomplete: whyAlone(self().node, error) };
    }
  }

  return [
    {
      method: 'GET',
      path: '/ws/stats',
      text: 'This gateway, and the sums over all of them',
      run: async () => {
        const { incomplete, nodes: found } = await listed();
        return { ...self(), cluster: clusterStats(found), incomplete };
      },
    },
    {
      method: 'GET',
      path: '/ws/nodes',
      text: 'Every gateway that is alive: version, load, draining',
      run: listed,
    },
    {
      method: 'GET',
      path: '/ws/rooms',
      text: 'The channels with the most followers; `?top=` 1 to 1000, 20 by default',
      run: async ({ query }) => {
        const top = numberIn(query.get('top'), 'top', { min: 1, max: 1_000, default: 20 });
        return mergeRooms(await commands.ask('rooms', { top }), top);
      },
    },
    {
      method: 'GET',
      path: '/ws/connections',
      text: 'Connections; `?user=`, `?ip=`, `?channel=` choose, `?limit=` 1 to 1000 (100), `?after=` the `next` of the page before',
      run: async ({ query }) => {
        const limit = numberIn(query.get('limit'), 'limit', { min: 1, max: 1_000, default: 100 });
        const [user, address, channel, after] = ['user', 'ip', 'channel', 'after'].map((name) => query.get(name) ?? '');
        return mergeConnections(
          await commands.ask('connections', { user, address, channel, after, limit: limit + 1 }),
          limit,
        );
      },
    },
    {
      method: 'GET',
      path: '/ws/connections/{id}',
      text: 'One connection: its user, what waits for it, its channels with their positions, the types of its last messages',
      run: async ({ id }) => {
        const { replies } = await commands.run('connection', { id });
        const found = replies.find(({ result }) => result !== null);
        if (!found) throw new OperatorError(404, 'not_found', `there is no connection ${id}`);
        return found.result;
      },
    },
    {
      method: 'GET',
      path: '/ws/presence',
      text: 'Who is connected, one user a line; `?user=` one of them; `?channel=` where a channel is followed, and by how many',
      run: ({ query }) => presenceOf(presence, query),
    },
    {
      method: 'DELETE',
      path: '/ws/connections/{id}',
      text: 'Closes one connection with 4002: its client does not come back by itself',
      run: async ({ id }) => {
        const outcome = await commands.run('disconnect', { id });
        const disconnected = sumOf(outcome);
        if (disconnected === 0) throw new OperatorError(404, 'not_found', `there is no connection ${id}`);
        return { disconnected, missing: outcome.missing };
      },
    },
    {
      method: 'POST',
      path: '/ws/disconnect-user',
      text: '`{"user_id"}`: closes every connection of a user with 4002',
      run: async ({ body }) => {
        const outcome = await commands.run('disconnect-user', { user: requiredText(body.user_id, 'user_id') });
        return { disconnected: sumOf(outcome), missing: outcome.missing };
      },
    },
    {
      method: 'POST',
      path: '/ws/revoke',
      text: '`{"user_id"}` or `{"jti"}`, optionally `expires_in_seconds` (86400): refuses the tokens and closes their connections with 4102',
      run: async ({ body }) => {
        const revocation =
          body.jti === undefined
            ? { userId: requiredText(body.user_id, 'user_id') }
            : { tokenId: requiredText(body.jti, 'jti') };
        const forSeconds = numberIn(body.expires_in_seconds, 'expires_in_seconds', {
          min: 60,
          max: 400 * ONE_DAY_SECONDS,
          default: ONE_DAY_SECONDS,
        });
        const { issuedUntil, word } = await revocations.revoke(revocation, forSeconds);
        const outcome = await commands.run('revoked', { word });
        const ended = { disconnected: sumOf(outcome), missing: outcome.missing };
        if (!('userId' in revocation)) return ended;
        const left = await commands.run('count-user', { user: revocation.userId });
        return { ...ended, kept: sumOf(left), issued_until: issuedUntil };
      },
    },
    {
      method: 'POST',
      path: '/ws/rebalance',
      text: '`{"share"}` 0 to 1, optionally `node`: lets a share of one gateway’s clients go, or of every one’s, paced, so that a balancer spreads them anew',
      run: async ({ body }) => {
        if (body.share === undefined) throw new OperatorError(400, 'bad_request', 'share is missing');
        const share = numberIn(body.share, 'share', { min: 0, max: 1, default: 0 });
        const node = body.node === undefined ? '' : requiredText(body.node, 'node');
        if (node !== '' && !(await nodes.list()).some((info) => info.node === node)) {
          throw new OperatorError(404, 'not_found', `there is no gateway ${node}`);
        }
        const outcome = await commands.run('shed', { share, node });
        return { going: sumOf(outcome), missing: outcome.missing };
      },
    },
    {
      method: 'POST',
      path: '/ws/broadcast',
      text: '`{"message"}`, optionally `severity`, `type`, `data`, `channel`: to everybody who is signed in, or to one channel',
      run: (call) => messages.send(channelOfBroadcast(call.body.channel), call),
    },
    {
      method: 'POST',
      path: '/ws/notify-user',
      text: '`{"user_id", "message"}`, optionally `severity`, `type`, `data`: to all connections of one user',
      run: async (call) => {
        const sent = await messages.send(channelOfUser(call.body.user_id), call);
        const outcome = await commands.run('count-user', { user: call.body.user_id });
        return { ...sent, connections: sumOf(outcome) };
      },
    },
    {
      method: 'GET',
      path: '/ws/trace',
      text: '`?user=`, `?seconds=` 1 to 300 (30): the user’s frames while they come, one JSON object a line',
      audited: true,
      run: async ({ query }) => {
        const user = requiredText(query.get('user'), 'user');
        const seconds = numberIn(query.get('seconds'), 'seconds', { min: 1, max: MAX_TRACE_SECONDS, default: 30 });
        return traces.follow(commands, user, seconds);
      },
    },
  ];
}
