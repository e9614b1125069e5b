/**
 * Events that a service reports once, whatever becomes of it, and without a key by which a repetition would be known: each
 * may be in the intake once, and is there twice only if one of us wrote it twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { intakeKey } from '@belfry/shared/log';
import type { Redis } from 'ioredis';
import { NotAccepted } from '../load/reporter.js';
import type { World } from './fault.js';

const EVERY_MS = 10;
const UNANSWERED = 20;
const ARRIVES_MS = 150;
const READ_MS = 20_000;
const RETRY_MS = 250;
const PREFIX = 'once-';
let serial = 0;

export async function reportOnce(world: World): Promise<string> {
  const until = Date.now() + world.random.integer(1_500, 4_000);
  return expectOnce(world, async (report) => {
    while (Date.now() < until) {
      report();
      await sleep(EVERY_MS);
    }
  });
}

/**
 * The same while Redis stands still: it then finds the events, and behind them the command that closes the connections they
 * came on. So it takes them, and nobody hears of it.
 */
export async function reportUnanswered(world: World): Promise<string> {
  const { nodes } = world.cluster.redis;
  const admins = nodes.map((node) => node.connect());
  try {
    await Promise.all(admins.map((admin) => admin.ping()));
    return await expectOnce(world, async (report) => {
      for (const node of nodes) node.freeze();
      try {
        for (let n = 0; n < UNANSWERED; n += 1) report();
        await sleep(ARRIVES_MS);
        for (const admin of admins)
          admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => undefined);
        await sleep(ARRIVES_MS);
      } finally {
        for (const node of nodes) node.thaw();
      }
      await sleep(ARRIVES_MS);
    });
  } finally {
    for (const admin of admins) admin.disconnect();
  }
}

/** Reports what `run` wants reported, and looks how often it is in the intake. */
async function expectOnce(world: World, run: (report: () => void) => Promise<void>): Promise<string> {
  const first = serial + 1;
  const since = Date.now() - 1_000;
  const answers: Promise<boolean>[] = [];
  await run(() => {
    serial += 1;
    answers.push(reportOne(world, `${PREFIX}${serial}`));
  });
  const accepted = (await Promise.all(answers)).filter(Boolean).length;
  const counts = await readCounts(world, since);
  const doubled = [...counts].filter(([, count]) => count > 1);
  world.count('events reported once, accepted', accepted);
  world.count('events reported once, taken unanswered', Math.max(0, counts.size - accepted));
  if (doubled.length > 0) throw new Error(`${doubled.length} events reported once are in the intake twice`);
  return `${serial - first + 1} events, ${accepted} accepted`;
}

async function reportOne({ reporter }: World, message: string): Promise<boolean> {
  const event = { channel: 'user:once', type: 'NOTE', message };
  try {
    return (await reporter.post('/v1/events', JSON.stringify(event))).status === 202;
  } catch (error) {
    if (error instanceof NotAccepted) return false;
    throw error;
  }
}

/** How often each is in the intake. Redis may be away for another fault's sake: it is asked until it answers. */
async function readCounts({ cluster }: World, since: number): Promise<ReadonlyMap<string, number>> {
  const deadline = Date.now() + READ_MS;
  for (;;) {
    const counts = new Map<string, number>();
    let found = false;
    try {
      await cluster.redis.onMasters(async (redis) => {
        const rows = await rowsOf(redis, since);
        found ||= rows !== undefined;
        for (const text of rows ?? []) counts.set(text, (counts.get(text) ?? 0) + 1);
      });
      if (found) return counts;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) return counts;
    await sleep(RETRY_MS);
  }
}

/** Undefined of a master that does not serve the intake. */
async function rowsOf(redis: Redis, since: number): Promise<string[] | undefined> {
  try {
    const rows = await redis.xrange(intakeKey('belfry'), since, '+');
    return rows.flatMap(([, fields]) => new RegExp(`"message":"(${PREFIX}\\d+)"`).exec(fields[1] ?? '')?.[1] ?? []);
  } catch (error) {
    if ((error as Error).message.startsWith('MOVED')) return undefined;
    throw error;
  }
}
