import { describe, expect, it, vi } from 'vitest';
import type { ClientOptions } from './api.js';
import { settled } from './fake-clock.test-support.js';
import { createStateRecording, event } from './recording.test-support.js';
import { createRig } from './rig.test-support.js';
import { CHANNEL, stateFor, subscribed } from './subscribing.test-support.js';

interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An HTTP server of one answer at a time; without one it is not reachable. */
function createHttp() {
  const requests: { readonly url: string; readonly headers: Headers }[] = [];
  let answer: Answer | undefined;
  let knowsTags = false;
  const fetch = vi.fn(async (input: string | URL | Request, init?: RequestInit) => {
    requests.push({ url: String(input), headers: new Headers(init?.headers) });
    init?.signal?.throwIfAborted();
    if (!answer) throw new Error('unreachable');
    const { body, headers = {} } = answer;
    const known =
      knowsTags && headers.etag !== undefined && requests.at(-1)?.headers.get('if-none-match') === headers.etag;
    const { status = known ? 304 : 200 } = answer;
    return new Response(status === 304 ? null : JSON.stringify(body ?? {}), { status, headers });
  });
  return {
    fetch: fetch as unknown as typeof globalThis.fetch,
    requests,
    answers(next: Answer | undefined) {
      answer = next;
    },
    unchangedIs304() {
      knowsTags = true;
    },
    state(id: string, headers: Readonly<Record<string, string>> = {}) {
      answer = { body: { channels: [{ type: 'STATE', channel: CHANNEL, id, events: [event(id)] }] }, headers };
    },
  };
}

function createPollingRig(options: Partial<ClientOptions> = {}) {
  const http = createHttp();
  const rig = createRig({ fallback: {}, fetch: http.fetch, ...options });
  return { http, ...rig };
}

async function fail(rig: ReturnType<typeof createPollingRig>, times: number): Promise<void> {
  for (let round = 0; round < times; round++) {
    rig.network.socket.drop(1006);
    if (round < times - 1) await rig.attempt();
  }
}

describe('polling', () => {
  it('begins with the third failure in a row, within a second, and says so', async () => {
    const rig = createPollingRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe('1000010001', handlers);
    await settled();
    rig.http.state('7-4');
    await fail(rig, 2);
    await rig.clock.advance(900);
    expect(rig.http.requests).toEqual([]);
    await rig.attempt();
    rig.network.socket.drop(1006);
    await rig.clock.advance(1_000);
    expect(rig.http.requests.map(({ url }) => url)).toEqual([
      'http://gateway.test/v1/state?channel=property%3A1000010001',
    ]);
    expect(rig.http.requests[0]?.headers.get('authorization')).toBe('Bearer token');
    expect(log).toEqual(['state 7-4 (1)']);
    expect(rig.client.state).toMatchObject({ status: 'connecting', mode: 'polling' });
  });

  it('shows what is new only, and asks with the ETag so that nothing new costs nothing', async () => {
    const rig = createPollingRig({ fallback: { intervalMs: 2_000 } });
    const { handlers, take } = createStateRecording();
    rig.client.subscribe('1000010001', handlers);
    await settled();
    rig.http.state('7-4', { etag: '"a"' });
    await fail(rig, 3);
    await rig.clock.until(() => rig.http.requests.length === 1);
    expect(take()).toEqual(['state 7-4 (1)']);
    rig.http.answers({ status: 304 });
    await rig.clock.until(() => rig.http.requests.length === 2);
    expect(rig.http.requests[1]?.headers.get('if-none-match')).toBe('"a"');
    rig.http.state('7-4', { etag: '"b"' });
    await rig.clock.until(() => rig.http.requests.length === 3);
    expect(take()).toEqual([]);
    rig.http.state('7-5', { etag: '"c"' });
    await rig.clock.until(() => rig.http.requests.length === 4);
    expect(take()).toEqual(['state 7-5 (1)']);
    expect(rig.client.state.mode).toBe('polling');
  });

  it('leaves who asked for the last events, and is shown no snapshots, to begin with those when there is a connection', async () => {
    const rig = createPollingRig();
    rig.client.subscribe('1000010001', { rewind: 3 });
    await settled();
    rig.http.state('7-4');
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    await rig.reconnect();
    expect(rig.asked()).toMatchObject([{ type: 'SUBSCRIBE', channels: [CHANNEL], after: {}, rewind: 3 }]);
  });

  it('shows the present to who asked for the last events, and still begins with those when there is a connection', async () => {
    const rig = createPollingRig({ fallback: { intervalMs: 1_000 } });
    const { handlers, take } = createStateRecording({ rewind: 3 });
    rig.client.subscribe('1000010001', handlers);
    await settled();
    rig.http.state('7-4');
    await fail(rig, 3);
    await rig.clock.until(() => rig.http.requests.length === 2);
    expect(take()).toEqual(['state 7-4 (1)']);
    await rig.reconnect();
    const [join, ask] = rig.asked();
    expect(join).toMatchObject({ type: 'SUBSCRIBE', after: {}, rewind: 3 });
    subscribed(rig, join, { id: '7-9', replay: 3 });
    for (const id of ['7-7', '7-8', '7-9', '7-10']) rig.network.socket.frame(event(id));
    expect(take()).toEqual([]);
    stateFor(rig, ask, '7-9');
    expect(take()).toEqual([
      'state 7-9 (1)',
      'event 7-7 replayed covered',
      'event 7-8 replayed covered',
      'event 7-9 replayed covered',
      'live 7-9',
      'event 7-10',
    ]);
  });

  it('shows nothing older than what was shown, however long the handler takes', async () => {
    const rig = createPollingRig({ fallback: { intervalMs: 1_000 } });
    const ends: (() => void)[] = [];
    const shown: string[] = [];
    const onState = ({ id }: { readonly id: string }) => {
      shown.push(id);
      return new Promise<void>((resolve) => ends.push(resolve));
    };
    rig.client.subscribe('1000010001', { rewind: 3, onState });
    await settled();
    rig.http.state('7-4');
    await fail(rig, 3);
    await rig.clock.until(() => shown.length === 1);
    rig.http.state('7-5');
    const polls = rig.http.requests.length;
    await rig.clock.until(() => rig.http.requests.length > polls);
    await rig.reconnect();
    const [join, ask] = rig.asked();
    subscribed(rig, join, { id: '7-9' });
    stateFor(rig, ask, '7-9');
    for (let turn = 0; turn < 3; turn++) {
      ends.shift()?.();
      await settled();
    }
    expect(shown).toEqual(['7-4', '7-9']);
  });

  it('between a first SUBSCRIBE and its answer makes no gap: the channel is asked for anew, from what it showed on', async () => {
    const rig = createPollingRig({ fallback: { intervalMs: 1_000 } });
    const { handlers, take } = createStateRecording();
    rig.client.subscribe('1000010001', handlers);
    await settled();
    await fail(rig, 3);
    await rig.attempt();
    rig.network.socket.welcome();
    await settled();
    const [join, ask] = rig.asked();
    expect(join).toMatchObject({ type: 'SUBSCRIBE', after: {} });
    rig.http.state('7-4');
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    await rig.clock.advance(50);
    rig.network.socket.authenticated();
    subscribed(rig, join, { id: '7-4' });
    stateFor(rig, ask, '7-4');
    expect(take()).toEqual(['state 7-4 (1)']);
    const [again] = rig.asked();
    expect(again).toMatchObject({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-4' } });
    rig.network.socket.frame(event('7-5'));
    subscribed(rig, again, { id: '7-5', recovered: true, replay: 1 });
    rig.network.socket.frame(event('7-5'));
    expect(take()).toEqual(['event 7-5 replayed', 'recovered 1', 'live 7-5']);
  });

  it('stops when the connection is back, and every event behind the last one handled still comes', async () => {
    const rig = createPollingRig();
    const { handlers, take } = createStateRecording();
    rig.client.subscribe('1000010001', handlers);
    await rig.login();
    const refs = rig.asked() as { ref: string }[];
    rig.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-1', replay: 0, ref: refs[0]?.ref });
    rig.network.socket.frame({ type: 'STATE', channel: CHANNEL, id: '7-1', events: [], ref: refs[1]?.ref });
    take();
    rig.http.state('7-3');
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    expect(take()).toEqual(['state 7-3 (1)']);

    await rig.reconnect();
    expect(rig.client.state).toMatchObject({ status: 'connected', mode: 'live' });
    const [again] = rig.asked() as { ref: string }[];
    expect(again).toMatchObject({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } });
    rig.network.socket.frame({
      type: 'SUBSCRIBED',
      channel: CHANNEL,
      id: '7-4',
      recovered: true,
      replay: 3,
      ref: again?.ref,
    });
    for (const id of ['7-2', '7-3', '7-4']) rig.network.socket.frame(event(id));
    expect(take()).toEqual([
      'event 7-2 replayed covered',
      'event 7-3 replayed covered',
      'event 7-4 replayed',
      'recovered 3',
      'live 7-4',
    ]);
    const polls = rig.http.requests.length;
    await rig.clock.advance(9_000);
    expect(rig.http.requests).toHaveLength(polls);
  });

  it('gives a position to who has none: from there on nothing is missed', async () => {
    const rig = createPollingRig();
    const { handlers } = createStateRecording();
    rig.client.subscribe('1000010001', handlers);
    await settled();
    rig.http.state('7-4');
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    await rig.reconnect();
    expect(rig.asked()[0]).toMatchObject({ after: { [CHANNEL]: '7-4' } });
  });

  it('shows a page that was reloaded the present, although its position is known', async () => {
    const storage = { getItem: () => '7-4', setItem: () => undefined };
    const rig = createPollingRig({ storage });
    const { handlers, log } = createStateRecording();
    rig.client.subscribe('1000010001', handlers);
    await settled();
    rig.http.state('7-4');
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    expect(log).toEqual(['state 7-4 (1)']);
  });

  it('that fails is stale, backs off, obeys Retry-After, and keeps trying', async () => {
    const rig = createPollingRig({ fallback: { intervalMs: 1_000 } });
    rig.client.subscribe('1000010001', {});
    await settled();
    await fail(rig, 3);
    await rig.clock.until(() => rig.http.requests.length === 4);
    expect(rig.client.state.mode).toBe('stale');
    expect(rig.errors).toContain('poll: unreachable');
    rig.http.answers({ status: 503, headers: { 'retry-after': '30' } });
    await rig.clock.until(() => rig.http.requests.length === 5);
    const refusedAt = rig.clock.now();
    rig.http.state('7-1');
    await rig.clock.until(() => rig.http.requests.length === 6);
    expect(rig.clock.now() - refusedAt).toBeGreaterThanOrEqual(30_000);
    expect(rig.client.state.mode).toBe('polling');
    rig.http.answers(undefined);
    await rig.clock.until(() => rig.http.requests.length === 7);
    expect(rig.client.state.mode).toBe('stale');
  });

  it('that hangs is given up after 10 s', async () => {
    const rig = createPollingRig({
      fetch: ((_url: string, { signal }: RequestInit) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason));
        })) as unknown as typeof fetch,
    });
    rig.client.subscribe('1000010001', {});
    await settled();
    await fail(rig, 3);
    await rig.clock.until(() => rig.errors.some((error) => error === 'poll: timeout'));
  });

  it('refused for its token fetches another', async () => {
    let issued = 0;
    const rig = createPollingRig({ getToken: () => `token-${++issued}`, fallback: { intervalMs: 1_000 } });
    rig.client.subscribe('1000010001', {});
    await settled();
    rig.http.answers({ status: 401 });
    await fail(rig, 3);
    await rig.clock.until(() => rig.http.requests.length === 2);
    expect(rig.http.requests[1]?.headers.get('authorization')).toBe('Bearer token-2');
  });

  it('of many channels cuts its URLs to what a gateway takes', async () => {
    const rig = createPollingRig({ fallback: { url: 'https://poll.test/state' } });
    for (let lot = 0; lot < 200; lot++) rig.client.subscribe(String(1_000_000_000 + lot), {});
    await settled();
    rig.http.answers({ body: { channels: [] } });
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    const urls = rig.http.requests.map(({ url }) => new URL(url));
    expect(urls.every(({ href }) => href.length < 1_600 && href.startsWith('https://poll.test/state?'))).toBe(true);
    expect(new Set(urls.flatMap(({ searchParams }) => searchParams.getAll('channel'))).size).toBe(200);
  });

  it('shows what came before a request of the same round failed, also where nothing has changed since', async () => {
    let failing = true;
    const fetch = async (url: string, { headers }: RequestInit) => {
      const names = new URL(url).searchParams.getAll('channel');
      if (failing && names.includes('property:1000000199')) {
        failing = false;
        return new Response('{}', { status: 503 });
      }
      if (new Headers(headers).has('if-none-match')) return new Response(null, { status: 304 });
      const channels = names.map((channel) => ({ type: 'STATE', channel, id: '7-4', events: [] }));
      return new Response(JSON.stringify({ channels }), { headers: { etag: '"a"' } });
    };
    const rig = createPollingRig({ fetch: fetch as typeof globalThis.fetch, fallback: { intervalMs: 1_000 } });
    const shown: string[] = [];
    for (let lot = 0; lot < 200; lot++) {
      rig.client.subscribe(String(1_000_000_000 + lot), { onState: ({ channel }) => void shown.push(channel) });
    }
    await settled();
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    expect(failing).toBe(false);
    expect(new Set(shown).size).toBe(200);
  });

  it('shows the present also to who comes while it goes on, where nothing has changed since', async () => {
    const rig = createPollingRig({ fallback: { intervalMs: 1_000 } });
    const first = createStateRecording();
    rig.client.subscribe('1000010001', first.handlers);
    await settled();
    rig.http.state('7-4', { etag: '"a"' });
    rig.http.unchangedIs304();
    await fail(rig, 3);
    await rig.clock.until(() => rig.http.requests.length === 2);
    const second = createStateRecording();
    rig.client.subscribe('1000010001', second.handlers);
    await rig.clock.until(() => rig.http.requests.length === 5);
    expect([first.take(), second.take()]).toEqual([['state 7-4 (1)'], ['state 7-4 (1)']]);
    expect(rig.http.requests.at(-1)?.headers.get('if-none-match')).toBe('"a"');
  });

  it('is not done by a client that rests', async () => {
    const window = new EventTarget();
    const rig = createPollingRig({ page: { window, document: new EventTarget() } });
    rig.client.subscribe('1000010001', {});
    await settled();
    rig.http.state('7-1');
    await fail(rig, 3);
    await rig.clock.until(() => rig.client.state.mode === 'polling');
    window.dispatchEvent(new Event('pagehide'));
    const polls = rig.http.requests.length;
    await rig.clock.advance(600_000);
    expect(rig.http.requests).toHaveLength(polls);
    window.dispatchEvent(new Event('pageshow'));
    rig.client.close();
    await rig.clock.advance(600_000);
    expect(rig.http.requests).toHaveLength(polls);
    expect(rig.clock.waiting).toEqual([]);
  });
});
