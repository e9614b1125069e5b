/** A board is read by one reader at a time, however often its subscription is confirmed meanwhile. */
import type { ChannelReading, LogReader } from '@belfry/shared/log';
import { createVirtualClock } from '@belfry/shared/log/memory';
import { createBackoff } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { Board } from './board.js';
import { DEFAULT_BOARD_SETTINGS } from './board-settings.js';

const ignore = (): void => undefined;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('confirmed anew while its log cannot be read, it is read once then, and what is removed stays away', async () => {
  const clock = createVirtualClock();
  const reads: { resolve(reading: ChannelReading): void; reject(error: Error): void }[] = [];
  const log: Pick<LogReader, 'read' | 'positions'> = {
    read: () => new Promise((resolve, reject) => reads.push({ resolve, reject })),
    positions: async () => [],
  };
  const board = new Board('state:tasks', {
    log: log as LogReader,
    clock,
    createBackoff: () => createBackoff(100, 2_000, () => 0.5),
    observer: { repaired: ignore, joined: ignore, ignored: ignore, delivered: ignore },
    settings: { ...DEFAULT_BOARD_SETTINGS, intervalMs: () => 50 },
  });
  const value = '{"id":"1-1","channel":"state:tasks","type":"STATE_UPDATE","key":"a","timestamp":1,"document":{"x":1}}';
  const removal = '{"id":"1-2","channel":"state:tasks","type":"STATE_UPDATE","key":"a","timestamp":2,"removed":true}';
  const reading = { position: { epoch: 1, offset: 1 }, continuous: false, entries: [], snapshot: [value] };

  board.open();
  reads[0]?.reject(new Error('Redis is away'));
  await turn();
  board.open();
  await turn();
  expect(reads).toHaveLength(1);
  await clock.advance(300);
  await turn();
  expect(reads).toHaveLength(2);
  reads[1]?.resolve(reading);
  await turn();
  board.receive({ epoch: 1, offset: 2 }, Buffer.from(removal));
  await clock.advance(500);
  await turn();
  // What a second reader would be told: as Redis was before the removal.
  for (const { resolve } of reads.slice(2)) resolve(reading);
  await turn();
  expect(board.state).toBe('live');
  expect(board.stateForFollower()?.snapshot).toEqual([]);
});
