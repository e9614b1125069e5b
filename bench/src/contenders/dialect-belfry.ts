/** Belfry's protocol; the bare servers take the same frames and answer the same. */
import type { Conversation, Dialect, Wish } from './dialect.js';

const SUBSCRIBED = '{"type":"SUBSCRIBED"';
const EVENT = /^\{("id"|"type":"VIOLATION_UPDATE")/;
const PLACE = /^\{"id":"([^"]+)","type":"VIOLATION_UPDATE","channel":"([^"]+)"/;
const PROPERTY = 'property:'.length;

function converse({ channels, token }: Wish): Conversation {
  /** Where each channel stood when the client was last told. */
  const positions: Record<string, string> = {};
  let missing = 0;
  let authenticated = false;
  let resuming = false;
  return {
    opened(send) {
      missing = channels.length;
      authenticated = false;
      resuming = Object.keys(positions).length > 0;
      send(JSON.stringify({ type: 'AUTHENTICATE', token }));
      if (missing === 0) return;
      send(
        JSON.stringify({
          type: 'SUBSCRIBE',
          property_ids: channels.map((channel) => channel.slice(PROPERTY)),
          ...(resuming ? { after: positions } : {}),
        }),
      );
    },
    heard(text, send) {
      if (EVENT.test(text)) {
        const [, id, channel] = PLACE.exec(text) ?? [];
        if (id !== undefined && channel !== undefined) positions[channel] = id;
        return 'event';
      }
      if (text.startsWith(SUBSCRIBED)) {
        const message = JSON.parse(text) as { property_id?: string; id?: string; recovered?: boolean };
        // Of a channel that was joined unasked, where that took long.
        if (message.property_id === undefined) return 'nothing';
        if (resuming && message.recovered === false) return { failed: `not recovered: ${text}` };
        if (message.id !== undefined) positions[`property:${message.property_id}`] = message.id;
        missing -= 1;
      } else if (text.startsWith('{"type":"AUTHENTICATED"')) authenticated = true;
      else if (text === '{"type":"PING"}') send('{"type":"PONG"}');
      else if (text.startsWith('{"type":"ERROR"')) return { failed: text };
      return missing === 0 && authenticated ? 'ready' : 'nothing';
    },
  };
}

export const belfryDialect: Dialect = { path: '/ws', converse };
