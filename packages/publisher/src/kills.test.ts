/**
 * Publishers as processes, killed and frozen at random while 100,000 changes go in over HTTP: what was accepted is
 * appended once, in order per property, on its own channel and on `global`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, startPublisher, startRedis, type TestProcess, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLEAN } from './intake/audit.test-support.js';
import { auditAll } from './intake/intake.test-support.js';

const CHANGES = 100_000;
const BATCH = 1_000;
const PROPERTIES = Array.from({ length: 400 }, (_, n) => `1${String(n).padStart(9, '0')}`);
const PUBLISHERS = 3;
/** Between two faults. */
const FAULT_MS = 400;
const LEASE_MS = 1_000;
/** Spread over the reports: on a quick machine these wait for them. */
const LEAST_FAULTS = 4;

let redis: TestRedis;
let publishers: TestProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  publishers = await Promise.all(Array.from({ length: PUBLISHERS }, start));
});
afterAll(async () => {
  await Promise.all(publishers.map((publisher) => publisher.kill()));
  await redis.stop();
});

const start = (): Promise<TestProcess> =>
  startPublisher({
    REDIS_URL: redis.url,
    SOURCES_ENABLED: 'false',
    ALERTS_ENABLED: 'false',
    INTAKE_LEASE_MS: String(LEASE_MS),
    LOG_MAX_EVENTS: '100000',
    LOG_MAX_GLOBAL_EVENTS: '1000000',
  });

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

/** Reports a batch until somebody says that it was accepted; the same key makes repetitions harmless. */
async function report(changes: readonly unknown[], key: string): Promise<void> {
  const body = JSON.stringify(changes);
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Soon to another one where this one is frozen, and with more patience on a machine that is slow.
      const signal = AbortSignal.timeout(1_000 * attempt);
      const response = await fetch(`${any(publishers).url}/v1/changes`, { method: 'POST', headers, body, signal });
      if (response.status === 202) return;
      if (response.status !== 503) throw new RangeError(`unexpected answer: ${await response.text()}`);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      // Killed or frozen: another one will take it.
      await pause(20);
    }
  }
}

async function reportAll(accepted: Map<string, number[]>, faults: readonly string[]): Promise<void> {
  for (let first = 0; first < CHANGES; first += BATCH) {
    await eventually('faults', () => faults.length >= Math.floor((LEAST_FAULTS * first) / CHANGES), {
      deadlineMs: 60_000,
    });
    const changes = Array.from({ length: BATCH }, (_, n) => {
      const property = PROPERTIES[(first + n) % PROPERTIES.length] as string;
      const count = first + n + 1;
      accepted.set(property, [...(accepted.get(property) ?? []), count]);
      return { property_id: property, violation_type: 'HPD', count };
    });
    await report(changes, `batch-${first}`);
  }
}

/** Kills one, or freezes it for longer than its leases last, so that it wakes up with others at its work. */
async function fault(): Promise<'killed' | 'frozen'> {
  const victim = any(publishers);
  if (Math.random() < 0.7) {
    await victim.kill();
    publishers = publishers.filter((publisher) => publisher !== victim);
    publishers.push(await start());
    return 'killed';
  }
  victim.signal('SIGSTOP');
  await pause(LEASE_MS * 1.5);
  victim.signal('SIGCONT');
  return 'frozen';
}

it('publishers killed at random lose nothing, double nothing and keep the order', async () => {
  const accepted = new Map<string, number[]>();
  const faults: string[] = [];
  let reporting = true;
  const reports = reportAll(accepted, faults).finally(() => {
    reporting = false;
  });
  while (reporting) {
    faults.push(await fault());
    await pause(FAULT_MS * Math.random());
  }
  await reports;
  const { channels, global } = await auditAll(redis, accepted, { deadlineMs: 90_000 });
  console.log('faults:', faults.length, '·', { channels, global });
  expect({ channels, global }).toMatchObject({
    channels: { ...CLEAN, audited: CHANGES },
    global: { ...CLEAN, audited: CHANGES },
  });
  expect(faults.length).toBeGreaterThanOrEqual(LEAST_FAULTS);
}, 300_000);
