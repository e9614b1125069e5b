/** What operators send to people is sent once, whatever becomes of the connection. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer } from 'node:net';
import { connect } from '@belfry/shared/log';
import { createBudgets } from '@belfry/shared/service';
import { startRedis } from '@belfry/testkit';
import { expect, it } from 'vitest';
import { createMessageSender } from './messages.js';

it('a message whose acceptance was lost on the way, and that was written again, is known as the same', async () => {
  const redis = await startRedis();
  let cutting = true;
  const proxy = createServer((client) => {
    const server = connectSocket(redis.port, '127.0.0.1');
    client.pipe(server);
    server.on('data', (chunk) => {
      if (cutting && /\d{13}-\d/.test(chunk.toString())) {
        cutting = false;
        client.destroy();
      } else client.write(chunk);
    });
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const connection = connect({ url: `redis://127.0.0.1:${port}`, name: 'test', onError: () => undefined });
  try {
    const sender = createMessageSender({
      connection,
      prefix: 'belfry',
      broadcasts: createBudgets({ burst: 10, windowMs: 1_000 }, Date.now),
      onBroadcast: () => undefined,
    });
    const body = { message: 'The water is off from nine.' };
    await sender.send('role:everyone', { body, operator: 'operator', query: new URLSearchParams(), id: '' });
    expect(cutting).toBe(false);
    const entries = await redis.connect().xrange('belfry:intake', '-', '+');
    expect(entries).toHaveLength(2);
    const keys = entries.map(([, fields]) => fields[fields.indexOf('key') + 1]);
    expect(keys[0]).toMatch(/^[\w-]{36}$/);
    expect(keys[1]).toBe(keys[0]);
  } finally {
    connection.disconnect();
    proxy.close();
    await redis.stop();
  }
});
