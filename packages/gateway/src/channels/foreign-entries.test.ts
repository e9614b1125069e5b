/** An entry in a channel's log that is no event, as somebody else may write it, is a position like any other. */
import type { LogReader } from '@belfry/shared/log';
import { createVirtualClock } from '@belfry/shared/log/memory';
import type { Position } from '@belfry/shared/protocol';
import { createBackoff } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { Channel } from './channel.js';
import { createTailBudget, type TailEntry } from './tail.js';

const ignore = (): void => undefined;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('who is at the position of such an entry joins at once, without a reading', async () => {
  const entries: TailEntry[] = [{ position: { epoch: 1, offset: 0 }, frame: '{"id":"1-0"}' }];
  const end = (): Position => (entries.at(-1) as TailEntry).position;
  let reads = 0;
  const log: Pick<LogReader, 'read' | 'positions'> = {
    async read(_name, { from }) {
      reads += 1;
      // Reading on and on would leave no turn in which to fail.
      if (reads > 20) return new Promise(() => undefined);
      const index = entries.findIndex(
        ({ position }) => position.epoch === from?.epoch && position.offset === from.offset,
      );
      return { position: end(), continuous: index !== -1, entries: entries.slice(index + 1), snapshot: [] } as never;
    },
    positions: async () => [end()],
  };
  const channel = new Channel('user:7', {
    log: log as LogReader,
    publish: ignore,
    clock: createVirtualClock(),
    createBackoff: () => createBackoff(1, 2, () => 0.5),
    budget: createTailBudget(1e9),
    observer: { repaired: ignore, joined: ignore, ignored: ignore, delivered: ignore },
    tailEvents: 10,
    maxHeld: 10,
  });
  channel.open();
  await turn();
  entries.push({ position: { epoch: 1, offset: 1 }, frame: '{"id":"1-1"}' });
  channel.receive(end(), Buffer.from('{"id":"1-1"}'));
  entries.push({ position: { epoch: 2, offset: 0 }, frame: undefined });
  channel.check(end());
  await turn();
  expect(channel.position).toEqual({ epoch: 2, offset: 0 });

  reads = 0;
  const costs: number[] = [];
  const joined = channel.join({
    subscriber: { send: ignore, together: (block) => block(), follow: ignore, bufferedBytes: 0 },
    replay: undefined,
    after: { epoch: 2, offset: 0 },
    rewind: undefined,
    ref: undefined,
    hasRoom: true,
    announced: true,
    onCost: (events) => costs.push(events),
    onJoined: ignore,
  });
  expect({ joined, costs, reads }).toEqual({ joined: true, costs: [], reads: 0 });
});
