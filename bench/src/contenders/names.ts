/** Who is measured. */
export const CONTENDERS = ['bare', 'bare-log', 'belfry', 'ws', 'socket.io', 'socket.io-streams', 'centrifuge'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export const TITLES: Readonly<Record<ContenderName, string>> = {
  bare: 'uWebSockets.js + ioredis',
  'bare-log': 'the same, fed by Belfry’s log',
  belfry: 'Belfry',
  ws: 'ws + ioredis',
  'socket.io': 'Socket.IO, Redis adapter',
  'socket.io-streams': 'Socket.IO, Streams adapter',
  centrifuge: 'Centrifuge (Go), Redis',
};
