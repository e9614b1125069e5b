/**
 * What a gateway counts. Hot paths add to plain numbers, which are copied when Prometheus asks. No label grows with
 * properties, users or what clients send.
 */
import { parseChannel } from '@belfry/shared/protocol';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS, type Registry, watchForeign } from '@belfry/shared/service';
import type { BoardObserver } from './channels/board-settings.js';
import type { ChannelObserver } from './channels/channel-options.js';
import { createMessageDurations } from './durations.js';
import type { SessionMetrics } from './session/context.js';

export interface GatewayGauges {
  readonly connections: () => number;
  readonly connectionsLimit: () => number;
  readonly authenticated: () => number;
  readonly subscriptionsByKind: () => ReadonlyMap<string, number>;
  readonly channels: () => number;
  readonly tailBytes: () => number;
  readonly linkWhole: () => boolean;
  readonly presenceAgeMs: () => number;
  readonly draining: () => boolean;
  readonly waiting: () => number;
}

export interface GatewayMetrics {
  readonly session: SessionMetrics;
  readonly channels: ChannelObserver;
  readonly boards: BoardObserver;
  connectionOpened(): void;
  connectionClosed(): void;
  connectionRefused(reason: string): void;
  /** Another gateway was started with this one's name. */
  nameRival(): void;
  linkDown(): void;
  /** An operator broadcasts, or would. */
  broadcast(result: 'sent' | 'rate_limited'): void;
  /** A channel's log is read: to open the channel, for joiners, for a repair. */
  logRead(channel: string): void;
  /** Events waited so that they go out together, the first of them for so many milliseconds. */
  eventsWaited(ms: number, events: number): void;
  watch(gauges: GatewayGauges): void;
}

interface Count {
  value: number;
}

/** A counter whose labels are few and known: plain numbers, copied out at scrape time. */
function tally(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
  const counts = new Map<string, Count & { readonly labels: Record<string, string> }>();
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of counts.values()) this.inc(labels, value);
    },
  });
  function countOf(labels: Record<string, string>): Count {
    const key = Object.values(labels).join('\n');
    const known = counts.get(key);
    if (known) return known;
    const made = { labels, value: 0 };
    counts.set(key, made);
    return made;
  }
  return {
    count: (labels: Record<string, string>, by = 1): void => {
      countOf(labels).value += by;
    },
    /** For what is counted with every message: the labels are put together once per key. */
    by<K extends string>(labelsOf: (key: K) => Record<string, string>): (key: K) => void {
      const known = new Map<K, Count>();
      return (key) => {
        let count = known.get(key);
        if (!count) {
          count = countOf(labelsOf(key));
          known.set(key, count);
        }
        count.value += 1;
      };
    },
    /** For what has no labels. */
    plain(): (by: number) => void {
      let count: Count | undefined;
      return (by) => {
        count ??= countOf({});
        count.value += by;
      };
    },
  };
}

export function createGatewayMetrics(registry: Registry): GatewayMetrics {
  const connections = tally(registry, 'websocket_connections_total', 'Connections by what became of them', ['status']);
  const messages = tally(registry, 'websocket_messages_total', 'Messages by type and direction', ['type', 'direction']);
  const errors = tally(registry, 'websocket_errors_total', 'ERROR messages by code', ['code']);
  const authentications = tally(registry, 'websocket_authentications_total', 'Tokens verified, by result', ['result']);
  const closes = tally(registry, 'websocket_closes_total', 'Closes by this gateway, by close code', ['code']);
  const joins = tally(registry, 'websocket_recoveries_total', 'Subscriptions by how they began', ['outcome']);
  const replayed = tally(registry, 'websocket_replayed_events_total', 'Events sent as replay', []);
  const deliveries = tally(registry, 'websocket_deliveries_total', 'Events delivered: one for each follower', []);
  const deliveredBytes = tally(registry, 'websocket_delivered_bytes_total', 'Bytes of the events delivered', []);
  const repairs = tally(
    registry,
    'belfry_channel_repairs_total',
    'Channels read again because continuity was in doubt',
    ['cause', 'outcome'],
  );
  const ignored = tally(registry, 'belfry_events_ignored_total', 'Events from the link that were not passed on', [
    'reason',
  ]);
  const logReads = tally(registry, 'belfry_log_reads_total', 'Readings of channels’ logs, by kind of channel', [
    'kind',
  ]);
  const pushes = tally(registry, 'belfry_board_pushes_total', 'Values that boards sent to their followers', ['form']);
  const conflated = tally(
    registry,
    'belfry_board_conflated_total',
    'Values that a newer one of their key replaced before they were sent',
    [],
  );
  const deferred = tally(
    registry,
    'belfry_board_deferred_total',
    'Values not sent to a follower who still had bytes to read; it gets the newest later',
    [],
  );
  const waits = new Histogram({
    name: 'belfry_coalescing_wait_seconds',
    help: 'Under load events wait for a moment so that they go out together: how long the first of them did',
    buckets: LATENCY_BUCKETS,
    registers: [registry],
  });
  const coalesced = tally(
    registry,
    'belfry_coalesced_events_total',
    'Events that waited under load so that they went out together',
    [],
  );
  const linkDowns = tally(registry, 'belfry_link_downs_total', 'Times the link to Redis was lost', []);
  const broadcasts = tally(registry, 'belfry_operator_broadcasts_total', 'Broadcasts of operators, by result', [
    'result',
  ]);
  const rivals = tally(
    registry,
    'belfry_node_name_rivals_total',
    'Times another gateway was started with this one’s NODE_NAME, and refused',
    [],
  );
  const handled = createMessageDurations(registry);

  watchForeign(registry);

  const NONE = {};
  const opened = connections.by((status: 'opened' | 'closed') => ({ status }));
  const joined = joins.by((outcome: string) => ({ outcome }));
  const logReadsByKind = logReads.by((kind: string) => ({ kind }));
  const countDeliveries = deliveries.plain();
  const countBytes = deliveredBytes.plain();
  const countCoalesced = coalesced.plain();
  return {
    session: {
      received: messages.by((type) => ({ type, direction: 'in' })),
      sent: messages.by((type) => ({ type, direction: 'out' })),
      handled,
      failed: errors.by((code) => ({ code })),
      authenticated: authentications.by((result) => ({ result })),
      rateLimited: () => errors.count({ code: 'rate_limited' }),
      closed: (code) => closes.count({ code: String(code) }),
    },
    channels: {
      repaired: (cause, outcome) => repairs.count({ cause, outcome }),
      joined: (outcome, count) => {
        joined(outcome);
        if (count > 0) replayed.count(NONE, count);
      },
      ignored: ignored.by((reason) => ({ reason })),
      delivered: (followers, bytes) => {
        countDeliveries(followers);
        countBytes(followers * bytes);
      },
    },
    boards: {
      pushed: (form, followers, bytes) => {
        pushes.count({ form });
        countDeliveries(followers);
        countBytes(followers * bytes);
      },
      conflated: () => conflated.count(NONE),
      deferred: () => deferred.count(NONE),
    },
    connectionOpened: () => opened('opened'),
    connectionClosed: () => opened('closed'),
    connectionRefused: (reason) => connections.count({ status: `refused_${reason}` }),
    broadcast: (result) => broadcasts.count({ result }),
    nameRival: () => rivals.count(NONE),
    linkDown: () => linkDowns.count(NONE),
    logRead: (channel) => logReadsByKind(parseChannel(channel)?.kind ?? 'unknown'),
    eventsWaited: (ms, events) => {
      waits.observe(ms / 1000);
      countCoalesced(events);
    },
    watch: (gauges) => watch(registry, gauges),
  };
}

function watch(registry: Registry, gauges: GatewayGauges): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  gauge('websocket_active_connections', 'Connections now', gauges.connections);
  gauge('websocket_connections_limit', 'Connections beyond which upgrades are refused', gauges.connectionsLimit);
  gauge('websocket_authenticated_connections', 'Authenticated connections now', gauges.authenticated);
  gauge('belfry_channels', 'Channels that live on this gateway', gauges.channels);
  gauge('belfry_tail_bytes', 'Memory held by channels’ tails', gauges.tailBytes);
  gauge('belfry_link_whole', '1 while every subscription at Redis is in place', () => Number(gauges.linkWhole()));
  gauge(
    'belfry_presence_age_seconds',
    'Since Redis last knew who is connected here',
    () => gauges.presenceAgeMs() / 1000,
  );
  gauge('belfry_upgrades_waiting', 'Upgrades without a token that wait for a place', gauges.waiting);
  gauge('belfry_draining', '1 once this gateway is going away', () => Number(gauges.draining()));
  new Gauge({
    name: 'websocket_subscriptions',
    help: 'Channels followed by clients, by kind',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, count] of gauges.subscriptionsByKind()) this.set({ kind }, count);
    },
  });
}
