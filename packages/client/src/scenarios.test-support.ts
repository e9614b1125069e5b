/**
 * What a client does with servers that misbehave, each by a name. Run by clients in Node and in a browser alike: both are
 * a `Subject` here, which writes down what its application is told.
 */
import { expect, it, vi } from 'vitest';
import type { ConnectionState } from './api.js';
import { offsetOf, type Script, type ScriptedServer, welcome } from './scripted-server.test-support.js';

export interface Opening {
  /** Subscribes to their snapshots, too. */
  readonly state?: boolean;
  /** Default: `PATIENT_MS`. */
  readonly connectTimeoutMs?: number;
}

export interface Subject {
  /** Creates a client and subscribes to the channels. */
  open(url: string, channels: readonly string[], options?: Opening): Promise<void>;
  /** `status connected`, `event property:1 7-1`, `gap hole` …, in order. */
  lines(): Promise<readonly string[]>;
  state(): Promise<ConnectionState>;
}

const CHANNEL = 'property:1000010001';
/** For what comes, however slow the machine is: by default no scenario is about that. */
const PATIENT_MS = 15_000;
const PATIENCE = { timeout: PATIENT_MS, interval: 20 };
/** Where giving up is what a scenario is about. */
const IMPATIENT = { connectTimeoutMs: 500 };
/** Without good advice a client waits for at least as long. */
const LEAST_WAIT_MS = 50;

export function describeScenarios(parts: () => { readonly server: ScriptedServer; readonly subject: Subject }): void {
  const events = async (subject: Subject) =>
    (await subject.lines()).filter((line) => line.startsWith('event')).map((line) => line.split(' ')[2]);
  const offsets = (from: number, to: number, epoch = 7) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${epoch}-${from + index}`);
  const until = (check: () => Promise<void>) => vi.waitFor(check, PATIENCE);
  const told = (subject: Subject, line: string) =>
    until(async () => expect(await subject.lines()).toContainEqual(expect.stringContaining(line)));

  /** Opens a client on a server that behaves, and waits until it is live. */
  async function live(state = false) {
    const { server, subject } = parts();
    await subject.open(server.url, [CHANNEL], { state });
    await told(subject, 'live');
    return { server, subject };
  }

  async function connectedAgain(server: ScriptedServer, subject: Subject): Promise<void> {
    server.script({});
    await until(async () => {
      expect((await subject.state()).status).toBe('connected');
      // Connected is who is let in; what it asked for is behind that.
      expect(server.peers.at(-1)?.joined).toContain(CHANNEL);
    });
    server.publish(CHANNEL);
    await until(async () => expect(await events(subject)).toHaveLength(1));
  }

  it('a server that accepts and drops is tried again, more and more slowly, and counted', async () => {
    const { server, subject } = parts();
    server.script({ connected: ({ socket }) => socket.terminate() });
    await subject.open(server.url, [CHANNEL]);
    await until(async () => expect((await subject.state()).attempt).toBeGreaterThanOrEqual(2));
    expect(await subject.state()).toMatchObject({ status: 'connecting' });
    server.script({});
    await told(subject, 'live');
  });

  it('a server that welcomes and drops is no better', async () => {
    const { server, subject } = parts();
    server.script({
      message: (peer) => {
        peer.socket.close(1011);
        return true;
      },
    });
    await subject.open(server.url, [CHANNEL]);
    await until(async () => {
      const state = await subject.state();
      expect(state.attempt).toBeGreaterThanOrEqual(3);
      expect(state).toMatchObject({ status: 'connecting', reason: { code: 1011 } });
    });
    await connectedAgain(server, subject);
  });

  it('a server that never welcomes is given up within the time for it', async () => {
    const { server, subject } = parts();
    server.script({ connected: () => undefined });
    await subject.open(server.url, [CHANNEL], IMPATIENT);
    await until(async () => expect((await subject.state()).reason).toMatchObject({ message: 'no WELCOME' }));
    server.script({});
    await told(subject, 'live');
  });

  it('a server that never answers AUTHENTICATE is given up within the time for it', async () => {
    const { server, subject } = parts();
    server.script({ message: (_peer, { type }) => type === 'AUTHENTICATE' });
    await subject.open(server.url, [CHANNEL], IMPATIENT);
    await until(async () => expect((await subject.state()).reason).toMatchObject({ message: 'no AUTHENTICATED' }));
    await connectedAgain(server, subject);
  });

  it.each([
    ['refuses the upgrade with 503', 'HTTP/1.1 503 Service Unavailable\r\n\r\n'],
    ['answers the upgrade with nonsense', 'nonsense\r\n\r\n'],
    ['hangs up instead of upgrading', ''],
  ])('a server that %s is tried again', async (_what, answer) => {
    const { server, subject } = parts();
    server.script({ upgrade: (_request, socket) => void socket.end(answer) });
    await subject.open(server.url, [CHANNEL]);
    await until(async () => expect((await subject.state()).attempt).toBeGreaterThanOrEqual(2));
    server.script({});
    await told(subject, 'live');
  });

  it.each([4000, 4001, 4002])('a close with %i is the end', async (code) => {
    const { server, subject } = await live();
    server.peers.at(-1)?.socket.close(code, 'because');
    await until(async () =>
      expect(await subject.state()).toMatchObject({ status: 'disconnected', reason: { code, message: 'because' } }),
    );
    expect(server.attempts).toHaveLength(1);
  });

  it.each([1000, 1001, 1011, 1012, 1013, 4100, 4101, 4102, 4103, 4200, 4201, 4202, 4203, 4204, 4205])(
    'a close with %i is followed by another connection, and nothing is missed',
    async (code) => {
      const { server, subject } = await live();
      server.publish(CHANNEL, 2);
      server.peers.at(-1)?.socket.close(code);
      await told(subject, 'status reconnecting');
      server.publish(CHANNEL, 2);
      await told(subject, 'recovered');
      server.publish(CHANNEL);
      await until(async () => expect(await events(subject)).toEqual(offsets(1, 5)));
    },
  );

  const behindTheBack: readonly (readonly [string, Script])[] = [
    ['sends every event twice', { live: (event) => [event, event] }],
    ['sends the one before once more', { live: (event) => [event, { ...event, id: `7-${offsetOf(event) - 1}` }] }],
    [
      'sends events of an epoch that is over',
      { live: (event) => [{ ...event, id: `6-${offsetOf(event) + 50}` }, event] },
    ],
    ['sends every replayed event twice', { replay: (missed) => missed.flatMap((event) => [event, event]) }],
    ['skips every third offset', { live: (event) => (offsetOf(event) % 3 === 0 ? [] : [event]) }],
    [
      'swaps neighbours',
      (() => {
        let kept: string | undefined;
        return {
          live: (event) => {
            const text = JSON.stringify(event);
            if (offsetOf(event) % 2 === 1) {
              kept = text;
              return [];
            }
            return kept === undefined ? [text] : [text, kept];
          },
        } satisfies Script;
      })(),
    ],
    ['sends garbage in between', { live: (event) => ['{', 'null', '[]', '""', '{"type":1}', JSON.stringify(event)] }],
    [
      'sends frames of 4 MB',
      {
        live: (event) => [
          { ...event, violations: 'x'.repeat(4_000_000) },
          JSON.stringify({ type: 'X', y: 'z'.repeat(4_000_000) }),
        ],
      },
    ],
    ['sends events of channels that nobody asked for', { live: (event) => [{ ...event, channel: 'global' }, event] }],
    [
      'sends messages that the protocol does not have',
      { live: (event) => ['{"type":"HOLOGRAM","id":"1-1"}', JSON.stringify(event)] },
    ],
  ];

  it.each(behindTheBack)('of a server that %s every event is handed over once, in order', async (_what, script) => {
    const { server, subject } = await live();
    server.script(script);
    for (let round = 1; round <= 10; round++) {
      server.publish(CHANNEL);
      // The last event of a pair may be kept back by the script: the next one shows it.
      if (round % 2 === 0)
        await until(async () => expect((await events(subject)).length).toBeGreaterThanOrEqual(round - 1));
    }
    server.script({});
    server.publish(CHANNEL);
    await until(async () => expect(await events(subject)).toEqual(offsets(1, 11)));
    expect(await subject.state()).toMatchObject({ status: 'connected' });
    expect((await subject.lines()).filter((line) => /gap (history|resync)/.test(line))).toEqual([]);
  });

  it('of a server that skips in replay too, and for ever, a snapshot takes the place', async () => {
    const { server, subject } = await live(true);
    server.script({ live: (event) => (offsetOf(event) === 1 ? [] : [event]), replay: (missed) => missed.slice(1) });
    server.publish(CHANNEL, 2);
    await told(subject, 'gap hole');
    await vi.waitFor(async () => expect(await subject.lines()).toContainEqual(`state ${CHANNEL} 7-2`), {
      timeout: 40_000,
      interval: 50,
    });
    server.publish(CHANNEL);
    await until(async () => expect(await events(subject)).toEqual(['7-3']));
    expect(server.peers[0]?.received.length).toBeLessThan(12);
  });

  it('a server whose log is shorter than an absence says so, and gives the present', async () => {
    const { server, subject } = await live(true);
    server.publish(CHANNEL);
    await until(async () => expect(await events(subject)).toHaveLength(1));
    server.script({ upgrade: (_request, socket) => void socket.destroy() });
    server.cut();
    await told(subject, 'status reconnecting');
    server.publish(CHANNEL, 20);
    server.trim(CHANNEL, 3);
    server.script({});
    await told(subject, 'not recovered');
    server.publish(CHANNEL);
    await until(async () => expect(await events(subject)).toEqual(['7-1', '7-22']));
    expect(await subject.lines()).toEqual(expect.arrayContaining(['gap history 7-1..7-21', `state ${CHANNEL} 7-21`]));
  });

  it('a server that begins a new epoch is followed into it', async () => {
    const { server, subject } = await live();
    server.publish(CHANNEL, 2);
    server.newEpoch(CHANNEL);
    server.publish(CHANNEL, 2);
    await until(async () => expect(await events(subject)).toEqual([...offsets(1, 2), ...offsets(1, 2, 8)]));
  });

  it.each(['soon', -1, null, { first_ms: -1, max_ms: 'x' }])(
    'a server whose advice is %j does not make it spin',
    async (nonsense) => {
      parts().server.script({
        connected: (peer) =>
          welcome(peer, { reconnect: nonsense, heartbeat_interval: nonsense, server_time: nonsense }),
      });
      const { server, subject } = await live();
      const before = server.attempts.length;
      server.script({ connected: ({ socket }) => socket.terminate() });
      server.peers.at(-1)?.send({ type: 'GOING_AWAY', reason: 'x', reconnect_after_ms: 'now' });
      const cutAt = performance.now();
      server.cut();
      await until(async () => expect((await subject.state()).attempt).toBeGreaterThanOrEqual(3));
      // Each comes of the end of the one before it: none can be seen too soon.
      const times = [cutAt, ...server.attempts.slice(before)];
      for (const [n, at] of times.slice(1).entries()) expect(at - (times[n] ?? 0)).toBeGreaterThan(LEAST_WAIT_MS);
    },
  );

  it('a server that goes half-way, and is cut in the middle of a frame, is resumed from', async () => {
    const { server, subject } = await live();
    server.publish(CHANNEL, 1_000);
    server.cut();
    await told(subject, 'status reconnecting');
    server.publish(CHANNEL, 1);
    await until(async () => expect(await events(subject)).toEqual(offsets(1, 1_001)));
  });
}
