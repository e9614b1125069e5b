/** What one client may do, and how long it may take. */

import { JOIN_KINDS } from '@belfry/shared/protocol';
import { integer, list } from '@belfry/shared/service';
import { parseJoinRule } from './automatic-channels.js';

export const sessionSettings = {
  RATE_LIMIT_MESSAGES: integer({
    text: 'Messages a client may send per RATE_LIMIT_WINDOW_SECONDS; it may send them all at once',
    default: '100',
    min: 1,
    max: 1_000_000,
  }),
  RATE_LIMIT_WINDOW_SECONDS: integer({
    text: 'Window of RATE_LIMIT_MESSAGES',
    default: '60',
    min: 1,
    max: 3_600,
    unit: 'seconds',
  }),
  RATE_LIMIT_REPLAYED_EVENTS: integer({
    text: 'Events that all connections of a user on a gateway may have replayed per RATE_LIMIT_WINDOW_SECONDS; an `after` that the log does not hold costs one, its share of what is read for it, and the state, a `rewind` at least what has to be read for it',
    default: '200000',
    min: 1,
    max: 1_000_000_000,
  }),
  RATE_LIMIT_OPENED_CHANNELS: integer({
    text: 'Channels followed by nobody on a gateway that a user may open there per RATE_LIMIT_WINDOW_SECONDS',
    default: '10000',
    min: 1,
    max: 1_000_000_000,
  }),
  RATE_LIMIT_REQUESTS: integer({
    text: 'HTTP requests of a user on a gateway per RATE_LIMIT_WINDOW_SECONDS; fifty channels cost as much as one request',
    default: '3000',
    min: 1,
    max: 1_000_000_000,
  }),
  RATE_LIMIT_PER_IP: integer({
    text: 'HTTP requests and upgrades of a client address, of IPv6 of a /64 network, on a gateway per RATE_LIMIT_WINDOW_SECONDS, whoever it is',
    default: '60000',
    min: 1,
    max: 1_000_000_000,
  }),
  RATE_LIMIT_BROADCASTS: integer({
    text: 'Broadcasts of an operator through a gateway per RATE_LIMIT_WINDOW_SECONDS; beyond it 429 with Retry-After. A message to one user is none',
    default: '60',
    min: 1,
    max: 1_000_000,
  }),
  MAX_UNAUTHENTICATED: integer({
    text: 'Connections that have not said yet who they are; beyond it, upgrades without a token are refused with 503',
    default: '5000',
    min: 1,
    max: 1_000_000,
  }),
  MAX_UNAUTHENTICATED_PER_IP: integer({
    text: 'The same per client address, of IPv6 per /64 network, with 429',
    default: '2500',
    min: 1,
    max: 1_000_000,
  }),
  UNAUTHENTICATED_PER_SECOND: integer({
    text: 'Connections without a token per second that may end without having authenticated, or five times as many at once; beyond that, upgrades without a token wait their turn, a few of them, or get 503; those from networks whose clients authenticated before do neither',
    default: '200',
    min: 1,
    max: 1_000_000,
  }),
  AUTO_JOIN: list({
    text: 'Channels that a client joins without asking: its own `user`, those of its `role`, the `properties` of its token, `global` where it may; with `:ROLE` only for who holds that role',
    default: 'user,role,properties:MANAGER,global:HR',
    check: (names) =>
      names.every(parseJoinRule) ? undefined : `must be of ${JOIN_KINDS.join(', ')}, each with a :ROLE or without`,
  }),
  AUTO_JOIN_PROPERTIES: integer({
    text: 'Properties of its token that a client joins without asking, at most; how many more there are it is told in AUTHENTICATED',
    default: '100',
    min: 0,
    max: 100_000,
  }),
  MAX_CONNECTION_AGE_SECONDS: integer({
    text: 'Age at which a connection is asked to come back on another gateway, up to a fifth sooner or later; 0 for none',
    default: '0',
    min: 0,
    max: 31_536_000,
    unit: 'seconds',
  }),
  MAX_SUBSCRIPTIONS: integer({ text: 'Channels per connection', default: '1000', min: 1, max: 100_000 }),
  MAX_CONNECTIONS_PER_USER: integer({
    text: 'Connections per user on one gateway',
    default: '50',
    min: 1,
    max: 100_000,
  }),
  AUTHENTICATION_DEADLINE_SECONDS: integer({
    text: 'A connection that has not authenticated by then is closed with 4100',
    default: '10',
    min: 1,
    max: 300,
    unit: 'seconds',
  }),
  HEARTBEAT_SECONDS: integer({
    text: 'How often a client gets a PING; one that is silent for two and a half times as long is closed with 4205',
    default: '30',
    min: 1,
    max: 300,
    unit: 'seconds',
  }),
  SLOW_CONSUMER_SECONDS: integer({
    text: 'How long bytes may wait for a client without a break before it is cut off with 4201',
    default: '15',
    min: 5,
    max: 600,
    unit: 'seconds',
  }),
  SUBSCRIBE_WAIT_SECONDS: integer({
    text: 'How long a SUBSCRIBE waits while Redis is away before it answers `unavailable`',
    default: '5',
    min: 1,
    max: 60,
    unit: 'seconds',
  }),
} as const;
