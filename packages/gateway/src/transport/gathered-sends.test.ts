/** Frames of one turn leave in one piece, and nothing comes before what was gathered. */
import { expect, it } from 'vitest';
import { createGatheredSends } from './gathered-sends.js';
import type { Ws } from './ws.js';

interface Fake {
  /** What left, in order; what left in one piece stands in brackets. */
  readonly wire: string[];
  bufferedBytes: number;
  /** The frame for which there will be no room. */
  dropped: string | undefined;
  poisoned: boolean;
}

function createSocket(): { ws: Ws; fake: Fake } {
  const fake: Fake = { wire: [], bufferedBytes: 0, dropped: undefined, poisoned: false };
  const ws = {
    send(frame: string) {
      if (frame === fake.dropped) return 2;
      fake.wire.push(frame);
      return 1;
    },
    cork(block: () => void) {
      fake.wire.push('[');
      block();
      fake.wire.push(']');
    },
    getBufferedAmount: () => fake.bufferedBytes,
    getUserData: () => ({
      session: {
        poison() {
          fake.poisoned = true;
        },
      },
    }),
  };
  return { ws: ws as unknown as Ws, fake };
}

const turnIsOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('what is sent to a client in one turn leaves in one piece at its end, in order', async () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  const other = createSocket();
  for (const frame of ['a', 'b', 'c']) expect(sends.send(ws, frame)).toBe(true);
  sends.send(other.ws, 'alone');
  expect(fake.wire).toEqual([]);
  await turnIsOver();
  expect(fake.wire).toEqual(['[', 'a', 'b', 'c', ']']);
  expect(other.fake.wire).toEqual(['alone']);
  sends.send(ws, 'd');
  await turnIsOver();
  expect(fake.wire.at(-1)).toBe('d');
});

it('also what comes of several promises that are settled in one turn', async () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  const answered = ['a', 'b', 'c'].map(async (frame) => {
    await Promise.resolve();
    sends.send(ws, frame);
  });
  await Promise.all(answered);
  await turnIsOver();
  expect(fake.wire).toEqual(['[', 'a', 'b', 'c', ']']);
});

it('sends at once while uWebSockets.js gathers for the client, behind what was gathered before', () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  sends.send(ws, 'a');
  sends.send(ws, 'b');
  sends.corked = ws;
  sends.send(ws, 'c');
  sends.send(ws, 'd');
  expect(fake.wire).toEqual(['[', 'a', 'b', ']', 'c', 'd']);
});

it('lets nothing that is published, or done to the client, overtake what was gathered', async () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  sends.send(ws, 'a');
  sends.flush();
  fake.wire.push('published');
  sends.send(ws, 'b');
  sends.flushOf(ws);
  fake.wire.push('closing');
  await turnIsOver();
  expect(fake.wire).toEqual(['a', 'published', 'b', 'closing']);
});

it('gathers nothing for a client that has bytes to read: it is to be known whether a frame was dropped', () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  fake.bufferedBytes = 1;
  expect(sends.send(ws, 'a')).toBe(true);
  fake.dropped = 'b';
  expect(sends.send(ws, 'b')).toBe(false);
  expect(fake.wire).toEqual(['a']);
});

it('gathers no more than 16 KB', () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  const large = 'x'.repeat(10_000);
  sends.send(ws, large);
  expect(fake.wire).toEqual([]);
  sends.send(ws, `${large}!`);
  expect(fake.wire).toEqual([large, `${large}!`]);
});

it('a frame that is dropped after all poisons the session, as a hole does, and nothing comes behind it', async () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  for (const frame of ['a', 'too much', 'b']) sends.send(ws, frame);
  fake.dropped = 'too much';
  await turnIsOver();
  expect(fake.poisoned).toBe(true);
  expect(fake.wire).toEqual(['[', 'a', ']']);
});

it('touches no socket that was closed meanwhile', async () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  sends.send(ws, 'a');
  sends.forget(ws);
  await turnIsOver();
  expect(fake.wire).toEqual([]);
});

it('what was gathered is what was sent, though its memory is used again before it leaves', async () => {
  const sends = createGatheredSends();
  const { fake, ws } = createSocket();
  const memory = Buffer.from('one');
  sends.send(ws, memory);
  memory.write('two');
  sends.send(ws, memory);
  memory.fill('x');
  await turnIsOver();
  expect(fake.wire.map(String)).toEqual(['[', 'one', 'two', ']']);
});
