/** Who is measured. */
export const CONTENDERS = [
  'bare',
  'bare-history',
  'bare-log',
  'bare-own',
  'belfry',
  'ws',
  'socket.io',
  'socket.io-streams',
  'centrifuge',
  'centrifugo',
] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** Bare servers with one thing that Belfry has, each in the workloads where that costs something: it tells what of the rest. */
export const BARE_WITH = { 'bare-history': 'history', 'bare-log': 'log', 'bare-own': 'own channels' } as const;
export type BareWith = keyof typeof BARE_WITH;
export const isBareWith = (name: ContenderName): name is BareWith => name in BARE_WITH;

/** The one that is built: see go.mod of this peer. */
export const CENTRIFUGO_VERSION = '5.4.9';

export const TITLES: Readonly<Record<ContenderName, string>> = {
  bare: 'uWebSockets.js + ioredis',
  'bare-history': 'the same, with the least of history',
  'bare-log': 'the same, fed by Belfry’s log',
  'bare-own': 'the same, with a channel of each user’s own',
  belfry: 'Belfry',
  ws: 'ws + ioredis',
  'socket.io': 'Socket.IO, Redis adapter',
  'socket.io-streams': 'Socket.IO, Streams adapter',
  centrifuge: 'Centrifuge (Go), Redis',
  centrifugo: `Centrifugo ${CENTRIFUGO_VERSION}, Redis`,
};
