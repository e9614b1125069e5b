/** The client process of the measurement: follows a board on many connections, folds what comes, and counts it. */

import type { FollowersMessage, FollowersPlan, ReportRequest } from './plan.js';
import { openRaw } from './wire.js';

interface KeyState {
  n: number;
  pushes: number;
  atMs: number;
}

const HANDSHAKES_AT_ONCE = 100;
const tell = (message: FollowersMessage): void => void process.send?.(message);

function run(plan: FollowersPlan): void {
  const followers: Map<string, KeyState>[] = [];
  const firstMs: number[] = [];
  let opened = 0;
  let ready = 0;
  let pushes = 0;
  let bytes = 0;
  let patches = 0;
  let leastGapMs = Number.POSITIVE_INFINITY;

  function push(keys: Map<string, KeyState>, text: string): void {
    const event = JSON.parse(text) as {
      key: string;
      document?: { n: number };
      patch?: { n: number };
      timestamp: number;
    };
    const now = performance.timeOrigin + performance.now();
    pushes += 1;
    bytes += text.length;
    if (event.patch) patches += 1;
    const n = (event.document ?? event.patch)?.n ?? -1;
    const state = keys.get(event.key);
    if (!state) {
      keys.set(event.key, { n, pushes: 1, atMs: now });
      firstMs.push(now - event.timestamp * 1000);
      return;
    }
    leastGapMs = Math.min(leastGapMs, now - state.atMs);
    state.n = n;
    state.pushes += 1;
    state.atMs = now;
  }

  function openNext(): void {
    if (opened === plan.followers) return;
    opened += 1;
    const keys = new Map<string, KeyState>();
    followers.push(keys);
    openRaw(plan.port, {
      open(client) {
        client.send(JSON.stringify({ type: 'AUTHENTICATE', token: plan.token }));
        client.send(JSON.stringify({ type: 'SUBSCRIBE', channel: plan.channel }));
      },
      text(client, text) {
        if (text.startsWith('{"id":')) push(keys, text);
        else if (text.startsWith('{"type":"PING"')) client.send('{"type":"PONG"}');
        else if (text.startsWith('{"type":"ERROR"')) tell({ kind: 'failed', reason: text });
        else if (text.startsWith('{"type":"STATE"')) {
          ready += 1;
          if (ready === plan.followers) tell({ kind: 'ready' });
          openNext();
        }
      },
      end: (reason) => tell({ kind: 'failed', reason }),
    });
  }
  for (let n = 0; n < HANDSHAKES_AT_ONCE; n += 1) openNext();

  process.on('message', ({ last }: ReportRequest) => {
    firstMs.sort((a, b) => a - b);
    const at = (share: number): number =>
      firstMs[Math.min(firstMs.length - 1, Math.floor(firstMs.length * share))] ?? 0;
    tell({
      kind: 'report',
      pushes,
      bytes,
      patches,
      mostPushes: Math.max(...followers.flatMap((keys) => [...keys.values()].map((state) => state.pushes))),
      leastGapMs,
      firstMs: { p50: at(0.5), p99: at(0.99) },
      complete: followers.filter((keys) => Object.entries(last).every(([key, n]) => keys.get(key)?.n === n)).length,
    });
  });
}

process.once('message', (plan) => run(plan as FollowersPlan));
process.once('disconnect', () => process.exit());
