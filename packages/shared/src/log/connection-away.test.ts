/** Whatever stands behind the URL: a command that fails because it is gone, or frozen, is known as failed for that. */
import { startCluster, startSentinel, type TestRedis } from '@belfry/testkit';
import { afterEach, expect, it } from 'vitest';
import { redisTrouble } from '../service/index.js';
import { type Connection, connect } from './connection.js';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function cluster() {
  const { nodes, stop, urls } = await startCluster();
  endings.push(stop);
  return { nodes, url: `redis+cluster://${urls.replaceAll('redis://', '')}` };
}

async function sentinel() {
  const { name, nodes, sentinelUrls, stop } = await startSentinel();
  endings.push(stop);
  return { nodes, url: `redis+sentinel://${sentinelUrls.replaceAll('redis://', '')}/${name}` };
}

const failures = async (connection: Connection): Promise<unknown[]> => {
  const asked = [
    connection.get('a'),
    connection.set('a', '1'),
    connection.pipeline().get('a').exec(),
    connection.multi().set('a', '1').exec(),
  ];
  const settled = await Promise.allSettled<unknown>(asked);
  return settled.map((outcome) =>
    // A pipeline resolves also where its commands failed.
    outcome.status === 'rejected' ? outcome.reason : (outcome.value as [[unknown]] | null)?.[0]?.[0],
  );
};

it.each([
  ['a Cluster', 'gone', cluster, (node: TestRedis) => node.kill()],
  ['a Cluster', 'frozen', cluster, (node: TestRedis) => node.freeze()],
  ['a Sentinel set’s Redis', 'gone', sentinel, (node: TestRedis) => node.kill()],
  ['a Sentinel set’s Redis', 'frozen', sentinel, (node: TestRedis) => node.freeze()],
] as const)('%s that is %s is away', { timeout: 20_000 }, async (_, __, start, leave) => {
  const { nodes, url } = await start();
  const connection = connect({ url, name: 'test', commandTimeoutMs: 500, onError: () => undefined });
  endings.push(() => connection.disconnect());
  await connection.set('a', '1');
  await Promise.all(nodes.map(async (node) => leave(node)));
  // At once, while it finds out; and when it knows.
  for (const error of [...(await failures(connection)), ...(await failures(connection))]) {
    expect([redisTrouble(error), error]).toEqual(['away', error]);
  }
});
