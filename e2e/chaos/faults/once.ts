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
const READ_MS = 20_000;
const RETRY_MS = 250;
const PREFIX = 'once-';
let serial = 0;

export async function reportOnce(world: World): Promise<string> {
  const { random, reporter } = world;
  const first = serial + 1;
  const since = Date.now() - 1_000;
  const until = Date.now() + random.integer(1_500, 4_000);
  const answers: Promise<boolean>[] = [];
  while (Date.now() < until) {
    serial += 1;
    answers.push(report(`${PREFIX}${serial}`));
    await sleep(EVERY_MS);
  }
  const accepted = (await Promise.all(answers)).filter(Boolean).length;
  const doubled = [...(await readCounts(world, since))].filter(([, count]) => count > 1);
  world.count('events reported once, accepted', accepted);
  if (doubled.length > 0) throw new Error(`${doubled.length} events reported once are in the intake twice`);
  return `${serial - first + 1} events, ${accepted} accepted`;

  async function report(message: string): Promise<boolean> {
    const event = { channel: 'user:once', type: 'NOTE', message };
    try {
      return (await reporter.post('/v1/events', JSON.stringify(event))).status === 202;
    } catch (error) {
      if (error instanceof NotAccepted) return false;
      throw error;
    }
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
