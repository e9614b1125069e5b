/** Socket.IO over Engine.IO 4, with connection state recovery where the server offers it. */
import type { Conversation, Dialect, Wish } from './dialect.js';

const OPENED = '0';
const PING = '2';
const PONG = '3';
const CONNECTED = '40{';
const EVENT = '42[';
const ACKNOWLEDGED = '43';
const REFUSED = '44';
/** The last argument of an event, behind the event's own object, when the server keeps what it sends. */
const OFFSET = /,"([^"]+)"\]$/;

function converse({ channels, token }: Wish): Conversation {
  let session: string | undefined;
  let offset: string | undefined;
  return {
    opened: () => undefined,
    heard(text, send) {
      if (text === PING) {
        send(PONG);
      } else if (text.startsWith(EVENT)) {
        offset = OFFSET.exec(text)?.[1] ?? offset;
        return 'event';
      } else if (text.startsWith(OPENED)) {
        send(`40${JSON.stringify({ token, ...(session && offset ? { pid: session, offset } : {}) })}`);
      } else if (text.startsWith(CONNECTED)) {
        const { pid } = JSON.parse(text.slice(2)) as { pid?: string };
        const recovered = pid !== undefined && pid === session;
        session = pid;
        if (recovered || channels.length === 0) return 'ready';
        send(`420${JSON.stringify(['subscribe', channels])}`);
      } else if (text.startsWith(ACKNOWLEDGED)) {
        return 'ready';
      } else if (text.startsWith(REFUSED)) {
        return { failed: text };
      }
      return 'nothing';
    },
  };
}

export const socketIoDialect: Dialect = { path: '/socket.io/?EIO=4&transport=websocket', converse };
