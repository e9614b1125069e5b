/** A Redis that evicts loses events without a word; so the publisher says it. */
import { eventually, startPublisher, startRedis } from '@belfry/testkit';
import { expect, it } from 'vitest';

it('says that Redis may throw events away, and when it does so no more', async () => {
  const redis = await startRedis({ args: ['--maxmemory-policy', 'volatile-lru'] });
  try {
    const env = { REDIS_URL: redis.url, SOURCES_ENABLED: 'false', ALERTS_ENABLED: 'false' };
    const publisher = await startPublisher(env);
    try {
      const warned = await publisher.logged(({ msg }) => /maxmemory-policy noeviction/.test(String(msg)));
      expect(warned).toMatchObject({ policy: 'volatile-lru', level: 'error' });
      await redis.connect().config('SET', 'maxmemory-policy', 'noeviction');
      await redis.connect().call('CLIENT', 'KILL', 'TYPE', 'normal');
      await publisher.logged(({ msg }) => msg === 'Redis keeps everything');
      await eventually('readiness', async () => (await fetch(`${publisher.operatorUrl}/readyz`)).status === 200);
    } finally {
      await publisher.stop();
    }
  } finally {
    await redis.stop();
  }
});
