/** Faults of clients and of those who report: storms, slow readers, repetitions, nonsense. */
import { setTimeout as sleep } from 'node:timers/promises';
import { POISON } from '../load/changes.js';
import { NotAccepted } from '../load/reporter.js';
import { BULK_BYTES, publishBulk } from './bulk.js';
import type { Fault } from './fault.js';
import { reportOnce } from './once.js';

const BULK_EVENTS = 450;
const STALL_MS = 12_000;

async function quietly(report: () => Promise<unknown>): Promise<boolean> {
  try {
    await report();
    return true;
  } catch (error) {
    if (error instanceof NotAccepted) return false;
    throw error;
  }
}

export const CLIENT_FAULTS: readonly Fault[] = [
  {
    kind: 'reconnect storm (all clients at once)',
    weight: 3,
    lane: 'main',
    async run({ swarms }) {
      swarms.tell({ do: 'cut', share: 1 });
      return 'every client';
    },
  },
  {
    kind: 'some clients cut',
    weight: 6,
    lane: 'side',
    async run({ random, swarms }) {
      const share = random.integer(5, 30) / 100;
      swarms.tell({ do: 'cut', share });
      return `${Math.round(share * 100)} %`;
    },
  },
  {
    kind: 'slow readers',
    weight: 2,
    lane: 'side',
    async run(world) {
      world.swarms.tell({ do: 'stall', clients: 4, afterMs: 500, ms: STALL_MS });
      await sleep(700);
      await publishBulk(world, BULK_EVENTS);
      return `8 clients, ${Math.round((BULK_EVENTS * BULK_BYTES) / 1e6)} MB each`;
    },
  },
  {
    kind: 'channels left and joined (churn)',
    weight: 6,
    lane: 'side',
    async run({ random, swarms }) {
      const share = random.integer(10, 50) / 100;
      swarms.tell({ do: 'churn', share, ms: random.integer(100, 3_000) });
      return `${Math.round(share * 100)} % of the clients`;
    },
  },
  {
    kind: 'changes reported again (duplicates)',
    weight: 6,
    lane: 'side',
    async run({ load, random }) {
      const count = random.integer(20, 100);
      await load.repeat(count);
      return `${count} requests`;
    },
  },
  {
    kind: 'poison changes',
    weight: 5,
    lane: 'side',
    async run({ count, random, reporter }) {
      let sent = 0;
      for (let n = 0; n < 10; n += 1) {
        if (await quietly(() => reporter.raw(random.pick(POISON)))) sent += 1;
        const [, text = ''] = random.pick(POISON);
        await quietly(async () => {
          const { status } = await reporter.post('/v1/changes', text);
          if (status < 400 || status >= 500) count(`poison over HTTP answered ${status}`);
        });
      }
      count('poison entries written to the intake', sent);
      return `${sent} entries, 10 requests`;
    },
  },
  {
    kind: 'events reported once, without a key',
    weight: 6,
    lane: 'side',
    run: reportOnce,
  },
];
