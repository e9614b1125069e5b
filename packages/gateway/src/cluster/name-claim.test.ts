/** One process at a time runs under a name, on a real Redis: who comes later is refused, who was killed is waited for. */
import { type Connection, clusterKeys, connect } from '@belfry/shared/log';
import { ConfigurationError, createLogger, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { claimName, type NameClaim } from './name-claim.js';

let redis: TestRedis;
const closing: (() => unknown)[] = [];
const keys = clusterKeys('belfry');
let serial = 0;

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

/** A gateway, as far as its name is concerned. */
function gateway(node = 'gateway-1') {
  const connection: Connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
  const timers = new Set<() => void>();
  const seen = { lost: [] as string[], rivals: 0, refusals: 0 };
  serial += 1;
  const options = {
    connection,
    keys,
    node,
    instance: `instance-${serial}`,
    clock: {
      ...systemClock,
      every: (ms: number, run: () => void) => {
        const stop = systemClock.every(ms, run);
        timers.add(stop);
        return stop;
      },
    },
    logger: createLogger('test', 'warn', {
      write: (line) => {
        if (line.includes('another gateway holds this name')) seen.refusals += 1;
      },
    }),
    onLost: (reason: string) => void seen.lost.push(reason),
    onRival: () => {
      seen.rivals += 1;
    },
  };
  /** kill -9: not another word. */
  const kill = (): void => {
    for (const stop of timers) stop();
    connection.disconnect();
  };
  closing.push(kill);
  const claim = async (): Promise<NameClaim> => {
    // Who cannot ask Redis within a second starts all the same.
    await connection.ping();
    return await claimName(options);
  };
  return { claim, instance: options.instance, kill, seen };
}
const holder = () => redis.connect().get(keys.owner('gateway-1'));

it('refuses the second of two, in a line that names the variable; the first goes on, and hears of it', async () => {
  const [first, second] = [gateway(), gateway()];
  await first.claim();
  const refusal = await second.claim().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ConfigurationError);
  expect((refusal as Error).message).toMatch(/^NODE_NAME="gateway-1" is taken: .+ each needs one of its own$/);
  expect(await holder()).toBe(first.instance);
  await eventually('the first to hear of it', () => first.seen.rivals === 1);
  expect(first.seen.lost).toEqual([]);
});

it('lets gateways of different names run side by side, and the next one of a name at once where it was given back', async () => {
  const [a, b, next] = [gateway('a'), gateway(), gateway()];
  await a.claim();
  const claim = await b.claim();
  await claim.close();
  await next.claim();
  expect(next.seen).toEqual({ lost: [], rivals: 0, refusals: 0 });
});

it('waits for one that was killed without a word, and takes its name', async () => {
  const [killed, next] = [gateway(), gateway()];
  await killed.claim();
  killed.kill();
  await next.claim();
  expect(await holder()).toBe(next.instance);
});

it('lets go of its name also while Redis is full', async () => {
  const claim = await gateway().claim();
  await redis.connect().config('SET', 'maxmemory', '1');
  closing.push(() => redis.connect().config('SET', 'maxmemory', '0'));
  await claim.close();
  expect(await holder()).toBeNull();
});

it('waits for one that was killed also where Redis could not be asked at the start', async () => {
  const [killed, next] = [gateway(), gateway()];
  await killed.claim();
  killed.kill();
  await redis.connect().config('SET', 'maxmemory', '1');
  closing.push(() => redis.connect().config('SET', 'maxmemory', '0'));
  await next.claim();
  await redis.connect().config('SET', 'maxmemory', '0');
  await eventually('its name', async () => (await holder()) === next.instance);
  expect(next.seen.lost).toEqual([]);
});

it('has the later one go where Redis was away when both started, or forgot who was first', async () => {
  const [first, second] = [gateway(), gateway()];
  await first.claim();
  await redis.connect().set(keys.owner('gateway-1'), second.instance);
  await second.claim();
  await eventually('the first to go', () => first.seen.lost.length > 0);
  expect(first.seen.lost).toEqual([expect.stringContaining('NODE_NAME="gateway-1" is taken')]);
  expect(second.seen.lost).toEqual([]);
});

it('takes its name again after Redis has forgotten everything', async () => {
  const only = gateway();
  await only.claim();
  await redis.connect().flushall();
  await eventually('its name', async () => (await holder()) === only.instance);
  expect(only.seen.lost).toEqual([]);
});
