/** The users of `deploy/redis/users.acl` are enough behind Sentinel and on a Cluster, too. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  connect,
  mintToken,
  startCluster,
  startGateway,
  startPublisher,
  startSentinel,
  type TestRedis,
} from '@belfry/testkit';
import { expect, it } from 'vitest';
import { ROOT } from '../../scripts/setup.mjs';

/** On every node; the nameless user stays for the nodes themselves and for what the test looks at. */
async function giveUsers(nodes: readonly TestRedis[]): Promise<void> {
  const lines = readFileSync(join(ROOT, 'deploy/redis/users.acl'), 'utf8').split('\n');
  for (const node of nodes) {
    for (const line of lines) {
      const [word, name, ...rules] = line.split(' ');
      if (word === 'user' && name && name !== 'default') await node.connect().call('ACL', 'SETUSER', name, ...rules);
    }
  }
}

/** What Redis refused. */
async function refused(nodes: readonly TestRedis[]): Promise<string[]> {
  const logs = await Promise.all(nodes.map((node) => node.connect().call('ACL', 'LOG') as Promise<unknown[]>));
  return logs.flat().map((each) => JSON.stringify(each));
}

async function worksAs(urlOf: (credentials: string) => string, nodes: readonly TestRedis[]): Promise<void> {
  const gateway = await startGateway({ REDIS_URL: urlOf('belfry-gateway:GATEWAY_PASSWORD') });
  const publisher = await startPublisher({ REDIS_URL: urlOf('belfry-publisher:PUBLISHER_PASSWORD') });
  try {
    const client = await connect(gateway.wsUrl, {
      token: mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1'] }),
    });
    client.send({ type: 'SUBSCRIBE', property_id: '1' });
    await client.next('SUBSCRIBED', undefined, { deadlineMs: 15_000 });
    const report = await fetch(`${publisher.url}/v1/changes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ property_id: '1', violation_type: 'HPD', count: 2 }),
    });
    expect(report.status).toBe(202);
    await client.next('VIOLATION_UPDATE', undefined, { deadlineMs: 15_000 });
    expect((await gateway.operate('/ws/stats')).status).toBe(200);
    client.send({ type: 'GET_STATE', property_id: '1' });
    await client.next('STATE');
    client.socket.terminate();
    expect(await refused(nodes)).toEqual([]);
  } finally {
    await Promise.all([gateway.stop(), publisher.stop()]);
  }
}

it('on a Cluster', { timeout: 90_000 }, async () => {
  const cluster = await startCluster();
  try {
    await giveUsers(cluster.nodes);
    const hosts = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
    await worksAs((credentials) => `redis+cluster://${credentials}@${hosts}`, cluster.nodes);
  } finally {
    await cluster.stop();
  }
});

it('behind Sentinel', { timeout: 90_000 }, async () => {
  const sentinel = await startSentinel();
  try {
    await giveUsers(sentinel.nodes);
    const hosts = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
    await worksAs((credentials) => `redis+sentinel://${credentials}@${hosts}/${sentinel.name}`, sentinel.nodes);
  } finally {
    await sentinel.stop();
  }
});
