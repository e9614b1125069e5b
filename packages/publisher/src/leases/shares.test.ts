/** Shares on a real Redis: whatever happens to one of them, publishers end up with about equally many. */
import { type Connection, connect } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { withLeaseScripts } from './scripts.js';
import { createShares, type Shares, type SharesOptions } from './shares.js';

const SHARES = 8;
let redis: TestRedis;
let connection: Connection;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
beforeEach(() => redis.connect().flushall());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

/** A publisher that gives up what is too much, one after the other, whenever it is told that something changed. */
function join(name: string, commands: SharesOptions['commands'] = withLeaseScripts(connection)): Shares {
  const shares = createShares({
    commands,
    keys: { publishers: 'publishers', shares: 'shares', lease: (share) => `lease:${share}` },
    shares: SHARES,
    name,
    leaseMs: 400,
    clock: systemClock,
    logger: createLogger('test', 'silent'),
    random: () => 0,
    onChange: () => void giveUp().catch(() => undefined),
    onMisfit: () => undefined,
  });
  async function giveUp(): Promise<void> {
    for (const share of [...shares.surplus()]) await shares.release(share);
  }
  onTestFinished(() => shares.close(true));
  return shares;
}

it('a lease that Redis does not take back keeps no other from being given up', async () => {
  const commands = withLeaseScripts(connect({ url: redis.url, name: 'test', onError: () => undefined }));
  onTestFinished(() => commands.disconnect());
  const release = commands.belfryLeaseRelease.bind(commands);
  let refusals = 1;
  commands.belfryLeaseRelease = (key, name) => {
    refusals -= 1;
    return refusals < 0 ? release(key, name) : Promise.reject(new Error('LOADING Redis is loading the dataset'));
  };
  const first = join('first', commands);
  await eventually('all of them for one', () => first.held().size === SHARES);
  const second = join('second');
  await eventually('half of them for each', () => first.held().size === 4 && second.held().size === 4);
  expect(refusals).toBeLessThan(0);
  expect(new Set([...first.held(), ...second.held()]).size).toBe(SHARES);
});
