import { CLOSE_CODES, type ClientMessage } from '@belfry/shared/protocol';
import { describe, expect, it, vi } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { bearer, fetchStates, HttpError, queryOf } from './snapshots.js';
import { FORBIDDEN_ORIGIN, sseTransport, TOKEN_INVALID } from './sse.js';

interface Stream {
  readonly url: URL;
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** Sends text, or bytes as they are. */
  write(text: string | Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** An HTTP server whose streams the test writes. */
function createHttp() {
  const streams: Stream[] = [];
  const others: URL[] = [];
  let answer: (url: URL) => Response | undefined = () => undefined;
  const fetch = vi.fn(async (input: string | URL | Request, init: RequestInit = {}) => {
    const url = new URL(String(input));
    const fixed = answer(url);
    if (fixed) {
      others.push(url);
      return fixed;
    }
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    streams.push({
      url,
      headers: new Headers(init.headers),
      signal: init.signal ?? undefined,
      write: async (text) => {
        await writer.write(typeof text === 'string' ? new TextEncoder().encode(text) : text);
        await settled();
      },
      end: async () => {
        await writer.close();
        await settled();
      },
    });
    return new Response(readable);
  });
  return {
    streams,
    others,
    get stream() {
      const last = streams.at(-1);
      if (!last) throw new Error('nothing was opened');
      return last;
    },
    answers: (next: typeof answer) => {
      answer = next;
    },
    fetch: fetch as unknown as typeof globalThis.fetch,
  };
}

async function createRig() {
  const http = createHttp();
  const frames: Record<string, unknown>[] = [];
  const closes: (readonly [number, string])[] = [];
  const transport = sseTransport(http.fetch, { bearer, fetchStates, HttpError, queryOf })(
    'https://gateway.test/v1/stream',
    'token-1',
    {
      frame: (text) => frames.push(JSON.parse(text ?? '')),
      closed: (code, reason) => closes.push([code, reason]),
    },
  );
  await settled();
  const send = async (message: ClientMessage) => {
    transport.send(message);
    await settled();
  };
  return { http, frames, closes, transport, send, take: () => frames.splice(0) };
}

/** Logged in, with a stream for two channels. */
async function open() {
  const rig = await createRig();
  rig.transport.send({ type: 'AUTHENTICATE', token: 'token-1', ref: 'auth' });
  rig.transport.send({ type: 'SUBSCRIBE', channels: ['property:1', 'global'], after: { global: '7-3' }, ref: 'r1' });
  await settled();
  rig.take();
  return rig;
}

describe('a stream', () => {
  it('is opened for the channels, with the token in a header, behind the positions', async () => {
    const { http } = await open();
    expect(http.streams).toHaveLength(1);
    expect(http.stream.url.href).toBe('https://gateway.test/v1/stream?channel=property%3A1&channel=global');
    expect(http.stream.headers.get('authorization')).toBe('Bearer token-1');
    expect(http.stream.headers.get('accept')).toBe('text/event-stream');
    expect(http.stream.headers.get('last-event-id')).toBe('global@7-3');
  });

  it('welcomes by itself, and is not opened without channels', async () => {
    const { http, send, take } = await createRig();
    expect(take()).toEqual([{ type: 'WELCOME' }]);
    await send({ type: 'AUTHENTICATE', token: 'token-1' });
    expect(take()).toEqual([{ type: 'AUTHENTICATED' }]);
    expect(http.streams).toHaveLength(0);
  });

  it('is read whatever pieces it comes in, and comments are signs of life', async () => {
    const { http, take } = await open();
    const event = '{"id":"7-4","type":"X","channel":"global","message":"Größe"}';
    const text = `retry: 1000\n\nid: global@7-4\ndata: ${event}\n\n: ping\n\n`;
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += 3) await http.stream.write(bytes.slice(at, at + 3));
    expect(take()).toEqual([{ type: 'PING' }, JSON.parse(event), { type: 'PING' }]);
    await http.stream.write(`id: global@7-5\r\ndata: ${event}\r\n\r\n`);
    expect(take()).toEqual([JSON.parse(event)]);
  });

  it('answers SUBSCRIBE under its reference', async () => {
    const { http, take } = await open();
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"property:1","id":"7-1","replay":0}\n\n');
    expect(take()).toEqual([{ type: 'SUBSCRIBED', channel: 'property:1', id: '7-1', replay: 0, ref: 'r1' }]);
  });

  it('answers all that ask for a channel alike, whether in one turn or while it is being opened', async () => {
    const { http, transport, send, take } = await createRig();
    const ask = (ref: string) => ({ type: 'SUBSCRIBE', channels: ['property:1'], ref }) as const;
    transport.send(ask('r1'));
    await send(ask('r2'));
    await send(ask('r3'));
    take();
    const subscribed = { type: 'SUBSCRIBED', channel: 'property:1', id: '7-1', replay: 0 };
    await http.stream.write(`data: ${JSON.stringify(subscribed)}\n\n`);
    expect(take()).toEqual(['r1', 'r2', 'r3'].map((ref) => ({ ...subscribed, ref })));
  });

  it('tells who asks for a channel behind another position than the one before to wait, and both are answered', async () => {
    const { http, transport, send, take } = await createRig();
    take();
    const ask = (ref: string, at: string) =>
      ({ type: 'SUBSCRIBE', channels: ['property:1'], after: { 'property:1': at }, ref }) as const;
    transport.send(ask('r1', '7-3'));
    await send(ask('r2', '7-8'));
    expect(http.stream.headers.get('last-event-id')).toBe('property:1@7-3');
    expect(take()).toMatchObject([{ type: 'ERROR', code: 'rate_limited', channel: 'property:1', ref: 'r2' }]);
    const subscribed = 'data: {"type":"SUBSCRIBED","channel":"property:1","id":"7-9","recovered":true,"replay":1}\n\n';
    await http.stream.write(subscribed);
    expect(take()).toMatchObject([{ type: 'SUBSCRIBED', ref: 'r1' }]);
    await send(ask('r2', '7-8'));
    expect(http.stream.headers.get('last-event-id')).toBe('property:1@7-8');
    await http.stream.write(subscribed);
    expect(take()).toMatchObject([{ type: 'SUBSCRIBED', ref: 'r2' }]);
  });

  it('forgets who asked for a channel when nobody wants it any more', async () => {
    const { http, send, take } = await createRig();
    await send({ type: 'SUBSCRIBE', channels: ['property:1'], after: '7-3', ref: 'r1' });
    await send({ type: 'UNSUBSCRIBE', channels: ['property:1'] });
    await send({ type: 'SUBSCRIBE', channels: ['property:1'], after: '7-8', ref: 'r2' });
    take();
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"property:1","id":"7-8","replay":0}\n\n');
    expect(take()).toMatchObject([{ type: 'SUBSCRIBED', ref: 'r2' }]);
  });

  it('keeps the position a channel is asked for behind, also where events come before it is opened anew', async () => {
    const { http, transport, frames } = await open();
    // Whoever hears of the first event asks for another channel at once; the second came in the same piece.
    const push = frames.push.bind(frames);
    frames.push = (...heard) => {
      if (heard[0]?.id === '7-4') {
        transport.send({ type: 'SUBSCRIBE', channels: ['property:2'], after: { 'property:2': '7-1' }, ref: 'r2' });
      }
      return push(...heard);
    };
    const event = (id: string) => `id: global@${id}\ndata: {"id":"${id}","type":"X","channel":"global"}\n\n`;
    await http.stream.write(event('7-4') + event('7-5'));
    expect(http.streams).toHaveLength(2);
    expect(http.stream.headers.get('last-event-id')).toMatch(/ property:2@7-1$/);
  });

  it('is opened anew for more channels behind its last event id, and nobody else notices', async () => {
    const { http, send, take } = await open();
    await http.stream.write('id: property:1@7-2 global@7-9\ndata: {"id":"7-9","type":"X","channel":"global"}\n\n');
    await http.stream.write('data: {"type":"AUTHENTICATED","user_id":"manager"}\n\n');
    take();
    await send({ type: 'SUBSCRIBE', channels: ['property:2'], ref: 'r2' });
    expect(http.streams).toHaveLength(2);
    expect(http.streams[0]?.signal?.aborted).toBe(true);
    expect(http.stream.url.searchParams.getAll('channel')).toEqual(['property:1', 'global', 'property:2']);
    expect(http.stream.headers.get('last-event-id')).toBe('property:1@7-2 global@7-9');
    await http.stream.write('data: {"type":"AUTHENTICATED","user_id":"manager"}\n\n');
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"property:2","id":"7-0","replay":0}\n\n');
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"property:1","id":"7-2","recovered":true}\n\n');
    expect(take()).toMatchObject(
      [
        { type: 'SUBSCRIBED', channel: 'property:1', ref: 'r1' },
        { type: 'SUBSCRIBED', channel: 'property:2', ref: 'r2' },
      ].reverse(),
    );
  });

  it('that was opened anew and cannot continue a channel says so as the gateway would', async () => {
    const { http, send, take } = await open();
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"global","id":"7-3","recovered":true}\n\n');
    await send({ type: 'SUBSCRIBE', channels: ['property:2'], ref: 'r2' });
    take();
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"global","id":"9-1","recovered":false}\n\n');
    expect(take()).toEqual([{ type: 'RESYNC', channel: 'global', id: '9-1' }]);
  });

  it('that was opened anew and has lost a channel says so: nobody who follows it thinks that it goes on', async () => {
    const { http, send, take } = await open();
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"global","id":"7-3","recovered":true}\n\n');
    await http.stream.write('data: {"type":"SUBSCRIBED","channel":"property:1","id":"7-0"}\n\n');
    await send({ type: 'SUBSCRIBE', channels: ['property:2'], ref: 'r2' });
    take();
    const error = (channel: string, code: string) =>
      `data: ${JSON.stringify({ type: 'ERROR', code, message: 'no', channel, retry_after_ms: 3_000 })}\n\n`;
    await http.stream.write(error('global', 'rate_limited'));
    await http.stream.write(error('property:1', 'too_many_subscriptions'));
    await http.stream.write(error('property:2', 'unavailable'));
    expect(take()).toMatchObject([
      { type: 'ERROR', code: 'unavailable', channel: 'global', retry_after_ms: 3_000, ref: expect.anything() },
      { type: 'UNSUBSCRIBED', channel: 'property:1', reason: 'too_many_subscriptions' },
      { type: 'ERROR', code: 'unavailable', channel: 'property:2', ref: 'r2' },
    ]);
  });

  it('is opened anew with another token', async () => {
    const { http, send, take } = await open();
    await http.stream.write('data: {"type":"AUTHENTICATED","user_id":"manager"}\n\n');
    expect(take()).toHaveLength(1);
    await send({ type: 'AUTHENTICATE', token: 'token-2' });
    expect(http.stream.headers.get('authorization')).toBe('Bearer token-2');
    await http.stream.write('data: {"type":"AUTHENTICATED","user_id":"manager"}\n\n');
    expect(take()).toHaveLength(1);
  });

  it('no longer names what was unsubscribed', async () => {
    const { http, send } = await open();
    await send({ type: 'UNSUBSCRIBE', channels: ['global'] });
    await send({ type: 'SUBSCRIBE', channels: ['property:2'] });
    expect(http.stream.url.searchParams.getAll('channel')).toEqual(['property:1', 'property:2']);
  });

  it('no longer names the position of what was unsubscribed: who goes from one channel to the next can go on for ever', async () => {
    const { http, send } = await open();
    const event = '{"id":"7-4","type":"X","channel":"global"}';
    await http.stream.write(`id: property:1@7-2 global@7-4 user:manager@7-1\ndata: ${event}\n\n`);
    await send({ type: 'UNSUBSCRIBE', channels: ['property:1'] });
    await send({ type: 'SUBSCRIBE', channels: ['property:2'], after: '7-8' });
    expect(http.stream.headers.get('last-event-id')).toBe('global@7-4 user:manager@7-1 property:2@7-8');
  });

  it('refuses the channels that its request has no room for, until others are left', async () => {
    const { http, send, take } = await createRig();
    take();
    const channels = Array.from({ length: 300 }, (_, n) => `property:${1_000_000_000 + n}`);
    const after = Object.fromEntries(channels.map((channel) => [channel, '123456-1234567890']));
    await send({ type: 'SUBSCRIBE', channels, after, ref: 'r1' });
    const refused = take();
    const named = http.stream.url.searchParams.getAll('channel');
    expect(named).toEqual(channels.slice(0, channels.length - refused.length));
    expect(named.length).toBeGreaterThan(150);
    expect(http.stream.url.href.length + [...http.stream.headers].join().length).toBeLessThan(14_500);
    expect(refused.at(-1)).toMatchObject({
      type: 'ERROR',
      code: 'too_many_subscriptions',
      channel: channels.at(-1),
      ref: 'r1',
    });
    await send({ type: 'UNSUBSCRIBE', channels: channels.slice(0, 1) });
    await send({ type: 'SUBSCRIBE', channels: channels.slice(-1), ref: 'r2' });
    expect(take()).toEqual([]);
    expect(http.stream.url.searchParams.getAll('channel')).toContain(channels.at(-1));
  });

  it('closes with the gateway’s code, or as a lost connection where it just ends', async () => {
    const told = await open();
    await told.http.stream.write('event: close\ndata: {"code":4200,"reason":"going away"}\n\n');
    expect(told.closes).toEqual([[4200, 'going away']]);
    const ended = await open();
    await ended.http.stream.end();
    expect(ended.closes).toEqual([[1006, 'the stream ended']]);
  });

  it('is silent once it was closed', async () => {
    const { http, transport, closes, take } = await open();
    transport.close();
    expect(http.stream.signal?.aborted).toBe(true);
    await http.stream.write('data: {"id":"7-9","type":"X","channel":"global"}\n\n').catch(() => undefined);
    await settled();
    expect([...take(), ...closes]).toEqual([]);
  });
});

describe('an answer that is no stream', () => {
  const answered = async (status: number, headers: Record<string, string> = {}, states?: readonly string[]) => {
    const rig = await createRig();
    rig.http.answers((url) => {
      if (url.pathname === '/v1/stream') return new Response('{}', { status, headers });
      const asked = url.searchParams.getAll('channel');
      if (!asked.every((channel) => states?.includes(channel))) return new Response('{}', { status: 403 });
      return Response.json({ channels: asked.map((channel) => ({ channel, id: '7-0', events: [] })) });
    });
    await rig.send({ type: 'SUBSCRIBE', channels: ['property:1', 'global'], ref: 'r1' });
    await settled();
    return rig;
  };

  it('401 is a token refused, with the registry’s code', async () => {
    expect(TOKEN_INVALID).toBe(CLOSE_CODES.tokenInvalid.code);
    expect((await answered(401)).closes).toEqual([[TOKEN_INVALID, 'token refused']]);
  });

  it('503 with Retry-After is a gateway that says when to come back', async () => {
    const { frames, closes } = await answered(503, { 'retry-after': '7' });
    expect(frames).toContainEqual({ type: 'GOING_AWAY', reason: 'http', reconnect_after_ms: 7_000 });
    expect(closes).toEqual([[1011, 'HTTP 503']]);
  });

  it('403 for one of the channels refuses that one, and opens the stream for the others', async () => {
    const rig = await answered(403, {}, ['property:1']);
    expect(rig.frames).toContainEqual(
      expect.objectContaining({ type: 'ERROR', code: 'forbidden', channel: 'global', ref: 'r1' }),
    );
    expect(rig.http.others.at(-1)?.searchParams.getAll('channel')).toEqual(['property:1']);
  });

  it('403 for a channel that was followed takes it away', async () => {
    const { http, frames, send } = await open();
    for (const channel of ['property:1', 'global']) {
      await http.stream.write(`data: {"type":"SUBSCRIBED","channel":"${channel}","id":"7-3","replay":0}\n\n`);
    }
    http.answers((url) => {
      const channels = url.searchParams.getAll('channel');
      if (channels.includes('global')) return new Response('{}', { status: 403 });
      if (url.pathname === '/v1/stream') return undefined;
      return Response.json({ channels: channels.map((channel) => ({ channel, id: '7-3', events: [] })) });
    });
    await send({ type: 'AUTHENTICATE', token: 'token-2' });
    await settled();
    expect(frames.at(-1)).toEqual({ type: 'UNSUBSCRIBED', channel: 'global', reason: 'forbidden' });
    expect(http.stream.url.searchParams.getAll('channel')).toEqual(['property:1']);
  });

  it('403 for all that is asked is the page’s origin: the end', async () => {
    expect(FORBIDDEN_ORIGIN).toBe(CLOSE_CODES.forbiddenOrigin.code);
    expect((await answered(403)).closes).toEqual([[FORBIDDEN_ORIGIN, 'forbidden']]);
  });
});

describe('what a stream cannot carry', () => {
  it('snapshots come by HTTP, under the reference', async () => {
    const { http, send, take } = await open();
    http.answers(() => Response.json({ channels: [{ channel: 'global', id: '7-3', events: [] }] }));
    await send({ type: 'GET_STATE', channels: ['global'], ref: 'r9' });
    await settled();
    expect(take()).toEqual([{ type: 'STATE', channel: 'global', id: '7-3', events: [], ref: 'r9' }]);
  });

  it('snapshots that cannot be had are unavailable', async () => {
    const { http, send, take } = await open();
    http.answers(() => new Response('', { status: 500 }));
    await send({ type: 'GET_STATE', channel: 'global', ref: 'r9' });
    await settled();
    expect(take()).toMatchObject([{ type: 'ERROR', code: 'unavailable', ref: 'r9' }]);
  });

  it('PING is answered when the gateway can be reached, by whatever, and ends the stream otherwise', async () => {
    const { http, send, take, closes } = await open();
    http.answers(() => new Response('{}', { status: 400 }));
    await send({ type: 'PING', ref: 'r9' });
    expect(take()).toEqual([{ type: 'PONG', ref: 'r9' }]);
    http.answers(() => {
      throw new Error('offline');
    });
    await send({ type: 'PING' });
    expect(closes).toEqual([[1006, 'Error: offline']]);
  });

  it('GET_STATUS is refused', async () => {
    const { send, take } = await open();
    await send({ type: 'GET_STATUS', ref: 'r9' });
    expect(take()).toMatchObject([{ type: 'ERROR', code: 'unknown_type', ref: 'r9' }]);
  });
});
