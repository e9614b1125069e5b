/** `GET /ws/stats`: this gateway in numbers. */
import { parseChannel } from '@belfry/shared/protocol';
import { type OperatorHandler, sendJson } from '@belfry/shared/service';
import type { Channel } from '../channels/channel.js';

export interface StatsSources {
  readonly node: string;
  readonly sessions: { readonly count: number; readonly authenticatedCount: number };
  readonly channels: ReadonlyMap<string, Channel>;
  readonly running: () => boolean;
}

/** Followers by kind of channel. */
export function subscriptionsByKind(channels: ReadonlyMap<string, Channel>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const channel of channels.values()) {
    const kind = parseChannel(channel.name)?.kind ?? 'other';
    counts.set(kind, (counts.get(kind) ?? 0) + channel.followers);
  }
  return counts;
}

export function statsOf({ node, sessions, channels, running }: StatsSources) {
  let total = 0;
  let properties = 0;
  for (const channel of channels.values()) {
    total += channel.followers;
    if (channel.followers > 0 && channel.name.startsWith('property:')) properties += 1;
  }
  return {
    node,
    active_connections: sessions.count,
    total_subscriptions: total,
    unique_properties: properties,
    authenticated_connections: sessions.authenticatedCount,
    running: running(),
  };
}

export const statsHandler =
  (sources: StatsSources): OperatorHandler =>
  (request, response, url) => {
    if (request.method !== 'GET' || url.pathname !== '/ws/stats') return false;
    sendJson(response, 200, statsOf(sources));
    return true;
  };
