/** This gateway in numbers, and all of them together. */
import { parseChannel } from '@belfry/shared/protocol';
import type { HubChannel } from '../channels/hub-channel.js';
import type { NodeInfo } from '../cluster/nodes.js';

/** Followers by kind of channel. */
export function subscriptionsByKind(channels: ReadonlyMap<string, HubChannel>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const channel of channels.values()) {
    const kind = parseChannel(channel.name)?.kind ?? 'other';
    counts.set(kind, (counts.get(kind) ?? 0) + channel.followers);
  }
  return counts;
}

/** How many follow any channel, and how many properties are followed. */
export function countFollowers(channels: ReadonlyMap<string, HubChannel>) {
  let total = 0;
  let properties = 0;
  for (const channel of channels.values()) {
    total += channel.followers;
    if (channel.followers > 0 && channel.name.startsWith('property:')) properties += 1;
  }
  return { total_subscriptions: total, unique_properties: properties };
}

/** The sums over all gateways. Properties followed on several gateways count on each. */
export function clusterStats(nodes: readonly NodeInfo[]) {
  const sum = (field: 'active_connections' | 'authenticated_connections' | 'total_subscriptions') =>
    nodes.reduce((total, node) => total + node[field], 0);
  return {
    nodes: nodes.length,
    active_connections: sum('active_connections'),
    authenticated_connections: sum('authenticated_connections'),
    total_subscriptions: sum('total_subscriptions'),
  };
}
