/** Between reading what was revoked and hearing of what is, there is no moment in which a revocation could pass unseen. */
import { systemClock } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { createRevocationReading } from './revocation-reading.js';

function start(read: () => void) {
  // What takes two seconds is over at once.
  const clock = { ...systemClock, after: (_: number, run: () => void) => systemClock.after(1, run) };
  const logger = { debug: () => undefined } as never;
  const revocations = {
    reload: async () => {
      read();
      return false;
    },
    refresh: async () => false,
  };
  return createRevocationReading({ revocations, onNew: () => undefined, clock, logger });
}

it('reads only once new ones are heard of', async () => {
  const happened: string[] = [];
  let hear: () => void = () => undefined;
  const hearing = new Promise<void>((resolve) => {
    hear = resolve;
  });
  const known = start(() => happened.push('read')).known(hearing);
  await new Promise((resolve) => setImmediate(resolve));
  happened.push('heard');
  hear();
  await known;
  expect(happened).toEqual(['heard', 'read']);
});

it('does not keep a gateway from starting while Redis is away', async () => {
  const happened: string[] = [];
  await start(() => happened.push('read')).known(new Promise(() => undefined));
  expect(happened).toEqual([]);
});
