/** The contenders by name. */
import { belfry } from './belfry.js';
import { centrifuge } from './centrifuge.js';
import { centrifugo } from './centrifugo.js';
import type { Contender } from './contender.js';
import type { ContenderName } from './names.js';
import { bare, bareHistory, bareLog, bareOwn, ws } from './plain.js';
import { socketIo, socketIoStreams } from './socket-io.js';

export const contenders: Readonly<Record<ContenderName, Contender>> = {
  bare,
  'bare-history': bareHistory,
  'bare-log': bareLog,
  'bare-own': bareOwn,
  belfry,
  ws,
  'socket.io': socketIo,
  'socket.io-streams': socketIoStreams,
  centrifuge,
  centrifugo,
};
