/** Centrifuge's JSON protocol: commands and replies are lines, of which a frame may hold several. */
import type { Conversation, Dialect, Wish } from './dialect.js';

interface Reply {
  readonly id?: number;
  readonly error?: unknown;
  readonly push?: { readonly channel: string; readonly pub?: { readonly offset: number } };
  readonly subscribe?: {
    readonly epoch?: string;
    readonly offset?: number;
    readonly recovered?: boolean;
    readonly publications?: readonly unknown[];
  };
}

const LINE_FEED = 0x0a;

function converse({ channels, token }: Wish): Conversation {
  const positions = new Map<number, { epoch: string; offset: number }>();
  let missing = 0;
  return {
    opened(send) {
      missing = channels.length + 1;
      send(JSON.stringify({ id: 1, connect: { token } }));
      if (channels.length === 0) return;
      const lines = channels.map((channel, n) => {
        const known = positions.get(n);
        return JSON.stringify({ id: n + 2, subscribe: { channel, ...(known ? { recover: true, ...known } : {}) } });
      });
      send(lines.join('\n'));
    },
    heard(text, send) {
      if (text === '{}') {
        send('{}');
        return 'nothing';
      }
      let events = 0;
      for (const line of text.split('\n')) {
        const reply = JSON.parse(line) as Reply;
        if (reply.error) return { failed: line };
        if (reply.push?.pub) {
          events += 1;
          const position = positions.get(channels.indexOf(reply.push.channel));
          if (position) position.offset = reply.push.pub.offset;
        }
        if (reply.id === undefined) continue;
        missing -= 1;
        const { subscribe } = reply;
        if (!subscribe) continue;
        if (positions.has(reply.id - 2) && !subscribe.recovered) return { failed: `not recovered: ${line}` };
        events += subscribe.publications?.length ?? 0;
        positions.set(reply.id - 2, { epoch: subscribe.epoch ?? '', offset: subscribe.offset ?? 0 });
      }
      return { events, ready: missing === 0 };
    },
  };
}

export const centrifugeDialect: Dialect = {
  path: '/connection/websocket',
  converse,
  eventsIn(payload) {
    let events = 1;
    for (let at = payload.indexOf(LINE_FEED); at !== -1; at = payload.indexOf(LINE_FEED, at + 1)) events += 1;
    return events;
  },
};
