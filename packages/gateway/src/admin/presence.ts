/** Presence as operators ask for it: everybody, one user, or those who follow a channel. */
import type { ConnectedUser, PresenceReader } from '@belfry/shared/presence';
import { parseChannel } from '@belfry/shared/protocol';
import { OperatorError, requiredText } from '@belfry/shared/service';

/** @throws OperatorError where the query names no user or channel that could be */
export async function presenceOf(presence: PresenceReader, query: URLSearchParams): Promise<unknown> {
  const [user, channel] = [query.get('user'), query.get('channel')];
  if (user !== null) {
    const found = await presence.connected(requiredText(user, 'user'));
    return found ? shown(found) : { user_id: user, connections: 0, nodes: [] };
  }
  if (channel === null) return everybody(presence);
  const known = parseChannel(channel);
  if (!known) throw new OperatorError(400, 'bad_request', `there is no channel ${JSON.stringify(channel)}`);
  const nodes = await presence.watchersOf(known.channel);
  return { channel: known.channel, subscribers: nodes.reduce((sum, { count }) => sum + count, 0), nodes };
}

async function* everybody(presence: PresenceReader): AsyncIterable<unknown> {
  for await (const user of presence.connectedUsers()) yield shown(user);
}

const shown = ({ connections, nodes, since, userId }: ConnectedUser) => ({
  user_id: userId,
  connections,
  since,
  nodes,
});
