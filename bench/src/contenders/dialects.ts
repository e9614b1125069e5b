/** Which contender speaks which dialect. */
import type { Dialect } from './dialect.js';
import { belfryDialect } from './dialect-belfry.js';
import { centrifugeDialect } from './dialect-centrifuge.js';
import { socketIoDialect } from './dialect-socket-io.js';
import type { ContenderName } from './names.js';

export function dialectOf(contender: ContenderName): Dialect {
  switch (contender) {
    case 'belfry':
    case 'bare':
    case 'bare-history':
    case 'bare-log':
    case 'bare-own':
    case 'ws':
      return belfryDialect;
    case 'socket.io':
    case 'socket.io-streams':
      return socketIoDialect;
    case 'centrifuge':
    case 'centrifugo':
      return centrifugeDialect;
  }
}
